"""What a chart shows, as immutable data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trainer.events.envelope import Envelope

XKind = Literal["step", "epoch", "time"]
MarkKind = Literal["checkpoint", "best", "restart", "alert"]


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one run.

    Attributes:
        label: Its name in the legend; harmless text.
        envelope: Its values, by bins of steps.
        color: Which of the chart's eight colours, from 0.
        left: Where each bin begins on the x axis, if that shows no steps; NaN where unknown.
        right: Where each bin ends on the x axis, likewise.
        smooth: A smoothed value for each bin, drawn over the envelope; None for none.
    """

    label: str
    envelope: Envelope
    color: int = 0
    left: Sequence[float] | None = None
    right: Sequence[float] | None = None
    smooth: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at one place of the x axis.

    Values that are not finite need none: the envelopes tell of them.
    """

    x: float
    kind: MarkKind
    label: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line, such as the threshold that gradients are clipped at."""

    value: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything that one chart shows.

    Attributes:
        curves: The curves, the first one on top.
        marks: What happened.
        levels: Horizontal lines.
        x: What the x axis shows.
        window: The part of the x axis in sight; the whole history if None.
        log: Whether the y axis is logarithmic; values of 0 and below are then marked as missing.
        cursor: Where the cursor stands on the x axis; None for none.
        approximate: Whether the history is not read completely yet; shown as such.
        empty: What stands in the middle when there is nothing to draw.
    """

    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()
    levels: tuple[Level, ...] = ()
    x: XKind = "step"
    window: tuple[float, float] | None = None
    log: bool = False
    cursor: float | None = None
    approximate: bool = False
    empty: str = "no data yet"
