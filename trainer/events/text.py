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

# Terminals disagree about how many cells these take, so columns behind them would not stand where
# they should: what joins, varies or tints emoji, and what is invisible. Without them every sign
# stands for itself. Flags, which are two signs drawn as one, become the letters they are made of.
_UNSURE = (
    "\u00ad\u115f\u1160\u180b-\u180f\u200b\u200d\u2060-\u206f\u3164\ufe0e\ufe0f\uffa0"
    "\U0001f3fb-\U0001f3ff"
)
_FLAGS = "\U0001f1e6-\U0001f1ff"
_LETTERS = {0x1F1E6 + i: chr(ord("A") + i) for i in range(26)}
# Where marks may be piled up: no letters, digits or blanks, and nothing of Latin.
_PILE = re.compile("[^\\w\\s\x00-\u02ff]{5,}")
_PILE_MOST = 4  # no script needs more on one letter
_SEEN_APART = re.compile(f"[{_UNSURE}{_FLAGS}]|{_PILE.pattern}")
_GONE = re.compile(f"[{_UNSURE}]")


def clean(text: str, keep_newlines: bool = False) -> str:
    r"""Strip control characters and whole escape sequences from a text.

    Args:
        text: Any text, however hostile.
        keep_newlines: Keep `\n` and `\t`, and turn the other line breaks into `\n`; otherwise a
            run of line breaks and tabs becomes one blank.

    Returns:
        Text that prints as it reads, takes as many cells on every terminal, and cannot move the
        cursor, set a title or touch a clipboard.
    """
    if not text.isprintable():
        text = _LINE_BREAK.sub("\n", _SEQUENCE.sub("", text))
        if keep_newlines:
            text = _CONTROL_BUT_LAYOUT.sub("", text)
        else:
            text = _CONTROL.sub("", re.sub(r"[\n\t]+", " ", text))
    if not text.isascii() and _SEEN_APART.search(text):
        return _measured(text)
    return text


def _measured(text: str) -> str:
    """Take out what terminals measure differently, and most of each pile of marks."""
    return _PILE.sub(_without_pile, _GONE.sub("", text).translate(_LETTERS))


def _without_pile(found: re.Match[str]) -> str:
    from unicodedata import category

    kept = []
    marks = 0
    for sign in found[0]:
        marks = marks + 1 if category(sign)[0] in "MC" else 0
        if marks <= _PILE_MOST:
            kept.append(sign)
    return "".join(kept)
