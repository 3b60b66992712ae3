"""The last look at what is drawn: no control characters, and ASCII only where there is no more."""

from __future__ import annotations

import re

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui.glyphs import Glyphs
from tui.text import cell_len

#: Signs of ours and of Textual's own widgets, by what they look like; each as wide as it was.
_LIKE = str.maketrans(
    "…·•●—–─━→←↑↓≤≥⏎│┃└┘┌┐├┤┬┴┼▁▂▃▄▅▆▇█▀▔▎▊▌▐▏▋▍▉▾▸▲▼×",
    "~|**----><^v<>e||+++++++++___#####=-||||||||v>^vx",
)
# Arrows, mathematics, frames, blocks, shapes, braille and pictures; letters stay what they are.
_SIGN = re.compile("[\u00b7\u00d7\u2010-\u2bff\U0001f300-\U0001faff]")


# These take no cell, so that a line without them is as wide as it was laid out.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Harmless(LineFilter):
    """Takes control characters out of every line.

    Text is cleaned where it enters; this is for what a person pastes into a field, for an editor
    that shows a file as it is, and for what was forgotten.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Give a line's pieces without them."""
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [Segment(_CONTROL.sub("", each.text), *each[1:]) for each in segments]


class PlainSigns(LineFilter):
    """Writes every sign as ASCII, whoever drew it."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Give a line's pieces in ASCII, as wide as they were."""
        return [
            segment if segment.text.isascii() else Segment(plain(segment.text), *segment[1:])
            for segment in segments
        ]


def plain(text: str) -> str:
    """Write the signs in a text as ASCII; it takes as many cells as before."""
    # "at least 1" must not become "more than 1"; the blank behind the sign makes room.
    text = text.replace("≥ ", ">=").replace("≤ ", "<=")
    return _SIGN.sub(lambda found: "?" * cell_len(found[0]), text.translate(_LIKE))


def filters(glyphs: Glyphs) -> list[LineFilter]:
    """Give what every line passes on its way to the terminal."""
    return [Harmless(), PlainSigns()] if glyphs.plain else [Harmless()]
