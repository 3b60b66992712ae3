"""The signs that a chart is made of, and the numbers of their styles."""

from __future__ import annotations

from dataclasses import dataclass

from tui.widgets.chart.canvas import ASCII, BRAILLE
from tui.widgets.chart.model import MarkKind

#: Numbers of styles; curves follow from `CURVES` on, eight each: plain, dimmer, brighter.
BASE, AXIS, LABEL, MARK, BAD, LEVEL, CURSOR, DIM, CURVES = range(9)
RAW, SMOOTH, COLORS = CURVES + 8, CURVES + 16, 8
#: Added where the cursor stands.
UNDER = 64

#: What can happen, the least important first: one sign stands for all in a cell.
KINDS: tuple[MarkKind, ...] = ("checkpoint", "best", "restart", "alert")


@dataclass(frozen=True, slots=True)
class Signs:
    """One set of signs.

    Attributes:
        cells: Signs of dots, see `canvas`.
        point: A single point.
        marks: What happened, by `KINDS`.
        bad: NaN, infinity, negative infinity.
        below: A value that a logarithmic axis cannot show.
        level: A horizontal line.
        upright: A vertical line where something happened.
        cursor: The vertical line of the cursor.
        frame: Left edge, left edge with a tick, corner, line, line with a tick.
    """

    cells: str
    point: str
    marks: str
    bad: str
    below: str
    level: str
    upright: str
    cursor: str
    frame: str


UNICODE = Signs(BRAILLE, "•", "◆★↻!", "×↑↓", "↓", "┄", "┊", "│", "│┤└─┬")
PLAIN = Signs(ASCII, "o", "c*R!", "x^v", "v", "-", ":", "|", "||+-+")
