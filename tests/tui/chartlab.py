"""Envelopes and drawings for the chart's tests."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.events.envelope import Bins, Envelope, Grid
from tui.glyphs import UNICODE, Glyphs
from tui.widgets.chart.drawing import Drawing
from tui.widgets.chart.model import Curve, Plot


def envelope(
    values: Sequence[float | None], *, width: int = 1, every: int = 1, start: int = 0
) -> Envelope:
    """Make an envelope of values `every` so many steps, in bins of `width` steps; None is none."""
    size = max(1, -(-len(values) * every // width))
    grid, bins = Grid(start, width, size), Bins(size)
    for number, value in enumerate(values):
        if value is not None:
            bins.point(grid.bin(start + number * every), value)
    return bins.picture(grid, 0, size, None, exact=True)


def plot(*values: Sequence[float | None], **more: object) -> Plot:
    """Make a plot of curves of one value a step."""
    curves = tuple(Curve(f"c{i}", envelope(v), i) for i, v in enumerate(values))
    return Plot(curves, **more)  # type: ignore[arg-type]


def lines(drawing: Drawing) -> list[str]:
    """Give the text of a drawing."""
    return ["".join(text for _, text in drawing.row(y)) for y in range(drawing.height)]


def draw(plot: Plot, width: int = 80, height: int = 20, glyphs: Glyphs = UNICODE) -> list[str]:
    """Draw a plot anew; give its text."""
    drawing = Drawing(glyphs)
    drawing.draw(plot, width, height)
    return lines(drawing)
