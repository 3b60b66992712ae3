"""Text from files is data: what could steer a terminal is taken out where the text enters."""

from __future__ import annotations

import re
from pathlib import Path

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


def doc_comment(path: Path) -> str:
    """Read a profile's leading comment as one paragraph; empty if it has none or can't be read."""
    lines: list[str] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for raw in file:
                line = raw.strip()
                if line and not line.startswith("#"):
                    break
                text = line.lstrip("#").strip()
                if text.startswith("@"):
                    continue
                if not text and lines:
                    break
                if text:
                    lines.append(text)
    except OSError:
        return ""
    return clean(" ".join(lines))
