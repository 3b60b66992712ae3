"""Steps of metrics lines: what stands in for a missing one, and which points a rewind leaves."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from struct import error, pack
from typing import TYPE_CHECKING, Any

from trainer.events.envelope import use_numpy
from trainer.events.lines import MAX_STEP, whole_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class StepCounter:
    """Gives every line a step.

    A line without a usable step takes that of the line before it; in a stream that has named no
    step yet, lines are counted from 0.
    """

    def __init__(self, state: tuple[int, bool] = (0, False)) -> None:
        self._value, self._named = state

    @property
    def state(self) -> tuple[int, bool]:
        """The last step and True, or the number of lines so far and False."""
        return self._value, self._named

    def resolve(self, steps: list[Any]) -> list[int]:
        """Give the steps of lines as whole numbers."""
        try:
            if isfinite(sum(steps)) and min(steps) >= -MAX_STEP and max(steps) <= MAX_STEP:
                whole = [int(step) for step in steps]
                self._value, self._named = whole[-1], True
                return whole
        except TypeError:  # None among them
            pass
        whole = []
        for step in steps:
            named = whole_number(step)
            if named is not None:
                self._value, self._named = named, True
            whole.append(self._value)
            self._value += not self._named
        return whole

    def resolve_array(self, steps: list[Any]) -> NDArray[np.int64]:
        """Give the same as `resolve`, as an array."""
        import numpy as np

        try:  # packing takes half the time of making an array from a list
            found = np.frombuffer(pack(f"{len(steps)}d", *steps))
        except error:  # None among them
            return np.array(self.resolve(steps), dtype=np.int64)
        if isfinite(found.sum()) and np.abs(found).max() <= MAX_STEP:
            whole = found.astype(np.int64)
            self._value, self._named = int(whole[-1]), True
            return whole
        return np.array(self.resolve(steps), dtype=np.int64)


def first_named(steps: list[Any]) -> int | None:
    """Give the number of the first line that names its step, or None."""
    for i, step in enumerate(steps):
        if whole_number(step) is not None:
            return i
    return None


def rising(steps: Sequence[int] | NDArray[np.int64]) -> bool:
    """Say whether each step is greater than the one before."""
    if isinstance(steps, list):
        return all(map(int.__lt__, steps, steps[1:]))
    return bool((steps[1:] > steps[:-1]).all())  # type: ignore[operator]  # an array


def survivors(steps: Sequence[int] | NDArray[np.int64]) -> list[int]:
    """Give the places of the points that no later one rewinds: a step ends all at or behind it."""
    if use_numpy(len(steps)):
        import numpy as np

        found = np.asarray(steps, dtype=np.int64)
        later = np.minimum.accumulate(found[::-1])[::-1]
        kept: list[int] = np.append(np.flatnonzero(found[:-1] < later[1:]), len(found) - 1).tolist()
        return kept
    places: list[int] = []
    least: int | None = None
    for i in range(len(steps) - 1, -1, -1):
        if least is None or steps[i] < least:
            least = int(steps[i])
            places.append(i)
    places.reverse()
    return places
