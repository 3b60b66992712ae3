"""Sparklines: a whole history in a few cells of one line."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from trainer.events.envelope import Envelope
from tui.glyphs import Glyphs


def sparkline(values: Envelope | Sequence[float], width: int, glyphs: Glyphs) -> str:
    """Draw a history in at most `width` cells.

    Each cell shows the mean of the last values of its bins; one in which a value was not finite
    shows a cross instead, and one without values a blank.

    Args:
        values: An envelope, or the values themselves.
        width: Cells there are.
        glyphs: The signs that the terminal has.
    """
    if width <= 0:
        return ""
    last: Sequence[float]
    if isinstance(values, Envelope):
        last = values.last
        marks = [m for m in (values.nans, values.infs, values.minus_infs) if m]
        bad = [any(ns) for ns in zip(*marks, strict=True)] if marks else [False] * len(last)
        blank = [not n for n in values.count]
    else:
        last = values
        bad = [not isfinite(v) for v in values]
        blank = bad
    cells: list[float | None] = []
    crosses = set()
    size = len(last)
    for cell in range(min(width, size)):
        part = range(cell * size // min(width, size), (cell + 1) * size // min(width, size))
        kept = [last[i] for i in part if not blank[i]]
        if any(bad[i] for i in part):
            crosses.add(cell)
        cells.append(sum(v / len(kept) for v in kept) if kept else None)
    known = [v for v in cells if v is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    signs, cross = glyphs.spark, "x" if glyphs.plain else "×"
    factor = (len(signs) - 1) / span if (span := high / 2 - low / 2) > 1e-300 else 0.0
    text = []
    for cell, value in enumerate(cells):
        if cell in crosses:
            text.append(cross)
        elif value is None:
            text.append(" ")
        else:
            text.append(signs[int((value / 2 - low / 2) * factor + 0.5)])
    return "".join(text).rstrip()
