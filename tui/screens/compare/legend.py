"""The runs of a comparison: letter, colour, name, state, and their values of one metric."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style

from trainer.display import count
from tui.screens.compare.charts import curve_style
from tui.screens.compare.lens import Entry, Lens, last_value, winners
from tui.screens.monitor.lines import Lines
from tui.screens.monitor.values import written
from tui.text import cell_len, fit, left, right
from tui.widgets.chart import Chart
from tui.widgets.linelist import LineList, Pieces

_STATE, _STEP, _VALUE = 13, 9, 10


class LegendHead(Lines):
    """Names the columns of the legend."""

    DEFAULT_CSS = "LegendHead { height: 1; padding: 0 1; background: $background; }"

    def show(self, lens: Lens, metric: str, width: int) -> None:
        """Name them."""
        cells = ["state", "step", "last", "best"] + (["cursor"] if lens.cursor is not None else [])
        room = width - 2 - _tail_width(lens)
        head = left(f"     {metric}", room) if metric else left("     run", room)
        text = head + left(f" {cells[0]}", _STATE) + right(cells[1], _STEP)
        self.show_lines([[(text + "".join(right(each, _VALUE) for each in cells[2:]), "dim")]])


def _tail_width(lens: Lens) -> int:
    return _STATE + _STEP + _VALUE * (3 if lens.cursor is not None else 2)


class Legend(LineList):
    """The runs, a line each; the keys of the screen act on the one under the cursor."""

    KEYS_TITLE: ClassVar[str] = "In the list of runs"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"legend--best"}
    DEFAULT_CSS = """
    Legend { height: auto; max-height: 8; padding: 0 1; }
    Legend > .legend--best { text-style: bold; }
    """

    def __init__(self, colors: Chart) -> None:
        super().__init__()
        self._colors = colors
        self._lens: Lens | None = None
        self._metric = ""
        self._told: list[tuple[str, ...]] = []

    def show(self, lens: Lens, metric: str) -> None:
        """Show the runs as they are now; only lines that changed are drawn."""
        self._lens, self._metric = lens, metric
        goal = lens.goal(metric)
        lasts = [last_value(each.picture, metric) for each in lens.entries]
        bests = [lens.best(each, metric) for each in lens.entries]
        stars = winners(lasts, goal), winners(bests, goal)
        told = [
            self._cells(each, (lasts[at], at in stars[0]), (bests[at], at in stars[1]))
            for at, each in enumerate(lens.entries)
        ]
        if len(told) != self.count:
            self._told = told
            self.styles.height = max(1, len(told))
            self.show_rows(len(told))
        else:
            changed = [at for at, cells in enumerate(told) if cells != self._told[at]]
            self._told = told
            self.touch(changed)

    def _cells(
        self, entry: Entry, last: tuple[float | None, bool], best: tuple[float | None, bool]
    ) -> tuple[str, ...]:
        lens, metric, picture = self._lens, self._metric, entry.picture
        assert lens is not None
        unit = picture.units.get(metric, "")
        dash = lens.glyphs.dash

        def value(found: float | None, star: bool = False) -> str:
            return (written(found, unit, metric) if found is not None else dash) + " *"[star]

        cells = [value(*last), value(*best)]
        if lens.cursor is not None:
            found = lens.at_cursor(entry, metric)
            if found is None:
                cells.append(value(None))
            else:
                cells.append(
                    value(found.high)
                    if found.low == found.high
                    else _between(found.low, found.high)
                )
        step = count(picture.step) if picture.step is not None else dash
        return (*self._named(entry), step, *cells)

    def _named(self, entry: Entry) -> tuple[str, str, str]:
        lens = self._lens
        assert lens is not None
        twins = sum(each.name == entry.name for each in lens.entries) > 1
        name = f"{entry.name} {entry.id}" if twins and entry.id else entry.name
        if entry.picture.problem:
            name = f"{name}: {entry.picture.problem}"
        state = "hidden" if entry.hidden else entry.state
        if not entry.hidden and entry.picture.envelopes and not entry.placed(lens.layout.x):
            state = f"no {lens.layout.x}s"
        return entry.letter, name, state

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a run."""
        lens = self._lens
        if lens is None or index >= len(self._told):
            return []
        entry = lens.entries[index]
        letter, name, state, step, *values = self._told[index]
        glyphs = entry.view.glyphs
        line = " " if entry.hidden else glyphs.rule
        curve = curve_style(self._colors, entry.color)
        plain, dim = Style.null(), self.part("linelist--dim")
        room = width - 5 - _tail_width(lens)
        look = dim if entry.hidden else plain
        sign = "-" if entry.hidden else glyphs.state(entry.state)
        pieces = [
            (f"{letter} ", dim if entry.hidden else curve),
            (f"{line}{line} ", curve),
            (left(fit(name, max(1, room), glyphs.ellipsis), max(1, room)), look),
            (left(f" {sign} {state}", _STATE), dim),
            (right(step, _STEP), look),
        ]
        for text in values:
            style = self.part("legend--best") if text.endswith("*") else look
            pieces.append((right(text, _VALUE), style))
        return pieces


def _between(low: float, high: float) -> str:
    text = f"{written(low)}..{written(high)}"
    return f"{text} " if cell_len(text) < _VALUE else f"~{written((low + high) / 2)} "
