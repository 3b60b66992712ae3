"""Final and best metrics of every run, side by side; the best of all is marked with a star."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style

from tui.screens.compare.charts import curve_style
from tui.screens.compare.lens import Lens, last_value, winners
from tui.screens.monitor.values import written
from tui.text import clean, left, right
from tui.widgets.chart import Chart
from tui.widgets.linelist import LineList, Pieces


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: The metric, or what its line is about.
        values: A text for each run; one that ends with `*` is the best of all.
        head: Whether it is the line of letters.
    """

    name: str
    values: tuple[str, ...]
    head: bool = False


def rows_of(lens: Lens) -> list[Row]:
    """Make the lines: letters first, then the last and the best value of each metric."""
    entries = lens.entries
    rows = [Row("* best of the runs", tuple(each.letter for each in entries), head=True)]
    for metric in lens.metrics():
        goal = lens.goal(metric)
        units = [each.picture.units.get(metric, "") for each in entries]
        lasts = [last_value(each.picture, metric) for each in entries]
        bests = [lens.best(each, metric) for each in entries]
        dash = lens.glyphs.dash
        for name, values in ((clean(metric), lasts), (f"  best ({goal})", bests)):
            if values is bests and not goal:
                continue
            best = winners(values, goal)
            texts = (
                (_short(written(v, unit, metric)) if v is not None else dash)
                + ("*" if at in best else " ")
                for at, (v, unit) in enumerate(zip(values, units, strict=True))
            )
            rows.append(Row(name, tuple(texts)))
    return rows


def _short(text: str) -> str:
    return text.replace("e-0", "e-").replace("e+0", "e+")


class Table(LineList):
    """The table.

    Args:
        colors: The chart whose colours the letters have.
    """

    KEYS_TITLE: ClassVar[str] = "In the table"
    DEFAULT_CSS = "Table { padding: 0 1; }"

    def __init__(self, colors: Chart) -> None:
        super().__init__(id="table")
        self._colors = colors
        self._rows: list[Row] = []
        self._color: list[int] = []

    @property
    def rows(self) -> list[Row]:
        """What stands there."""
        return self._rows

    def show(self, lens: Lens) -> None:
        """Show the runs as they are now."""
        new = rows_of(lens) if lens.entries else []
        self._color = [each.color for each in lens.entries]
        if len(new) != len(self._rows):
            self._rows = new
            self.show_rows(len(new))
        else:
            changed = [at for at, row in enumerate(new) if row != self._rows[at]]
            self._rows = new
            self.touch(changed)

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a line."""
        row = self._rows[index]
        each = max(8, min(12, (width - 24) // max(1, len(row.values))))
        room = max(10, width - each * len(row.values))
        dim = self.part("linelist--dim")
        pieces = [(left(row.name, room), dim if row.name.startswith(("  ", "*")) else Style.null())]
        for color, text in zip(self._color, row.values, strict=False):
            if row.head:
                pieces.append((right(f"{text} ", each), curve_style(self._colors, color)))
            else:
                look = Style(bold=True) if text.endswith("*") else Style.null()
                pieces.append((right(text, each), look))
        return pieces
