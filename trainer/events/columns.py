"""Columns of decoded rows on their way into the bins of a metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from trainer.events.envelope import Bins, Envelope, Grid, use_numpy
from trainer.events.rows import HOLE_BITS, Table, finite_or_mark
from trainer.events.steps import rising, survivors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


#: Points that fall into few bins are cheaper to add one bin at a time than as arrays.
_FEW_BINS = 8


class Metric:
    """One metric: its bins, and its newest point, which stays apart until the next step comes.

    Logging a step again right away (gradient accumulation does) so costs nothing.
    """

    __slots__ = ("bins", "last_step", "merged", "name", "newest", "shown")

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.bins = Bins(size)
        self.newest: tuple[int, float] | None = None
        self.last_step: int | None = None  # upper bound of the steps of its points
        self.merged: int | None = None  # the same for those in bins
        self.shown: Shown | None = None

    def settle(self, grid: Grid) -> None:
        """Move the newest point into its bin."""
        if self.newest is not None:
            step, value = self.newest
            self.bins.point(grid.bin(step), value)
            self.merged = step
            self.newest = None

    @property
    def empty(self) -> bool:
        """Whether there are no points."""
        return self.newest is None and self.merged is None


@dataclass(frozen=True, slots=True)
class Shown:
    """The last picture of a metric's whole history, and what it was made of.

    Attributes:
        newest: The newest point. Every point that comes makes a new tuple of it, so the same
            object means that none came.
        base: What else a picture depends on.
        envelope: The picture.
    """

    newest: tuple[int, float] | None
    base: tuple[object, ...]
    envelope: Envelope


#: Points of a metric in rising order of steps: (metric, steps, values), lists or arrays.
Points = tuple[Metric, Any, Any]


@dataclass(slots=True)
class Sheaf:
    """Finite points of several metrics at the same steps, behind all that these have.

    Attributes:
        metrics: The metrics.
        steps: (points,) rising.
        values: (metrics, points).
    """

    metrics: list[Metric]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def merge(self, grid: Grid) -> None:
        """Add the points to their metrics; the last one stays apart."""
        last = int(self.steps[-1])
        merged = int(self.steps[-2]) if len(self.steps) > 1 else None
        for metric in self.metrics:
            metric.settle(grid)
        if merged is not None:
            self._merge(grid, self.steps[:-1], self.values[:, :-1])
        for metric, value in zip(self.metrics, self.values[:, -1].tolist(), strict=True):
            if merged is not None:
                metric.merged = merged
            metric.last_step = last
            metric.newest = (last, value)

    def _merge(self, grid: Grid, steps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        import numpy as np

        numbers = (steps - grid.start) // grid.width
        starts = np.concatenate(([0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1))
        bins = numbers[starts]
        if len(starts) > _FEW_BINS:
            for metric, row in zip(self.metrics, values, strict=True):
                metric.bins.point_arrays(bins, starts, row)
            return
        ends = np.append(starts[1:], len(steps))
        columns = (
            values[:, starts].tolist(),
            np.minimum.reduceat(values, starts, axis=1).tolist(),
            np.maximum.reduceat(values, starts, axis=1).tolist(),
            values[:, ends - 1].tolist(),
        )
        places, counts = bins.tolist(), (ends - starts).tolist()
        for metric, *parts in zip(self.metrics, *columns, strict=True):
            groups = zip(*parts, strict=True)
            for b, count, four in zip(places, counts, groups, strict=True):
                metric.bins.group(b, count, four)


def sheaves(
    table: Table, steps: NDArray[np.int64]
) -> Iterator[tuple[list[str], NDArray[np.int64], NDArray[np.float64]]]:
    """Cut a table into parts whose metrics have their values in the same lines.

    Args:
        table: Values of some lines.
        steps: (lines,) their steps.

    Yields:
        (names, steps, values); rewinds within the lines are done, holes are gone, and the steps
        rise.
    """
    import numpy as np

    names, values = table.names, table.values
    holes = values.view(np.int64) == HOLE_BITS
    alike: dict[bytes, list[int]] = {}
    if holes.any():
        for i, row in enumerate(holes):
            alike.setdefault(row.tobytes(), []).append(i)
    else:
        alike[b""] = list(range(len(names)))
    for rows in alike.values():
        part = values if len(rows) == len(names) else values[rows]
        own = steps
        there = np.flatnonzero(~holes[rows[0]])
        if not len(there):
            continue
        if len(there) < len(own):
            own, part = own[there], part[:, there]
        if not rising(own):
            alive = survivors(own)
            own, part = own[alive], part[:, alive]
        yield [names[i] for i in rows], own, part


def merge(bins: Bins, grid: Grid, steps: Any, values: Any) -> None:
    """Add points of one metric (lists or arrays) in rising order of steps."""
    if not len(steps):
        return
    if isinstance(steps, list) and not use_numpy(len(steps)):
        bins.points(grid, steps, values)
        return
    import numpy as np

    numbers = (np.asarray(steps, dtype=np.int64) - grid.start) // grid.width
    found = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(found)
    if not finite.all():
        bins.marks(numbers[~finite].tolist(), found[~finite].tolist())
        numbers, found = numbers[finite], found[finite]
        if not len(found):
            return
    starts = np.concatenate(([0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1))
    bins.point_arrays(numbers[starts], starts, found)


def all_finite(values: list[Any]) -> bool:
    """Say whether a column holds finite numbers only, in each of its rows."""
    try:
        return isfinite(sum(values))
    except TypeError:
        return False


def own_points(
    steps: list[int], places: list[int] | None, values: list[Any]
) -> tuple[list[int], list[float]]:
    """Give the steps and values of a metric's own points."""
    own = steps if places is None else [steps[place] for place in places]
    if all_finite(values):
        return own, values
    points = [
        (step, value)
        for step, value in zip(own, map(finite_or_mark, values), strict=True)
        if value is not None
    ]
    return [step for step, _ in points], [value for _, value in points]
