"""When each bin of steps happened, so that a chart can show epochs or time instead of steps."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

from trainer.events.envelope import Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NAN = float("nan")


class Clock:
    """First and last time and epoch of each bin of a grid; NaN where unknown.

    Attributes:
        ts_first: Unix seconds of the first line of each bin.
        ts_last: Unix seconds of its last line.
        epoch_first: Epoch of its first line.
        epoch_last: Epoch of its last line.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.ts_first = self._empty(size)
        self.ts_last = self._empty(size)
        self.epoch_first = self._empty(size)
        self.epoch_last = self._empty(size)

    def add(
        self, groups: Sequence[tuple[int, int, int]], ts: Sequence[object], epochs: Sequence[object]
    ) -> None:
        """Note lines.

        Args:
            groups: (bin, place of its first line, place behind its last line), in file order.
            ts: Unix seconds of each line, or anything else where it has none.
            epochs: Epoch of each line, likewise.
        """
        for b, begin, end in groups:
            for first, last, values in (
                (self.ts_first, self.ts_last, ts),
                (self.epoch_first, self.epoch_last, epochs),
            ):
                old, new = values[begin], values[end - 1]
                if isnan(first[b]) and isinstance(old, (int, float)):
                    first[b] = old
                if isinstance(new, (int, float)) and not isnan(new):
                    last[b] = new

    def fold(self) -> None:
        """Join bins 2i and 2i + 1 into bin i."""
        half = self.size // 2
        for values in (self.ts_first, self.epoch_first):
            pairs = zip(values[0::2], values[1::2], strict=True)
            values[:half] = array("d", (b if isnan(a) else a for a, b in pairs))
        for values in (self.ts_last, self.epoch_last):
            pairs = zip(values[0::2], values[1::2], strict=True)
            values[:half] = array("d", (a if isnan(b) else b for a, b in pairs))
        self.clear(half)

    def shift(self, by: int) -> None:
        """Move everything `by` bins up."""
        for values in (self.ts_first, self.ts_last, self.epoch_first, self.epoch_last):
            values[by:] = values[: self.size - by]
            values[:by] = self._empty(by)

    def clear(self, begin: int) -> None:
        """Forget the bins from `begin` on."""
        for values in (self.ts_first, self.ts_last, self.epoch_first, self.epoch_last):
            values[begin:] = self._empty(self.size - begin)

    @staticmethod
    def _empty(size: int) -> array[float]:
        return array("d", [_NAN]) * size


def group_by_bin(
    grid: Grid, steps: list[int] | NDArray[np.int64], low: int, high: int
) -> list[tuple[int, int, int]]:
    """Cut lines into groups of neighbours that fall into one bin: (bin, begin, end).

    Args:
        grid: The bins.
        steps: Step of each line; not empty.
        low: The least of them.
        high: The greatest of them.
    """
    start, width = grid.start, grid.width
    begin, current = 0, (int(steps[0]) - start) // width
    if grid.bin(low) == grid.bin(high):
        return [(current, 0, len(steps))]
    if not isinstance(steps, list):
        import numpy as np

        bins = (steps - start) // width
        cuts = (np.flatnonzero(bins[1:] != bins[:-1]) + 1).tolist()
        begins = [0, *cuts]
        return list(zip(bins[begins].tolist(), begins, [*cuts, len(steps)], strict=True))
    groups: list[tuple[int, int, int]] = []
    for i, step in enumerate(steps):
        b = (step - start) // width
        if b != current:
            groups.append((current, begin, i))
            begin, current = i, b
    groups.append((current, begin, len(steps)))
    return groups
