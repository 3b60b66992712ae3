"""Cells with a sign and a style each, and what of them looks different than before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from tui.widgets.chart.signs import BASE

#: Spans of changes that lie so near are sent as one: moving there costs as much.
_NEAR = 6


@dataclass(frozen=True, slots=True)
class Span:
    """Cells of one row that look different now."""

    row: int
    begin: int
    end: int


class Grid:
    """Rows of cells, blank at first.

    Args:
        width: Cells across.
        height: Rows.

    Attributes:
        text: A sign for each cell, by row.
        styles: The number of each cell's style, by row.
    """

    def __init__(self, width: int, height: int) -> None:
        self.text = [[" "] * width for _ in range(height)]
        self.styles = [[BASE] * width for _ in range(height)]

    def copy(self) -> Grid:
        """Give what stands in the cells now, to be compared with later."""
        found = Grid(0, 0)
        found.text = [row[:] for row in self.text]
        found.styles = [row[:] for row in self.styles]
        return found

    def write(self, y: int, x: int, text: str, style: int) -> None:
        """Write a text into a row, all of it in one style."""
        self.text[y][x : x + len(text)] = text
        self.styles[y][x : x + len(text)] = [style] * len(text)

    def row(self, y: int) -> Iterable[tuple[int, str]]:
        """Give one row as pieces: number of the style, and text."""
        pairs = zip(self.styles[y], self.text[y], strict=True)
        for style, cells in groupby(pairs, key=lambda pair: pair[0]):
            yield style, "".join(sign for _, sign in cells)

    def changes(self, before: Grid) -> Iterable[Span]:
        """Give the cells that look different than in a copy of the same size."""
        for y, (signs, numbers) in enumerate(zip(self.text, self.styles, strict=True)):
            text, styles = before.text[y], before.styles[y]
            if signs == text and numbers == styles:
                continue
            begin = end = -1
            for x, (new, old, style, was) in enumerate(
                zip(signs, text, numbers, styles, strict=True)
            ):
                if new == old and style == was:
                    continue
                if begin >= 0 and x - end > _NEAR:
                    yield Span(y, begin, end)
                    begin = x
                elif begin < 0:
                    begin = x
                end = x + 1
            yield Span(y, begin, end)
