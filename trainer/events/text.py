"""Text from files, runs and hosts is data: what could steer a terminal is taken out here."""

from __future__ import annotations

import re

# A string sequence (OSC, DCS, PM, APC, SOS) that is never closed ends with its line, so that a
# stray introducer cannot swallow the rest of a long text. Each alternative is linear.
_SEQUENCE = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)

# What is left of C0 and C1, DEL, half surrogates, the controls of writing direction (they reorder
# what a person reads), the byte order mark and Unicode's invisible tag characters.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_CONTROL_BUT_LAYOUT = re.compile(_CONTROL.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
_LINE_BREAK = re.compile("\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")


def clean(text: str, keep_newlines: bool = False) -> str:
    r"""Strip control characters and whole escape sequences from a text.

    Args:
        text: Any text, however hostile.
        keep_newlines: Keep `\n` and `\t`, and turn the other line breaks into `\n`; otherwise a
            run of line breaks and tabs becomes one blank.

    Returns:
        Text that prints as it reads and cannot move the cursor, set a title or touch a clipboard.
    """
    if text.isprintable():
        return text
    text = _SEQUENCE.sub("", text)
    text = _LINE_BREAK.sub("\n", text)
    if keep_newlines:
        return _CONTROL_BUT_LAYOUT.sub("", text)
    return _CONTROL.sub("", re.sub(r"[\n\t]+", " ", text))
