"""Ticks of both axes, and what is written beside them."""

from __future__ import annotations

import time
from math import ceil, floor, inf, isfinite, log10

from trainer.display import count, duration
from tui.widgets.chart.model import XKind
from tui.widgets.chart.scale import Scale, nice_step, tick_step

Ticks = list[tuple[float, str]]

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SECONDS = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200),
)
_DAY = 86400
#: Ticks that lie nearer together than this share of their values are written as differences.
_CLOSE = 1e-5
#: Times below this are seconds since a start, those above are unix seconds.
_ELAPSED = 1e8


def compact(value: float, step: float) -> str:
    """Write a tick's value in few cells, exactly enough for ticks `step` apart: 0.25, 1.3k, 2e-5."""
    if not value:
        return "0"
    size = max(abs(value), step)
    if size >= 1e15 or size < 1e-3:
        digits = max(0, min(3, floor(log10(abs(value))) - floor(log10(step) + 1e-9)))
        mantissa, exponent = f"{value:.{digits}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    unit, sign = next(((u, s) for u, s in _UNITS if size >= u), (1.0, ""))
    digits = max(0, min(6, ceil(-log10(step / unit) - 1e-9)))
    text = f"{value / unit:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if sign and "." in text else text) + sign


def value_ticks(scale: Scale, wanted: int) -> Ticks:
    """Give the ticks of a vertical axis, from the lowest."""
    if wanted <= 0:
        return []
    if scale.log:
        return _log_ticks(scale, wanted)
    for more in range(wanted, wanted + 4):
        step = tick_step(scale.low, scale.high, more)
        first, last = ceil(scale.low / step - 1e-9), floor(scale.high / step + 1e-9)
        if last > first:
            # One tick alone tells no scale.
            break
    values = [number * step for number in range(first, min(last, first + 4 * wanted) + 1)]
    values = [value for value in values if isfinite(value)]
    if values and step < max(abs(values[0]), abs(values[-1])) * _CLOSE:
        # Written out, they would need more digits than there is room for.
        base = values[0]
        behind = [(value, "+" + compact(value - base, step)) for value in values[1:]]
        return [(base, compact(base, abs(base) / 1000)), *behind]
    return [(value, compact(value, step)) for value in values]


def _log_ticks(scale: Scale, wanted: int) -> Ticks:
    low, high = log10(scale.low), log10(scale.high)
    decades = range(ceil(low - 1e-9), floor(high + 1e-9) + 1)
    if len(decades) >= 2 or high - low >= 1.5:
        every = max(1, ceil(len(decades) / wanted))
        chosen = [d for d in decades if d % every == 0]
        return [(float(f"1e{d}"), _power(d)) for d in chosen]
    found: Ticks = []
    for decade in range(floor(low), floor(high + 1e-9) + 1):
        for factor in (1, 2, 5):
            value = float(f"{factor}e{decade}") if decade >= -323 else 0.0
            if 0 < value < inf and scale.low * (1 - 1e-9) <= value <= scale.high * (1 + 1e-9):
                found.append((value, compact(value, value)))
    return found if len(found) >= 2 else value_ticks(Scale(scale.low, scale.high, 1), wanted)


def _power(decade: int) -> str:
    return compact(float(f"1e{decade}"), float(f"1e{decade}")) if -4 < decade < 6 else f"1e{decade}"


def place_ticks(low: float, high: float, cells: int, kind: XKind) -> Ticks:
    """Give the ticks of a horizontal axis so that their labels do not touch.

    Args:
        low: Where the axis begins.
        high: Where it ends.
        cells: Its length.
        kind: What it shows.
    """
    for wanted in range(max(1, min(8, cells // 9)), 0, -1):
        step = _place_step(low, high, wanted, kind)
        first = _first_place(low, step, kind)
        found = []
        number = 0
        while (value := first + number * step) <= high + step * 1e-9 and number <= 2 * wanted + 2:
            found.append((value, place_label(value, step, kind)))
            number += 1
        widest = max((len(text) for _, text in found), default=0)
        if step / (high - low) * (cells - 1) >= widest + 2 or wanted == 1:
            return found
    return []


def _place_step(low: float, high: float, wanted: int, kind: XKind) -> float:
    rough = (high - low) / wanted
    if kind == "time" and 1 <= rough <= _SECONDS[-1]:
        return float(next(s for s in _SECONDS if s >= rough))
    if kind == "time" and _SECONDS[-1] < rough < 1e12:
        return nice_step(rough / _DAY) * _DAY if rough > _DAY else float(_DAY)
    step = nice_step(rough)
    return max(1.0, step) if kind == "step" else step


def _first_place(low: float, step: float, kind: XKind) -> float:
    offset = 0.0
    if kind == "time" and step >= 60 and _ELAPSED <= low < 1e11:
        # Ticks stand at full hours of the local time, whatever that is.
        offset = float(time.localtime(low).tm_gmtoff)
    return ceil((low + offset) / step - 1e-9) * step - offset


def place_label(value: float, step: float, kind: XKind) -> str:
    """Write a place on the horizontal axis: 1 000 steps, 2.5 epochs, 12:05 o'clock."""
    if kind == "time":
        return _time_label(value, step)
    size = abs(value)
    if size >= 1e7 or (size and size < 1e-3):
        return compact(value, step)
    if step >= 1:
        return count(round(value))
    return f"{value:.{max(0, min(6, ceil(-log10(step) - 1e-9)))}f}"


def _time_label(value: float, step: float) -> str:
    if abs(value) < _ELAPSED:
        if step >= 1 or not value:
            return duration(value)
        # As many digits as tell neighbours apart.
        return f"{value:.{max(1, min(9, ceil(-log10(step) - 1e-9)))}f}s"
    if not 0 <= value < 1e11:
        return compact(value, step)
    form = "%d %b" if step >= _DAY else "%H:%M" if step >= 60 else "%H:%M:%S"
    return time.strftime(form, time.localtime(value))
