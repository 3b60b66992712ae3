"""The charts of a comparison: one metric each, a curve for every run, letters where curves end."""

from __future__ import annotations

from math import isfinite
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult, RenderResult
from textual.containers import Horizontal
from textual.geometry import Size
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tui.screens.compare.lens import Entry, Lens, last_value
from tui.screens.monitor.axis import Window
from tui.screens.monitor.lines import Lines, Piece
from tui.screens.monitor.values import written
from tui.text import cell_len, clean, fit
from tui.widgets.chart import Chart, Curve, Plot
from tui.widgets.chart.smoothing import smooth

#: Letters beside one line of a chart, at most; where more curves end, some move up or down.
_BESIDE = 3


def plot_of(lens: Lens, metric: str, *, log: bool) -> Plot:
    """Make the chart of a metric."""
    curves = []
    strength = lens.layout.smooth
    for each in lens.shown:
        envelope = each.view.envelope(metric)
        if envelope is None:
            continue
        left, right = each.view.edges(envelope) or (None, None)
        smoothed = smooth(envelope, 1 - 2 / (strength + 1)) if strength else None
        curves.append(Curve(each.letter, envelope, each.color, left, right, smoothed))
    loading = any(each.picture.loading for each in lens.entries)
    return Plot(
        tuple(curves),
        x=lens.layout.x,
        window=lens.window.range,
        log=log,
        cursor=lens.cursor,
        approximate=loading,
        empty="reading" if loading else "no run that is shown has this metric",
    )


class Gutter(Widget):
    """Names the curves at the right edge of a chart, so that they are told apart without colours."""

    DEFAULT_CSS = f"""
    Gutter {{ width: {_BESIDE + 1}; height: 1fr; background: $background; }}
    """

    def __init__(self, chart: Chart) -> None:
        super().__init__()
        self._chart = chart
        self._rows: dict[int, list[tuple[str, int]]] = {}

    @property
    def text(self) -> list[str]:
        """The letters of each line."""
        rows = self._rows
        return ["".join(sign for sign, _ in rows.get(y, ())) for y in range(self.size.height)]

    def show(self, ends: list[tuple[str, int, int]], height: int) -> None:
        """Show letters.

        Args:
            ends: (letter, colour, line) of each curve.
            height: How many lines there are.
        """
        rows: dict[int, list[tuple[str, int]]] = {}
        for letter, color, line in ends:
            near = sorted(range(height), key=lambda y, line=line: abs(y - line))  # type: ignore[misc]
            free = next((y for y in near if len(rows.get(y, ())) < _BESIDE), None)
            if free is not None:
                rows.setdefault(free, []).append((letter, color))
        if rows != self._rows:
            self._rows = rows
            self.refresh()

    def render(self) -> RenderResult:
        """Nothing: the lines are drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        base = self.rich_style
        segments = [Segment(" ", base)]
        segments += [
            Segment(sign, base + curve_style(self._chart, color))
            for sign, color in self._rows.get(y, ())
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)


def curve_style(chart: Widget, color: int) -> Style:
    """Give the colour of a curve, to lay over another style."""
    found = chart.get_component_rich_style(f"chart--curve-{color}")
    return Style(color=found.color, bold=True)


class ComparePanel(Lines):
    """One metric of all runs, under its title.

    Args:
        metric: The metric.
    """

    DEFAULT_CSS = """
    ComparePanel { height: 1fr; width: 1fr; }
    ComparePanel > Horizontal { margin: 1 0 0 0; }
    ComparePanel Chart { width: 1fr; height: 1fr; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"comparepanel--focus", "comparepanel--title"}

    def __init__(self, metric: str = "") -> None:
        super().__init__()
        self.metric = metric
        self._last: tuple[Lens, bool, bool] | None = None
        self._drawn = Size()
        self._placed: tuple[float | None, Window | None] = (None, None)
        self.chart = Chart()
        self.letters = Gutter(self.chart)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Horizontal():
            yield self.chart
            yield self.letters

    def look(self, name: str) -> Style:
        """Give the style of a part of the title; letters have the colour of their curve."""
        if name.startswith("curve-"):
            return curve_style(self.chart, int(name.removeprefix("curve-")))
        if name == "focus":
            return super().look("name") + Style(underline=True)
        return super().look(name)

    def show(self, lens: Lens, *, log: bool, focused: bool) -> None:
        """Show the runs as they are now."""
        self._last = (lens, log, focused)
        if self.chart.is_mounted and self.size.width:
            self._draw(lens, log=log, focused=focused)

    def on_mount(self) -> None:
        """Fill every new size, whoever changed it."""
        # Textual sends a new widget no `Resize` if anything asked for its place before the layout
        # was made; on a busy machine its own mounting does.
        self.screen.screen_layout_refresh_signal.subscribe(self, self._laid_out)

    def _laid_out(self, _screen: Screen[Any]) -> None:
        if self.size != self._drawn:
            self._drawn = self.size
            # The chart learns its own size later than this.
            self.call_after_refresh(self._draw_last)

    def _draw_last(self) -> None:
        if self._last is not None and self.chart.is_mounted and self.size.width:
            lens, log, focused = self._last
            self._draw(lens, log=log, focused=focused)

    def _draw(self, lens: Lens, *, log: bool, focused: bool) -> None:
        self.chart.show(plot_of(lens, self.metric, log=log))
        self.show_lines([self._title(lens, log=log, focused=focused)])
        # The cursor alone moves no curve; it shall be quick.
        placed, self._placed = self._placed, (lens.cursor, lens.window)
        if placed[0] == lens.cursor or placed[1] != lens.window:
            self.letters.show(self._ends(lens), self.chart.size.height)

    def _title(self, lens: Lens, *, log: bool, focused: bool) -> list[Piece]:
        sign = lens.glyphs.closed if focused else " "
        flags = [lens.goal(self.metric), "log" if log else ""]
        flags.append(f"smooth {lens.layout.smooth}" if lens.layout.smooth else "")
        flags.append("" if lens.window.whole else "zoomed")
        tail = "  ".join(flag for flag in flags if flag)
        room = self.size.width - cell_len(tail) - 4
        name = fit(clean(self.metric), max(6, room - 2))
        pieces: list[Piece] = [(f"{sign} ", ""), (name, "focus" if focused else "value")]
        room -= cell_len(name) + 2
        for each in lens.shown:
            text = self._value(lens, each)
            if not text or room < cell_len(text) + 4:
                continue
            pieces += [("  ", ""), (each.letter, f"curve-{each.color}"), (f" {text}", "")]
            room -= cell_len(text) + 4
        return [*pieces, (f"  {tail}", "dim")]

    def _value(self, lens: Lens, entry: Entry) -> str:
        unit = entry.picture.units.get(self.metric, "")
        if lens.cursor is None:
            value = last_value(entry.picture, self.metric)
        else:
            found = lens.at_cursor(entry, self.metric)
            value = found.high if found is not None else None
        return written(value, unit, self.metric) if value is not None else ""

    def _ends(self, lens: Lens) -> list[tuple[str, int, int]]:
        left, right = self.chart.x_range
        # A run that ended before what is in sight has no curve there to be named.
        colors = {each.letter: each.color for each in lens.shown if each.view.axis.whole[1] >= left}
        ends = []
        for letter, value in self.chart.values_at(right):
            if letter not in colors:
                continue
            row = self.chart.row_of(value) if isfinite(value) else None
            if row is not None:
                ends.append((letter, colors[letter], row))
        return ends
