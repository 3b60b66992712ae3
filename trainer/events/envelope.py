"""Envelopes: of any number of points, the first, least, greatest and last of each bin."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Bins of a run's axis; when more are needed they double in width. Even, so that pairs join.
BINS = 1024

_NAN = float("nan")
_INF = float("inf")

#: numpy is worth its import from so many points, at once or altogether; once it is loaded, or the
#: history is that long, from `_SOME` at once.
_MANY = 2048
_LONG = 20_000
_SOME = 512


def use_numpy(points: int, history: int = 0) -> bool:
    """Say whether so many points, of a history of so many lines, are better handled with numpy."""
    return points >= (_SOME if "numpy" in sys.modules or history >= _LONG else _MANY)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A metric over bins of steps; a picture of it at one moment.

    Bin i covers the steps from `start + i * width` to `start + (i + 1) * width`, the latter
    excluded. Where `count` is 0 there are no finite values and the four values are NaN.

    Attributes:
        start: First step of the first bin.
        width: Steps per bin.
        first: Value at the lowest step of the bin.
        low: Least value.
        high: Greatest value.
        last: Value at the highest step.
        count: Finite values.
        nans: NaNs; empty if there are none in any bin.
        infs: Positive infinities; empty if there are none.
        minus_infs: Negative infinities; empty if there are none.
        exact: Every value counts that should, and no other.
    """

    start: int
    width: int
    first: array[float]
    low: array[float]
    high: array[float]
    last: array[float]
    count: array[int]
    nans: array[int]
    infs: array[int]
    minus_infs: array[int]
    exact: bool = True

    def __len__(self) -> int:
        return len(self.count)

    @property
    def marks(self) -> int:
        """How many values are not finite."""
        return sum(self.nans) + sum(self.infs) + sum(self.minus_infs)

    @property
    def least(self) -> float:
        """The least finite value of all; NaN if there is none."""
        return min((v for v, n in zip(self.low, self.count, strict=True) if n), default=_NAN)

    @property
    def greatest(self) -> float:
        """The greatest finite value of all; NaN if there is none."""
        return max((v for v, n in zip(self.high, self.count, strict=True) if n), default=_NAN)


class Grid:
    """Bins over steps that widen by doubling, so that what is drawn does not move.

    Args:
        start: First step of the first bin.
        width: Steps per bin.
        size: Number of bins.
    """

    def __init__(self, start: int = 0, width: int = 1, size: int = BINS) -> None:
        self.start = start
        self.width = width
        self.size = size

    def bin(self, step: int) -> int:
        """Number of the bin that a step falls into; may lie outside."""
        return (step - self.start) // self.width


class Bins:
    """The mutable arrays behind an envelope. Empty bins hold +inf and -inf as extrema."""

    __slots__ = ("count", "first", "high", "infs", "last", "low", "minus_infs", "nans", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.first = array("d", [0.0]) * size
        self.last = array("d", [0.0]) * size
        self.low = array("d", [_INF]) * size
        self.high = array("d", [-_INF]) * size
        self.count = array("q", [0]) * size
        self.nans = self.infs = self.minus_infs = array("q")

    def point(self, b: int, value: float) -> None:
        """Add one point behind all others of its bin."""
        if not isfinite(value):
            self._mark(b, value)
            return
        if not self.count[b]:
            self.first[b] = value
        self.count[b] += 1
        self.last[b] = value
        self.low[b] = min(self.low[b], value)
        self.high[b] = max(self.high[b], value)

    def points(self, grid: Grid, steps: list[int], values: list[float]) -> None:
        """Add points in strictly rising order of steps, all behind what is there."""
        if not isfinite(sum(values)):
            kept = []
            for step, value in zip(steps, values, strict=True):
                if isfinite(value):
                    kept.append((step, value))
                else:
                    self._mark(grid.bin(step), value)
            steps = [step for step, _ in kept]
            values = [value for _, value in kept]
        i, n = 0, len(steps)
        while i < n:
            b = grid.bin(steps[i])
            edge = grid.start + (b + 1) * grid.width
            j = n if steps[-1] < edge else bisect_left(steps, edge, i)
            part = values[i:j]
            if not self.count[b]:
                self.first[b] = part[0]
            self.count[b] += j - i
            self.last[b] = part[-1]
            least, greatest = min(part), max(part)
            self.low[b] = min(self.low[b], least)
            self.high[b] = max(self.high[b], greatest)
            i = j

    def group(self, b: int, count: int, four: tuple[float, float, float, float]) -> None:
        """Add finite points behind all others of their bin, given as (first, low, high, last)."""
        first, low, high, last = four
        if not self.count[b]:
            self.first[b] = first
        self.count[b] += count
        self.last[b] = last
        self.low[b] = min(self.low[b], low)
        self.high[b] = max(self.high[b], high)

    def point_arrays(
        self, bins: NDArray[np.int64], starts: NDArray[np.intp], values: NDArray[np.float64]
    ) -> None:
        """Add points as `points` does, all finite.

        Args:
            bins: (groups,) number of the bin of each group of points, rising.
            starts: (groups,) where in `values` each group begins.
            values: (points,) finite values.
        """
        import numpy as np

        ends = np.append(starts[1:], len(values))
        count = np.frombuffer(self.count, dtype=np.int64)
        low = np.frombuffer(self.low)
        high = np.frombuffer(self.high)
        fresh = count[bins] == 0
        np.frombuffer(self.first)[bins[fresh]] = values[starts[fresh]]
        np.frombuffer(self.last)[bins] = values[ends - 1]
        low[bins] = np.minimum(low[bins], np.minimum.reduceat(values, starts))
        high[bins] = np.maximum(high[bins], np.maximum.reduceat(values, starts))
        count[bins] += ends - starts

    def marks(self, bins: list[int], values: list[float]) -> None:
        """Add values that are not finite."""
        for b, value in zip(bins, values, strict=True):
            self._mark(b, value)

    def clear(self, begin: int, end: int) -> None:
        """Empty the bins from `begin` to `end`, the latter excluded."""
        n = end - begin
        if n <= 0:
            return
        self.count[begin:end] = array("q", [0]) * n
        self.low[begin:end] = array("d", [_INF]) * n
        self.high[begin:end] = array("d", [-_INF]) * n
        for marks in (self.nans, self.infs, self.minus_infs):
            if marks:
                marks[begin:end] = array("q", [0]) * n

    def fold(self) -> None:
        """Join neighbours: bins 2i and 2i + 1 become bin i; the upper half becomes empty."""
        half = self.size // 2
        if use_numpy(self.size):
            self._fold_arrays(half)
            return
        left, right = self.count[0::2], self.count[1::2]
        first = [
            a if n else b for a, b, n in zip(self.first[0::2], self.first[1::2], left, strict=True)
        ]
        last = [
            b if n else a for a, b, n in zip(self.last[0::2], self.last[1::2], right, strict=True)
        ]
        self.first[:half] = array("d", first)
        self.last[:half] = array("d", last)
        self.low[:half] = array("d", map(min, self.low[0::2], self.low[1::2]))
        self.high[:half] = array("d", map(max, self.high[0::2], self.high[1::2]))
        self.count[:half] = array("q", map(int.__add__, left, right))
        for marks in (self.nans, self.infs, self.minus_infs):
            if marks:
                marks[:half] = array("q", map(int.__add__, marks[0::2], marks[1::2]))
        self.clear(half, self.size)

    def _fold_arrays(self, half: int) -> None:
        import numpy as np

        count = np.frombuffer(self.count, dtype=np.int64)
        first, last = np.frombuffer(self.first), np.frombuffer(self.last)
        low, high = np.frombuffer(self.low), np.frombuffer(self.high)
        first[:half] = np.where(count[0::2] > 0, first[0::2], first[1::2])
        last[:half] = np.where(count[1::2] > 0, last[1::2], last[0::2])
        low[:half] = np.minimum(low[0::2], low[1::2])
        high[:half] = np.maximum(high[0::2], high[1::2])
        count[:half] = count[0::2] + count[1::2]
        for marks in (self.nans, self.infs, self.minus_infs):
            if marks:
                found = np.frombuffer(marks, dtype=np.int64)
                found[:half] = found[0::2] + found[1::2]
        self.clear(half, self.size)

    def shift(self, by: int) -> None:
        """Move everything `by` bins up; what is pushed out must be empty."""
        keep = self.size - by
        for values in (self.first, self.last, self.low, self.high):
            values[by:] = values[:keep]
        for counts in (self.count, self.nans, self.infs, self.minus_infs):
            if counts:
                counts[by:] = counts[:keep]
        self.clear(0, by)

    def empty(self, b: int) -> bool:
        """Say whether a bin holds no points."""
        return not (
            self.count[b]
            or (self.nans and self.nans[b])
            or (self.infs and self.infs[b])
            or (self.minus_infs and self.minus_infs[b])
        )

    def picture(
        self, grid: Grid, begin: int, end: int, extra: tuple[int, float] | None, *, exact: bool
    ) -> Envelope:
        """Copy the bins from `begin` to `end`, with one more point (bin, value) if given."""
        bins = Bins(0)
        bins.size = end - begin
        for name in ("first", "last", "low", "high", "count", "nans", "infs", "minus_infs"):
            setattr(bins, name, getattr(self, name)[begin:end])
        if extra is not None and begin <= extra[0] < end:
            bins.point(extra[0] - begin, extra[1])
        if 0 in bins.count:
            for b, n in enumerate(bins.count):
                if not n:
                    bins.first[b] = bins.last[b] = bins.low[b] = bins.high[b] = _NAN
        return Envelope(
            grid.start + begin * grid.width,
            grid.width,
            bins.first,
            bins.low,
            bins.high,
            bins.last,
            bins.count,
            bins.nans,
            bins.infs,
            bins.minus_infs,
            exact,
        )

    def _mark(self, b: int, value: float) -> None:
        name = "nans" if isnan(value) else "infs" if value > 0 else "minus_infs"
        marks: Any = getattr(self, name)
        if not marks:
            marks = array("q", [0]) * self.size
            setattr(self, name, marks)
        marks[b] += 1
