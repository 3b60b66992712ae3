"""The learning rate over a run as rows of signs, for the screen and for the command line."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from trainer.display import aligned, count
from trainer.events.envelope import Envelope
from trainer.runs.lr import Curve as LrCurve
from tui.glyphs import Glyphs
from tui.widgets.chart.drawing import Drawing
from tui.widgets.chart.model import Curve, Plot


def lr_plot(curve: LrCurve) -> Plot:
    """Make the plot of a learning rate: a curve for each kind of parameter group."""
    curves = []
    for color, number in enumerate(curve.distinct):
        first, low, high, last = (
            array("d", part[number]) for part in (curve.first, curve.low, curve.high, curve.last)
        )
        none = array("q")
        ones = array("q", [1] * len(first))
        envelope = Envelope(0, curve.width, first, low, high, last, ones, none, none, none)
        curves.append(Curve(curve.name(number), envelope, color))
    axis = "step" if curve.unit == "step" else "epoch"
    window = (0.0, float(max(1, curve.total - 1)))
    return Plot(tuple(curves), x=axis, window=window, empty="no step is taken")  # type: ignore[arg-type]


def lr_rows(curve: LrCurve, width: int, height: int, glyphs: Glyphs) -> list[list[tuple[int, str]]]:
    """Draw a learning rate.

    Args:
        curve: What to draw.
        width: Cells of a row.
        height: Rows, two of them for the axis.
        glyphs: The signs that the terminal has.

    Returns:
        Rows of pieces: number of the chart's style, and text.
    """
    drawing = Drawing(glyphs)
    drawing.draw(lr_plot(curve), width, height)
    return [list(drawing.row(y)) for y in range(height)]


def lr_table(curve: LrCurve) -> list[str]:
    """Write the key points of a learning rate as a table."""
    numbers = curve.distinct
    heads = ["lr"] if len(numbers) == 1 else [f"lr of {curve.name(number)}" for number in numbers]
    rows = [
        [str(name), count(place), *(number_text(lrs[number]) for number in numbers)]
        for name, place, *lrs in curve.points
    ]
    return aligned([["", curve.unit.upper(), *(head.upper() for head in heads)], *rows])


def lr_summary(curve: LrCurve) -> str:
    """Say in one line over what the learning rate is shown."""
    units = "steps" if curve.unit == "step" else "epochs"
    what = f"over {count(curve.total)} {units}"
    if not curve.known:
        what = f"over the first {count(curve.total)} {units}"
    if not curve.stepped:
        what += ", thinned" if curve.exact else ", sampled"
    return what


def number_text(value: float) -> str:
    """Write a learning rate in few digits: 0.0003, 2.6e-05."""
    return f"{value:.4g}"


def plain(rows: Sequence[Sequence[tuple[int, str]]]) -> list[str]:
    """Give rows as text without styles."""
    return ["".join(text for _, text in row).rstrip() for row in rows]
