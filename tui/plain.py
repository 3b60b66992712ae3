"""Nothing but ASCII for drawing, where the locale or the font has no more."""

from __future__ import annotations

import re

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui.text import cell_len

#: Signs of ours and of Textual's own widgets, by what they look like; each as wide as it was.
_LIKE = str.maketrans(
    "…·•●—–─━→←↑↓≤≥⏎│┃└┘┌┐├┤┬┴┼▁▂▃▄▅▆▇█▀▔▎▊▌▐▏▋▍▉▾▸▲▼×",
    "~|**----><^v<>e||+++++++++___#####=-||||||||v>^vx",
)
# Arrows, mathematics, frames, blocks, shapes, braille and pictures; letters stay what they are.
_SIGN = re.compile("[\u00b7\u00d7\u2010-\u2bff\U0001f300-\U0001faff]")


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
    return _SIGN.sub(lambda found: "?" * cell_len(found[0]), text.translate(_LIKE))
