"""What is written inside a chart, where no curve is."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from tui.text import cell_len, clean, fit
from tui.widgets.chart.canvas import DOWN
from tui.widgets.chart.model import Plot
from tui.widgets.chart.scale import Scale
from tui.widgets.chart.signs import DIM, LEVEL, MARK

#: By column and row of the plot, a sign and the number of its style.
Notes = dict[int, dict[int, tuple[str, int]]]


def notes(
    plot: Plot,
    size: tuple[int, int],
    scale: Scale,
    cell_of: Callable[[float], int | None],
    taken: Callable[[int, int], bool],
    *,
    ellipsis: str,
    empty: str,
) -> Notes:
    """Write names of levels and marks, the state of reading, and why there is nothing.

    Args:
        plot: What is shown.
        size: Columns and rows of cells of the plot.
        scale: Its vertical axis.
        cell_of: Gives the column of a place on the x axis; None if it is out of sight.
        taken: Tells whether a curve is in a cell, by column and row: a name that would lose
            letters to it stands beside it, or nowhere.
        ellipsis: Ends a text that was cut.
        empty: Stands in the middle; nothing does if empty.
    """
    columns, rows = size
    found: Notes = {}

    def put(y: int, x: int, text: str, style: int) -> None:
        if cell_len(text) != len(text):
            # Signs of other widths would move everything behind them.
            text = "".join(sign if cell_len(sign) == 1 else "?" for sign in text)
        for column, sign in enumerate(text, x):
            if 0 <= column < columns:
                found.setdefault(column, {})[y] = (sign, style)

    def free(y: int, x: int, text: str) -> bool:
        if x < 0 or x + len(text) > columns:
            return False
        cells = range(x, x + len(text))
        written = any(y in found.get(column, ()) for column in cells)
        return 0 <= y < rows and not written and not any(taken(column, y) for column in cells)

    for level in plot.levels:
        if level.label and isfinite(level.value) and scale.holds(level.value):
            text = fit(clean(level.label), columns // 3, ellipsis)
            begin, row = columns - len(text), scale.row(level.value) // DOWN
            for y in (row, row - 1, row + 1):
                if free(y, begin, text):
                    put(y, begin, text, LEVEL)
                    break
    for mark in plot.marks:
        if mark.label and mark.kind in ("restart", "best"):
            cell = cell_of(mark.x)
            if cell is not None:
                text = fit(clean(mark.label), columns // 4, ellipsis)
                fits = cell + 1 + len(text) <= columns
                for begin in (cell + 1, cell - len(text)) if fits else (cell - len(text),):
                    if free(0, begin, text):
                        put(0, begin, text, MARK)
                        break
    if plot.approximate:
        text = fit("sampled" + ellipsis, columns, ellipsis)
        put(0, columns - len(text), text, DIM)
    if empty:
        text = fit(clean(empty), columns, ellipsis)
        put((rows - 1) // 2, (columns - len(text)) // 2, text, DIM)
    return found
