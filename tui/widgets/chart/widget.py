"""The chart as a widget: keeps a drawing, and sends only the spans that changed."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.app import RenderResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.glyphs import UNICODE, Glyphs
from tui.widgets.chart import signs
from tui.widgets.chart.canvas import DOWN
from tui.widgets.chart.drawing import Drawing
from tui.widgets.chart.model import Curve, Plot

_PARTS = ("", "axis", "label", "mark", "bad", "level", "cursor", "dim")


class Chart(Widget):
    """Draws a `Plot` in braille, or in ASCII where the terminal lacks that.

    Args:
        glyphs: The signs to draw with; those of the app if None.
        id: Its id.
        classes: Its classes.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"chart--{part}" for part in _PARTS if part),
        *(f"chart--curve-{number}" for number in range(signs.COLORS)),
        "chart--curve-raw",
        "chart--curve-smooth",
    }
    DEFAULT_CSS = """
    Chart { background: $background; color: $foreground; }
    Chart > .chart--axis { color: $text-disabled; }
    Chart > .chart--label { color: $text-muted; }
    Chart > .chart--mark { color: $text-muted; }
    Chart > .chart--bad { color: $text-error; text-style: bold; }
    Chart > .chart--level { color: $text-muted; }
    Chart > .chart--cursor { color: $foreground; background: $surface-lighten-1; }
    Chart > .chart--dim { color: $text-disabled; }
    Chart > .chart--curve-raw { text-style: dim; }
    Chart > .chart--curve-smooth { text-style: bold; }
    Chart > .chart--curve-0 { color: #4fa3ff; }
    Chart > .chart--curve-1 { color: #ffa424; }
    Chart > .chart--curve-2 { color: #30c060; }
    Chart > .chart--curve-3 { color: #e060e0; }
    Chart > .chart--curve-4 { color: #f05050; }
    Chart > .chart--curve-5 { color: #20c8c8; }
    Chart > .chart--curve-6 { color: #d8d040; }
    Chart > .chart--curve-7 { color: #a0a0b0; }
    Chart:light > .chart--curve-0 { color: #0060d0; }
    Chart:light > .chart--curve-1 { color: #b85c00; }
    Chart:light > .chart--curve-2 { color: #00802c; }
    Chart:light > .chart--curve-3 { color: #a000a0; }
    Chart:light > .chart--curve-4 { color: #c00000; }
    Chart:light > .chart--curve-5 { color: #007f88; }
    Chart:light > .chart--curve-6 { color: #807000; }
    Chart:light > .chart--curve-7 { color: #606070; }
    Chart:ansi > .chart--curve-0 { color: ansi_bright_blue; }
    Chart:ansi > .chart--curve-1 { color: ansi_yellow; }
    Chart:ansi > .chart--curve-2 { color: ansi_green; }
    Chart:ansi > .chart--curve-3 { color: ansi_magenta; }
    Chart:ansi > .chart--curve-4 { color: ansi_red; }
    Chart:ansi > .chart--curve-5 { color: ansi_cyan; }
    Chart:ansi > .chart--curve-6 { color: ansi_bright_yellow; }
    Chart:ansi > .chart--curve-7 { color: ansi_bright_black; }
    """

    def __init__(
        self, *, glyphs: Glyphs | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._glyphs = glyphs
        self._plot = Plot()
        self._drawing: Drawing | None = None
        self._looks: dict[int, Style] = {}
        self._strips: dict[int, Strip] = {}
        self._stale = False

    @property
    def plot(self) -> Plot:
        """What is shown."""
        return self._plot

    @property
    def x_range(self) -> tuple[float, float]:
        """What the x axis shows, from its left end to its right."""
        return self._drawing.x_range if self._drawing is not None else (0.0, 1.0)

    @property
    def plot_width(self) -> int:
        """Columns of cells that the curves have."""
        return self._drawing.columns if self._drawing is not None else 0

    def show(self, plot: Plot) -> None:
        """Show a plot; only what looks different is sent."""
        self._plot = plot
        if self._drawing is None or not self.is_mounted:
            return
        width, height = self.size
        if (width, height) != (self._drawing.width, self._drawing.height):
            # While it is hidden it has no size; the next line that is asked for draws everything.
            self._stale = True
            self.refresh()
            return
        spans = self._drawing.draw(plot, width, height)
        for span in spans:
            self._strips.pop(span.row, None)
        if spans:
            self.refresh(*(Region(s.begin, s.row, s.end - s.begin, 1) for s in spans))

    def values_at(self, x: float) -> list[tuple[str, float]]:
        """Give the label and the value of each curve at a place, or at the nearest one before.

        Where there is none before, the nearest one behind it counts; NaN if there is none at all.
        """
        return [(curve.label, _value(curve, x)) for curve in self._plot.curves]

    def row_of(self, value: float) -> int | None:
        """Give the line on which a finite value is drawn; None before anything was."""
        scale = self._drawing.scale if self._drawing is not None else None
        return scale.row(value) // DOWN if scale is not None else None

    def notify_style_update(self) -> None:
        """Take the colours of another theme."""
        self._looks.clear()
        self._strips.clear()
        super().notify_style_update()

    def render(self) -> RenderResult:
        """Nothing: the lines are drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw a line of cells."""
        width, height = self.size
        if self._drawing is None:
            self._drawing = Drawing(self._signs())
        if self._stale or (width, height) != (self._drawing.width, self._drawing.height):
            self._stale = False
            self._drawing.draw(self._plot, width, height)
            self._strips.clear()
        strip = self._strips.get(y)
        if strip is None:
            if not 0 <= y < height:
                return Strip([Segment(" " * width, self.rich_style)], width)
            pieces = self._drawing.row(y)
            segments = [Segment(text, self._look(style)) for style, text in pieces]
            strip = self._strips[y] = Strip(segments, width)
        return strip

    def _signs(self) -> Glyphs:
        if self._glyphs is not None:
            return self._glyphs
        context = getattr(self.app, "context", None)
        glyphs = getattr(context, "glyphs", None)
        return glyphs if isinstance(glyphs, Glyphs) else UNICODE

    def _look(self, number: int) -> Style:
        look = self._looks.get(number)
        if look is None:
            look = self._looks[number] = self._make_look(number)
        return look

    def _make_look(self, number: int) -> Style:
        if number >= signs.UNDER:
            cursor = self.get_component_rich_style("chart--cursor", partial=True)
            return self._look(number - signs.UNDER) + Style(bgcolor=cursor.bgcolor)
        if number < signs.CURVES:
            part = _PARTS[number]
            return self.get_component_rich_style(f"chart--{part}") if part else self.rich_style
        kind, color = divmod(number - signs.CURVES, signs.COLORS)
        look = self.get_component_rich_style(f"chart--curve-{color}")
        if kind:
            name = "chart--curve-raw" if kind == 1 else "chart--curve-smooth"
            look += self.get_component_rich_style(name, partial=True)
        return look


def _value(curve: Curve, x: float) -> float:
    envelope = curve.envelope
    count: Sequence[int] = envelope.count
    last: Sequence[float] = envelope.last
    if not isfinite(x):
        return nan
    if curve.left is None and curve.right is None:
        b = int(max(-1.0, min((x - envelope.start) // envelope.width, len(envelope) - 1.0)))
        for place in (*range(b, -1, -1), *range(max(0, b + 1), len(envelope))):
            if count[place]:
                return float(last[place])
        return nan
    starts = curve.left if curve.left is not None else curve.right
    assert starts is not None
    # Restarts may make times and epochs go back: the newest bin that has begun by then counts.
    best: tuple[float, int] | None = None
    first: tuple[float, int] | None = None
    for place, (start, n) in enumerate(zip(starts, count, strict=False)):
        if not n or not isfinite(start):
            continue
        if start <= x and (best is None or start >= best[0]):
            best = (start, place)
        if first is None or start < first[0]:
            first = (start, place)
    chosen = best or first
    return float(last[chosen[1]]) if chosen is not None else nan
