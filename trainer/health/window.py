"""Medians and spreads, which single wild values do not move."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

#: The median absolute deviation times this is the standard deviation, where values are normal.
TO_SIGMA = 1.4826


def median(values: Iterable[float]) -> float:
    """Give the middle value, the mean of both middle ones for an even count.

    Raises:
        IndexError: There is no value.
    """
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    # Halved first: the sum of two large numbers may be infinite.
    return ordered[middle - 1] / 2 + ordered[middle] / 2


def spread(values: Sequence[float], middle: float) -> float:
    """Give the robust standard deviation: the median distance from the middle, scaled."""
    return TO_SIGMA * median(abs(value - middle) for value in values)


def number(value: float) -> str:
    """Write a number for a sentence."""
    return f"{value:.4g}"


def finite(value: object) -> bool:
    """Tell whether something is a number that one can reckon with."""
    return isinstance(value, int | float) and math.isfinite(value)


def numbers(raw: object, length: int) -> list[float]:
    """Read a list of numbers from a saved state; what is none is left out."""
    if not isinstance(raw, list | tuple):
        return []
    return [float(value) for value in raw[-length:] if isinstance(value, int | float)]
