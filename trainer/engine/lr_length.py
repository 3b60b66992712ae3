"""How long a run is, and how many steps its scheduler has taken by any time of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True)
class Length:
    """How long a run is.

    Attributes:
        steps: Optimiser steps at most; None without such a limit.
        epochs: Epochs at most; None without such a limit.
        batches: Batches of an epoch, for each device; None if unknown.
        accumulate: Batches for each optimiser step.
    """

    steps: int | None = None
    epochs: int | None = None
    batches: int | None = None
    accumulate: int = 1

    @property
    def steps_of_epoch(self) -> int | None:
        """Optimiser steps in an epoch; the last batch always steps. None if unknown."""
        return None if self.batches is None else -(-self.batches // self.accumulate)


class Clock:
    """Tells how many steps a scheduler has taken by any time of the run, as Lightning counts them.

    Args:
        interval: What the scheduler counts, `step` or `epoch`.
        frequency: It moves every so many of them. Steps are counted in batches, and anew in each
            epoch; only those count that end in an optimiser step.
        length: How long the run is.
        assumed: Units to show where nothing says how long the run is.
    """

    def __init__(
        self, interval: str, frequency: int, length: Length, assumed: Callable[[str], int]
    ) -> None:
        self.interval, self.frequency, self.length = interval, frequency, length
        each = length.steps_of_epoch
        ends = [] if length.steps is None else [length.steps]
        if each is not None and length.epochs is not None:
            ends.append(length.epochs * each)
        #: `epoch` where it is unknown how many steps an epoch has.
        self.unit = "epoch" if interval == "epoch" and each is None else "step"
        if self.unit == "epoch":
            ends = [] if length.epochs is None else [length.epochs]
        #: Whether something says how long the run is.
        self.known = bool(ends)
        self.total = min(ends) if ends else assumed(self.unit)

    def taken(self, done: int) -> int:
        """Give the scheduler's steps after so many optimiser steps (or epochs, see `unit`)."""
        each, every = self.length.steps_of_epoch, self.frequency
        if self.unit == "epoch":
            return done // every
        if self.interval == "epoch":
            assert each is not None
            return done // each // every
        if every == 1:
            return done
        pitch = every // gcd(self.length.accumulate, every)
        if each is None:
            return done // pitch
        epochs, more = divmod(done, each)
        assert self.length.batches is not None
        last = self.length.batches % every == 0
        return epochs * ((each - 1) // pitch + last) + more // pitch

    def begin(self, taken: int) -> int:
        """Give the first unit at which the scheduler has taken so many steps."""
        if self.unit == "epoch" or (self.interval == "step" and self.frequency == 1):
            return taken * self.frequency
        low, high = 0, self.total
        while low < high:
            middle = (low + high) // 2
            if self.taken(middle) >= taken:
                high = middle
            else:
                low = middle + 1
        return low
