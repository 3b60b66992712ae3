"""Everything that decides how the panels look at one moment, and the charts made from it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, isnan
from typing import Any

from trainer.events.envelope import Envelope
from tui.glyphs import UNICODE, Glyphs
from tui.screens.monitor.axis import Axis, Window
from tui.screens.monitor.groups import Group
from tui.screens.monitor.layout import Layout
from tui.sources.follow import Picture
from tui.text import clean
from tui.widgets.chart.model import Curve, Level, Mark, Plot
from tui.widgets.chart.smoothing import smooth

_Edges = tuple[list[float], list[float]] | None


@dataclass(frozen=True)
class View:
    """What is shown of a run, and how.

    Attributes:
        picture: The run.
        axis: Its x axis.
        window: The part of the axis in sight.
        layout: What the person has made of the panels.
        groups: All panels, hidden ones too, the most important first.
        cursor: The step at which the cursor stands; None for none.
        glyphs: The signs to draw with.
    """

    picture: Picture = field(default_factory=Picture)
    axis: Axis = field(default_factory=lambda: Axis("step"))
    window: Window = field(default_factory=Window)
    layout: Layout = field(default_factory=Layout)
    groups: tuple[Group, ...] = ()
    cursor: int | None = None
    glyphs: Glyphs = UNICODE
    _edges: dict[tuple[int, int, int], _Edges] = field(
        default_factory=dict, repr=False, compare=False
    )
    _marks: list[Mark] = field(default_factory=list, repr=False, compare=False)

    def envelope(self, metric: str) -> Envelope | None:
        """Give the finest picture of a metric that covers what is in sight."""
        whole = self.picture.envelopes.get(metric)
        zoom = self.picture.zoom
        if whole is None or self.window.whole or zoom is None:
            return whole
        closer = zoom.envelopes.get(metric)
        begin, end = self.axis.step(self.window.low), self.axis.step(self.window.high)
        if closer is None or closer.width >= whole.width or not len(closer):
            return whole
        return closer if zoom.start <= begin and end < zoom.stop + 1 else whole

    def edges(self, envelope: Envelope) -> _Edges:
        """Give where the bins of an envelope begin and end on the axis; None for steps."""
        key = (envelope.start, envelope.width, len(envelope))
        if key not in self._edges:
            self._edges[key] = self.axis.edges(*key)
        return self._edges[key]

    def marks(self) -> list[Mark]:
        """Give what happened: restarts, checkpoints, the best one, alerts."""
        if not self._marks:
            self._marks.extend(_marks(self.picture, self.axis))
        return self._marks


def plot_of(panel: Group, view: View) -> Plot:
    """Make the chart of a panel."""
    picture, layout = view.picture, view.layout
    curves = []
    for color, series in enumerate(panel.series):
        envelope = view.envelope(series.metric)
        if envelope is None:
            continue
        left, right = view.edges(envelope) or (None, None)
        curves.append(
            Curve(
                series.label or panel.title,
                envelope,
                color,
                left,
                right,
                smooth(envelope, 1 - 2 / (layout.smooth + 1)) if layout.smooth else None,
            )
        )
    # Validation is drawn over training, which is the noisier of the two.
    curves.reverse()
    marks = view.marks()
    if panel.kind != "loss":
        marks = [mark for mark in marks if mark.kind in ("restart", "alert")]
    return Plot(
        curves=tuple(curves),
        marks=tuple(marks),
        levels=tuple(_levels(panel, picture)),
        x=view.axis.kind,
        window=view.window.range,
        log=panel.key in layout.log,
        cursor=view.axis.place(view.cursor) if view.cursor is not None else None,
        approximate=picture.loading,
        empty="reading" if picture.loading else "no data yet",
    )


def described(picture: Picture, metric: str) -> Mapping[str, Any]:
    """Give what `run_started` says of a metric."""
    metrics = picture.started.get("metrics")
    found = metrics.get(metric) if isinstance(metrics, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _levels(panel: Group, picture: Picture) -> list[Level]:
    levels = []
    for series in panel.series:
        value = described(picture, series.metric).get("threshold")
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            levels.append(Level(float(value), "clip" if panel.kind == "norm" else "threshold"))
    return levels


def _marks(picture: Picture, axis: Axis) -> list[Mark]:
    marks: dict[tuple[str, float], Mark] = {}
    best: Mark | None = None
    for event in picture.starts[1:]:
        place = _place(event, picture, axis)
        if place is not None:
            marks["restart", place] = Mark(place, "restart", "restart")
    for event in picture.checkpoints:
        place = _place(event, picture, axis)
        if place is None:
            continue
        if event.get("kind") == "best":
            # The one before it was replaced on disk.
            best = Mark(place, "best", "best")
        else:
            marks["checkpoint", place] = Mark(place, "checkpoint", "ckpt")
    for event in picture.alerts:
        place = _place(event, picture, axis)
        if place is not None:
            label = event.get("kind")
            name = clean(label) if isinstance(label, str) else ""
            marks["alert", place] = Mark(place, "alert", name)
    return [*marks.values(), *([best] if best else [])]


def _place(event: Mapping[str, Any], picture: Picture, axis: Axis) -> float | None:
    """Give where an event stands on the x axis; None if it tells neither time nor step."""
    ts = event.get("ts")
    if axis.zero is not None and isinstance(ts, int | float) and not isinstance(ts, bool):
        # Steps are done again after a resume: its own time says when it happened.
        return max(0.0, ts - axis.zero) if isfinite(ts) else None
    step = _step(event, picture)
    return axis.place(step) if step is not None else None


def _step(event: Mapping[str, Any], picture: Picture) -> float | None:
    """Give the step of an event, by its time where it names none."""
    step = event.get("step")
    if isinstance(step, int | float) and not isinstance(step, bool) and isfinite(step):
        return float(step)
    ts, times = event.get("ts"), picture.times
    if not isinstance(ts, int | float) or isinstance(ts, bool) or times is None:
        return None
    known = [(at, number) for number, at in enumerate(times.ts_first) if not isnan(at)]
    found = bisect_left(known, (float(ts), -1))
    if not known or found >= len(known):
        return None
    return float(times.start + known[found][1] * times.width)
