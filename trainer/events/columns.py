"""Columns of decoded rows on their way into the bins of a metric."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from trainer.events.envelope import Bins, Grid, use_numpy
from trainer.events.fast import MISSING, finite_or_mark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Metric:
    """One metric: its bins, and its newest point, which stays apart until the next step comes.

    Logging a step again right away (gradient accumulation does) so costs nothing.
    """

    __slots__ = ("bins", "last_step", "merged", "name", "newest")

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.bins = Bins(size)
        self.newest: tuple[int, float] | None = None
        self.last_step: int | None = None  # upper bound of the steps of its points
        self.merged: int | None = None  # the same for those in bins

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


class SharedBins:
    """Bins of rows that all metrics of a batch share; the last row stays apart."""

    def __init__(self, grid: Grid, steps: NDArray[np.int64]) -> None:
        import numpy as np

        bins = (steps - grid.start) // grid.width
        starts = np.flatnonzero(bins[1:] != bins[:-1]) + 1
        self._all = np.concatenate(([0], starts))
        ends = [*starts.tolist(), len(steps)]
        self.groups = list(zip(bins[self._all].tolist(), self._all.tolist(), ends, strict=True))
        # Without the last row its group may be empty.
        self._starts = self._all[self._all < len(steps) - 1]
        self._bins = bins[self._starts]

    def column(self, values: list[Any]) -> NDArray[np.float64] | None:
        """Give a metric's values as an array if there is one in each row, all finite."""
        import numpy as np

        try:
            found = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            return None
        return found if isfinite(found.sum()) else None

    def merge(self, bins: Bins, values: NDArray[np.float64]) -> None:
        """Add all rows but the last."""
        if len(self._starts):
            bins.point_arrays(self._bins, self._starts, values[:-1])


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


def own_arrays(
    steps: NDArray[np.int64], values: list[Any]
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Do the same for a column with holes; None if it has odd values."""
    import numpy as np

    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    there = ~np.isnan(found)
    if len(found) - int(there.sum()) != values.count(MISSING):  # NaNs that are no holes
        there = np.array([value is not MISSING and value is not None for value in values])
    return steps[there], found[there]
