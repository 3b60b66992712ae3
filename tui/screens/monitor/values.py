"""Values of curves, exactly: the newest, the best, and those at the cursor."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from trainer.display import count, duration, number, size
from trainer.events.envelope import Envelope
from tui.screens.monitor.groups import Group, split_name
from tui.screens.monitor.view import View
from tui.sources.follow import Picture


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a curve at the cursor.

    Attributes:
        low: The value, or the least of several.
        high: The value, or the greatest of several.
        step: Its step; where the bin of several values begins, if they are not told apart.
        exact: Whether it is one value, at that step.
    """

    low: float
    high: float
    step: int
    exact: bool


def written(value: float, unit: str = "", metric: str = "") -> str:
    """Write a value with its unit."""
    if isnan(value) or value in (float("inf"), float("-inf")):
        return number(value)
    if unit in ("bytes", "B") or metric.endswith("_bytes"):
        return size(value)
    if unit == "s" or (not unit and metric.endswith("_sec") and not metric.endswith("per_sec")):
        return f"{number(round(value * 1000, 1))} ms" if abs(value) < 1 else f"{number(value)} s"
    if unit == "%":
        return f"{number(value)} %"
    if unit == "GiB":
        return f"{number(round(value, 2))} GiB"
    if unit == "1/s":
        return f"{brief(value)}/s"
    return number(value)


def brief(value: float) -> str:
    """Write a value that may be large: 166, 1 214, 21.2k."""
    if abs(value) >= 1e9:
        return f"{value:.3g}"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g}M"
    if abs(value) >= 10_000:
        return f"{value / 1e3:.3g}k"
    if abs(value) >= 1000:
        return count(round(value))
    return number(value)


def latest(picture: Picture, metric: str) -> float | None:
    """Give the newest value of a metric."""
    found = picture.latest.get(metric)
    return found[1] if found is not None else None


def ending(picture: Picture, *ends: str) -> float | None:
    """Give the newest value of the first metric whose name ends so, whatever its prefix."""
    for end in ends:
        for metric in picture.names:
            if metric == end or metric.endswith(("/" + end, "_" + end)):
                return latest(picture, metric)
    return None


def data_wait(view: View) -> str:
    """Say which share of a step waits for data; empty if unknown."""
    step = ending(view.picture, "batch_time_sec", "step_time_sec")
    wait = ending(view.picture, "data_wait_sec")
    if wait is None or not step or not wait >= 0:
        return ""
    return f"{100 * min(1.0, wait / step):.0f} %"


def best(panel: Group, picture: Picture) -> tuple[str, float, int, bool] | None:
    """Give the best value on a panel, of validation if there is any.

    Returns:
        (label of the curve, value, step, whether the step is exact), or None where it is not
        known what is good.
    """
    chosen = next(
        (series for series in panel.series if split_name(series.metric)[0] == "val"), None
    )
    if chosen is None:
        return None
    goal = picture.goals.get(chosen.metric) or ("min" if panel.kind == "loss" else "")
    envelope = picture.envelopes.get(chosen.metric)
    if not goal or envelope is None:
        return None
    values = envelope.low if goal == "min" else envelope.high
    filled = [place for place in range(len(envelope)) if envelope.count[place]]
    if not filled:
        return None
    chooser = min if goal == "min" else max
    place = chooser(filled, key=lambda at: values[at])
    step = envelope.start + place * envelope.width
    exact = envelope.width == 1
    for event in picture.checkpoints:
        said = event.get("step")
        # A bin says only roughly where; the checkpoint of the best value says it exactly.
        if (
            event.get("kind") == "best"
            and isinstance(said, int)
            and 0 <= said - step < (envelope.width)
        ):
            step, exact = said, True
    return chosen.label, values[place], step, exact


def reading(view: View, metric: str) -> Reading | None:
    """Read a curve off at the cursor: its value there, or the last one before."""
    cursor = view.cursor
    envelope = view.envelope(metric)
    if cursor is None or envelope is None:
        return None
    whole = view.picture.envelopes.get(metric, envelope)
    points = view.picture.points
    if points is not None and points.start <= cursor < points.stop and metric in points.values:
        before = [point for point in points.values[metric] if point.step <= cursor]
        if before:
            return Reading(before[-1].value, before[-1].value, before[-1].step, True)
        # There is none in the steps that were read again: what counts lies before them.
        return _at(whole, points.start - 1)
    return _at(envelope, cursor) or _at(whole, cursor)


def _at(envelope: Envelope, step: int) -> Reading | None:
    place = min((step - envelope.start) // envelope.width, len(envelope) - 1)
    odd = (
        (envelope.nans, float("nan")),
        (envelope.infs, float("inf")),
        (envelope.minus_infs, float("-inf")),
    )
    while place >= 0:
        begin = envelope.start + place * envelope.width
        for counts, value in odd:
            if counts and counts[place] and not envelope.count[place]:
                return Reading(value, value, begin, envelope.width == 1)
        if envelope.count[place]:
            single = envelope.count[place] == 1
            return Reading(
                envelope.low[place], envelope.high[place], begin, single and envelope.width == 1
            )
        place -= 1
    return None


def where(view: View) -> list[str]:
    """Say where the cursor stands: step, epoch, time since the start."""
    cursor, picture = view.cursor, view.picture
    if cursor is None:
        return []
    epoch = ts = None
    points = picture.points
    if points is not None and points.start <= cursor < points.stop:
        before = [
            point for found in points.values.values() for point in found if point.step <= cursor
        ]
        if before:
            nearest = max(before, key=lambda point: point.step)
            epoch, ts = nearest.epoch, nearest.ts
    times = picture.times
    zero = None
    if times is not None:
        zero = next((at for at in times.ts_first if not isnan(at)), None)
        place = (cursor - times.start) // times.width
        if 0 <= place < len(times.ts_last):
            if epoch is None and not isnan(times.epoch_last[place]):
                epoch = times.epoch_last[place]
            if ts is None and not isnan(times.ts_last[place]):
                ts = times.ts_last[place]
    parts = [f"step {count(cursor)}"]
    if epoch is not None:
        parts.append(f"epoch {number(epoch + 1 if epoch == int(epoch) else epoch)}")
    if ts is not None and zero is not None:
        parts.append(duration(ts - zero))
    return parts
