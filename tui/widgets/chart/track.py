"""One curve as dots, drawn again only from where its values changed."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite

from trainer.events.envelope import Envelope
from tui.widgets.chart.canvas import ACROSS, DOWN
from tui.widgets.chart.scale import Scale

#: What happened in a column besides the curve.
NAN, INF, MINUS_INF = 1, 2, 4

#: From so many dots between neighbours, each point gets a sign of its own.
_APART = 6
#: Neighbours further apart than so many usual distances are not joined.
_HOLE = 8


@dataclass(frozen=True, slots=True)
class Bins:
    """What a track draws: values by bins, and where each bin lies.

    Attributes:
        start: Place of the middle of the first bin.
        step: From bin to bin.
        centers: Place of each bin, if they do not lie evenly; NaN where unknown.
        envelope: The marks, and nothing else if there are `values`.
        values: One value for each bin instead of the envelope's; NaN for none.
    """

    start: float
    step: float
    envelope: Envelope
    centers: array[float] | None = None
    values: array[float] | None = None


def bins_of(
    envelope: Envelope,
    left: Sequence[float] | None,
    right: Sequence[float] | None,
    smooth: Sequence[float] | None = None,
) -> Bins:
    """Say what to draw of a curve: its envelope, or its smoothed values."""
    centers = None
    if left is not None or right is not None:
        one = left if left is not None else right
        two = right if right is not None else left
        assert one is not None
        assert two is not None
        # Halves are added, for the sum may overflow; an end that is unknown is like the other.
        centers = array(
            "d",
            [
                a / 2 + b / 2 if isfinite(a) and isfinite(b) else (a if isfinite(a) else b)
                for a, b in zip(one, two, strict=False)
            ],
        )
    values = array("d", smooth) if smooth is not None else None
    middle = envelope.start + (envelope.width - 1) / 2
    return Bins(middle, envelope.width, envelope, centers, values)


def _alike(old: bytes, new: bytes) -> int:
    """Count the leading items of 8 bytes that are the same."""
    low, high = 0, min(len(old), len(new)) // 8
    if old[: high * 8] == new[: high * 8]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if old[low * 8 : middle * 8] == new[low * 8 : middle * 8]:
            low = middle
        else:
            high = middle - 1
    return low


class Track:
    """The dots of one curve.

    Bins in the same column of dots are one run; runs are joined from the last value of one to the
    first value of the next.
    """

    def __init__(self) -> None:
        self.masks: list[int] = []
        self.points: dict[int, set[int]] = {}
        #: By cell column, which values in it are not finite.
        self.flags: dict[int, int] = {}
        #: Cell columns with values that a logarithmic axis cannot show.
        self.below: set[int] = set()
        self._geometry: object = None
        self._content: tuple[bytes, ...] = ()
        self._scale: Scale | None = None
        self._dirty: int | None = 0
        self._bin: list[int] = []
        self._col: list[int] = []
        self._first: list[float] = []
        self._low: list[float] = []
        self._high: list[float] = []
        self._last: list[float] = []
        self._joined: list[bool] = []
        self._ordered = True
        self._columns = 0

    def place(self, bins: Bins, low: float, high: float, columns: int) -> None:
        """Sort the bins into columns of dots.

        Args:
            bins: What to draw.
            low: Place of the first column.
            high: Place of the last one.
            columns: How many there are.
        """
        envelope = bins.envelope
        hole = _hole(envelope if bins.values is None else None)
        even = (bins.start, bins.step) if bins.centers is None else None
        marks = (envelope.nans, envelope.infs, envelope.minus_infs)
        kinds = tuple(map(bool, marks))
        geometry = (even, low, high, columns, hole, bins.values is None, kinds)
        if bins.values is None:
            parts = (envelope.count, envelope.first, envelope.low, envelope.high, envelope.last)
            arrays: list[array[float] | array[int]] = [*parts, *(m for m in marks if m)]
        else:
            arrays = [bins.values]
        if bins.centers is not None:
            arrays.append(bins.centers)
        content = tuple(a.tobytes() for a in arrays)
        begin = 0
        if geometry == self._geometry and len(content) == len(self._content):
            begin = min(map(_alike, self._content, content))
            if begin * 8 == len(content[0]) == len(self._content[0]):
                return
        # The run before the change is made anew as well: it may go on, or be left by another way.
        run = max(0, bisect_left(self._bin, begin) - 1) if self._ordered else 0
        self._geometry, self._content, self._columns = geometry, content, columns
        self._sort(bins, low, high, run)
        self._flag(bins, low, high)
        self._dirty = run if self._dirty is None else min(self._dirty, run)

    def _sort(self, bins: Bins, low: float, high: float, run: int) -> None:
        """Make the runs anew from one of them on."""
        begin = self._bin[run] if run else 0
        kept = self._joined[run] if run else False
        for values in (self._bin, self._col, self._joined):
            del values[run:]
        for floats in (self._first, self._low, self._high, self._last):
            del floats[run:]
        envelope = bins.envelope
        factor = (self._columns - 1) / (high - low)
        size = len(envelope)
        count: Sequence[int] = envelope.count
        four: Sequence[Sequence[float]] = (
            envelope.first, envelope.low, envelope.high, envelope.last,
        )  # fmt: skip
        if bins.values is not None:
            size = min(size, len(bins.values))
            count = [1 if isfinite(v) else 0 for v in bins.values]
            four = (bins.values,) * 4
        stop = size
        if bins.centers is None:
            # Outside the window only the nearest neighbours matter: lines lead to them.
            offset = (bins.start - low) * factor + 0.5
            if not run:
                begin = _neighbour(count, floor((low - bins.start) / bins.step), -1, size)
            stop = _neighbour(count, floor((high - bins.start) / bins.step) + 1, 1, size) + 1
            stop = max(begin, min(stop, size))
            step = bins.step * factor
            cols = [floor(offset + b * step) for b in range(begin, stop)]
        else:
            stop = size = min(size, len(bins.centers))
            cols = [
                floor(min(max((c - low) * factor + 0.5, -1e6), 1e6)) if isfinite(c) else -1_000_001
                for c in bins.centers[begin:stop]
            ]
        hole = _hole(envelope if bins.values is None else None)
        marked = _marked(envelope) if bins.values is None else None
        col, last_bin, broken = None, -1, run == 0
        b = begin - 1
        for b, c, n, first, least, greatest, last in zip(
            range(begin, stop), cols, count[begin:stop],
            *(values[begin:stop] for values in four), strict=True,
        ):  # fmt: skip
            if not n:
                if marked is not None and marked[b]:
                    broken = True
                continue
            if c == col and not broken:
                self._low[-1] = min(self._low[-1], least)
                self._high[-1] = max(self._high[-1], greatest)
                self._last[-1] = last
            else:
                if c == -1_000_001:
                    broken = True
                    continue
                near = col is not None and c >= col and b - last_bin <= hole
                joined = kept if col is None else near and not broken
                self._bin.append(b)
                self._col.append(c)
                self._first.append(first)
                self._low.append(least)
                self._high.append(greatest)
                self._last.append(last)
                self._joined.append(joined)
                col = c
            last_bin, broken = b, False
        self._ordered = bins.centers is None or all(
            a <= b for a, b in zip(self._col, self._col[1:], strict=False)
        )

    def _flag(self, bins: Bins, low: float, high: float) -> None:
        self.flags = {}
        if bins.values is not None:
            return
        factor = (self._columns - 1) / (high - low)
        envelope = bins.envelope
        for flag, marks in (
            (NAN, envelope.nans),
            (INF, envelope.infs),
            (MINUS_INF, envelope.minus_infs),
        ):
            for b, n in enumerate(marks):
                if n:
                    if bins.centers is None:
                        place = bins.start + b * bins.step
                    elif b < len(bins.centers) and isfinite(bins.centers[b]):
                        place = bins.centers[b]
                    else:
                        continue
                    col = (place - low) * factor + 0.5
                    if 0 <= col < self._columns:
                        cell = int(col) // ACROSS
                        self.flags[cell] = self.flags.get(cell, 0) | flag

    def reach(self, *, log: bool) -> tuple[float, float] | None:
        """Give the least and the greatest value in sight; on a logarithmic axis, those above 0."""
        low, high = self._low, self._high
        if self._col and not (
            self._ordered and self._col[0] >= 0 and self._col[-1] < self._columns
        ):
            seen = [i for i, c in enumerate(self._col) if 0 <= c < self._columns]
            low, high = [low[i] for i in seen], [high[i] for i in seen]
        if log and low and min(low) <= 0:
            low = [a if a > 0 else b for a, b in zip(low, high, strict=True) if b > 0]
            high = [b for b in high if b > 0]
        return (min(low), max(high)) if low else None

    def draw(self, scale: Scale) -> None:
        """Make the dots, of runs that changed or of all if the axis is another one."""
        size = self._columns
        start = self._dirty
        if scale != self._scale:
            start = 0
        if start is None:
            return
        self._dirty = None
        self._scale = scale
        cols = self._col
        # The first run in the column before the change, and the one before it, which leads to it.
        before = bisect_left(cols, cols[start - 1]) - 1 if start else -1
        if before < 0:
            start = 0
            self.masks = [0] * size
            self.points = {}
        else:
            place = min(max(0, cols[before] + 1), size)
            self.masks[place:] = [0] * (size - place)
            cell = cols[before] // ACROSS
            for old in [old for old in self.points if old >= cell]:
                del self.points[old]
            start = bisect_left(cols, cell * ACROSS)
        self._join(scale, start)
        self.below = set()
        if scale.log:
            self.below = {
                c // ACROSS
                for c, low in zip(self._col, self._low, strict=True)
                if low <= 0 and 0 <= c < size
            }

    def _join(self, scale: Scale, start: int) -> None:
        size, masks = self._columns, self.masks
        cols, joined = self._col, self._joined
        first = scale.rows(self._first[start:])
        top = scale.rows(self._high[start:])
        bottom = scale.rows(self._low[start:])
        last = scale.rows(self._last[start:])
        before, row = -1, 0
        for i, c in enumerate(cols[start:]):
            run = start + i
            if scale.log and self._high[run] <= 0:
                before = -1_000_000
                continue
            a, z = top[i], bottom[i]
            if i and joined[run] and before > -1_000_000:
                to = first[i]
                if c - before > 1:
                    row = self._bridge(before, row, c, to)
                if row < to:
                    a = min(a, row + 1)
                elif row > to:
                    z = max(z, row - 1)
            if 0 <= c < size:
                masks[c] |= ((2 << (z - a)) - 1) << a
                self._point(run, c, first[i])
            before, row = c, last[i]

    def _bridge(self, col: int, row: int, end: int, to: int) -> int:
        """Draw a line over the columns between two runs; give the row where it arrives."""
        size, masks = self._columns, self.masks
        slope = (to - row) / (end - col)
        begin = row
        if col < -1:
            row = begin + floor((-1 - col) * slope + 0.5)
        for c in range(max(0, col + 1), min(end, size)):
            at = begin + floor((c - col) * slope + 0.5)
            a, z = (row + 1, at) if at > row else (at, row - 1) if at < row else (at, at)
            masks[c] |= ((2 << (z - a)) - 1) << a
            row = at
        return row

    def _point(self, run: int, col: int, row: int) -> None:
        """Make a run a point of its own if it stands alone."""
        cols, joined = self._col, self._joined
        if self._first[run] != self._last[run] or self._low[run] != self._high[run]:
            return
        before = not joined[run] or col - cols[run - 1] >= _APART
        behind = run + 1 >= len(cols) or not joined[run + 1] or cols[run + 1] - col >= _APART
        alone = run + 1 >= len(cols) and joined[run] and not before
        if before and behind and not alone:
            self.points.setdefault(col // ACROSS, set()).add(row // DOWN)


def _hole(envelope: Envelope | None) -> float:
    """From how many bins on a distance is a hole in the data: a power of two, so that it is kept."""
    if envelope is None:
        return float("inf")
    filled = len(envelope) - envelope.count.count(0)
    if filled < _HOLE + 2:
        return float("inf")
    usual = len(envelope) / filled
    return float(1 << (int(_HOLE * usual) - 1).bit_length())


def _marked(envelope: Envelope) -> list[int] | None:
    marks = [m for m in (envelope.nans, envelope.infs, envelope.minus_infs) if m]
    return [sum(ns) for ns in zip(*marks, strict=True)] if marks else None


def _neighbour(count: Sequence[int], b: int, by: int, size: int) -> int:
    """Find the nearest bin that holds values, from one bin on."""
    b = max(-1, min(b, size))
    while 0 <= b < size and not count[b]:
        b += by
    return max(0, min(b, size))
