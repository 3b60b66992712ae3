"""Text from files is data: what could steer a terminal is taken out where the text enters."""

from __future__ import annotations

import re

# Escape sequences go whole, with their parameters, so that no "[31m" is left over.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\Z)|\x1b[ -/]*[0-~]?|\x9b[0-?]*[ -/]*[@-~]",
    re.DOTALL,
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str, limit: int = 500) -> str:
    """Take escape sequences and control characters out of a text and cut it at `limit`."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub(" ", _SEQUENCES.sub("", text))
