"""Limits of axes that seldom change, and places of values between them."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, frexp, isfinite, isinf, log10

_LARGEST = sys.float_info.max
#: Spans below this cannot be divided by without overflow.
_TINY = 1e-290
#: Below this share of the values themselves, a span is the noise of their last digits.
_NOISE = 1e-12
#: Decades that a float can have.
_DECADES = (-323, 308)


def nice_step(rough: float) -> float:
    """Give the least of 1, 2, 5, 10 times a power of ten that is not less than `rough`."""
    exponent = floor(log10(rough))
    for factor in (1, 2, 5, 10):
        step = factor * 10.0**exponent if exponent > -300 else float(f"{factor}e{exponent}")
        if isfinite(step) and step >= rough * (1 - 1e-9):
            return step
    return float(f"1e{min(308, exponent + 1)}")


@dataclass(frozen=True, slots=True)
class Scale:
    """A vertical axis over rows of dots; row 0 is the top.

    Attributes:
        low: Value at the lowest dot.
        high: Value at the topmost dot.
        dots: Number of dots.
        log: Whether it is logarithmic; both limits are then above 0.
    """

    low: float
    high: float
    dots: int
    log: bool = False

    def rows(self, values: Iterable[float]) -> list[int]:
        """Give the row of dots of each finite value; beyond the limits, the nearest one.

        On a logarithmic axis values of 0 and below are at the bottom.
        """
        last = self.dots - 1
        if self.log:
            top = log10(self.high)
            factor = last / (top - log10(self.low))
            found = [int((top - log10(v)) * factor + 0.5) if v > 0 else last for v in values]
        elif isinf(self.high - self.low):
            # A quarter of everything, so that no difference overflows.
            top = self.high / 4
            factor = last / (top - self.low / 4)
            found = [int((top - v / 4) * factor + 0.5) for v in values]
        else:
            top = self.high
            factor = last / (top - self.low)
            low, high = self.low, self.high
            found = [
                int((top - (v if low <= v <= high else high if v > high else low)) * factor + 0.5)
                for v in values
            ]
        return [0 if row < 0 else last if row > last else row for row in found]

    def row(self, value: float) -> int:
        """Give the row of dots of one finite value."""
        return self.rows((value,))[0]

    def holds(self, value: float) -> bool:
        """Say whether a value lies between the limits."""
        return self.low <= value <= self.high


def limits(least: float, greatest: float, ticks: int, *, log: bool = False) -> tuple[float, float]:
    """Choose limits around values, at places where ticks are.

    Args:
        least: The least value; above 0 if logarithmic.
        greatest: The greatest value.
        ticks: About how many ticks there is room for.
        log: Whether the axis is logarithmic.

    Returns:
        Two finite limits, the first below the second, with all values between.
    """
    if log:
        return _log_limits(least, greatest)
    if greatest - least <= max(abs(least), abs(greatest)) * _NOISE or greatest - least < _TINY:
        pad = max(abs(least), abs(greatest)) / 10 or 1.0
        pad = max(pad, _TINY)
        least, greatest = max(-_LARGEST, least - pad), min(_LARGEST, greatest + pad)
    # Limits at the few ticks of a small chart would leave half of it empty.
    step = tick_step(least, greatest, max(4, ticks))
    below, above = floor(least / step) * step, ceil(greatest / step) * step
    if not isfinite(below) or below > least:
        below = least
    if not isfinite(above) or above < greatest:
        above = greatest
    return below, above


def _log_limits(least: float, greatest: float) -> tuple[float, float]:
    """Round to 1, 2 or 5 times a power of ten where that keeps the values big, else to powers."""
    low, high = log10(least), log10(greatest)
    if high - low < 0.05:
        low, high = low - 0.05, high + 0.05
    below = max(_DECADES[0], floor(low))
    above = min(_DECADES[1], ceil(high))
    if high - low < 2:
        below_value = max(f for f in (1, 2, 5) if f == 1 or log10(f) + below <= low + 1e-12)
        lowest = float(f"{below_value}e{below}")
        tops = [float(f"{f}e{above - 1}") for f in (2, 5) if log10(f) + above - 1 >= high - 1e-12]
        highest = tops[0] if tops and above > _DECADES[0] + 1 else float(f"1e{above}")
    else:
        lowest, highest = float(f"1e{below}"), float(f"1e{above}")
    lowest, highest = min(lowest, least), max(highest, greatest)
    return lowest, highest if log10(highest) > log10(lowest) else lowest * 10


def tick_step(low: float, high: float, ticks: int) -> float:
    """Give a nice step of about `ticks` ticks between two limits."""
    rough = high / max(1, ticks) - low / max(1, ticks)
    return nice_step(min(max(rough, 1e-300), _LARGEST))


def adjust(
    now: Scale | None, least: float, greatest: float, dots: int, ticks: int, *, log: bool
) -> Scale:
    """Keep a vertical axis while it fits, and choose another one when it does not.

    It grows as soon as a value is outside, and shrinks only when the values need less than half
    of it: so it changes seldom, and no value is ever cut off.

    Args:
        now: The axis so far; None if there is none.
        least: The least value; above 0 if logarithmic.
        greatest: The greatest value.
        dots: Rows of dots.
        ticks: About how many ticks there is room for.
        log: Whether the axis is logarithmic.
    """
    low, high = limits(least, greatest, ticks, log=log)
    if now is not None and now.log == log and now.low <= least and greatest <= now.high:
        if log:
            fits = log10(high) - log10(low) > (log10(now.high) - log10(now.low)) / 2
        else:
            fits = high / 4 - low / 4 > (now.high / 4 - now.low / 4) / 2
        if fits:
            low, high = now.low, now.high
    return Scale(low, high, dots, log)


def grown(low: float, high: float, least: float) -> tuple[float, float]:
    """Choose the limits of a horizontal axis that shows everything while more comes.

    The span is 4, 5, 6 or 7 times a power of two: it grows by at most a quarter, and seldom.

    Args:
        low: Where the data begin.
        high: Where they end.
        least: The least span.
    """
    span = max(high - low, least)
    if not isfinite(span) or span <= 0:
        return low, high
    fraction, exponent = frexp(span)
    eighths = (4, 5, 6, 7, 8)
    eighth = eighths[bisect_left(eighths, fraction * 8)]
    wide = eighth * 2.0 ** (exponent - 3) if exponent < 1000 else span
    return low, low + wide


def window(low: float, high: float) -> tuple[float, float]:
    """Make a span out of any two numbers: finite, in order, and not empty."""
    if not isfinite(low) or not isfinite(high):
        return 0.0, 1.0
    low, high = min(low, high), max(low, high)
    low, high = max(low, -1e300), min(high, 1e300)
    least = max(max(abs(low), abs(high)) * _NOISE, 1e-9)
    if high - low < least:
        middle = low / 2 + high / 2
        low, high = middle - least, middle + least
    return low, high


def extent(values: Sequence[float]) -> tuple[float, float] | None:
    """Give the least and the greatest of the finite values; None if there are none."""
    kept = [value for value in values if isfinite(value)]
    return (min(kept), max(kept)) if kept else None
