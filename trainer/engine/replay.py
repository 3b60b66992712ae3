"""Loaders whose order only they know: kept apart, and brought forward on resume.

Such a loader (a stream, a sampler of one's own, a loader that keeps its own state) draws from the
process's random generators whenever it likes. Here it draws from a stream of its own, seeded by run
and epoch, so that it neither disturbs the model's random numbers nor depends on them, and fetching
an epoch's batches again gives the same batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.engine import rng


class Replayed:
    """A loader with random numbers of its own, which can begin in the middle of an epoch.

    A loader with `state_dict` and `load_state_dict` goes there by its state; any other fetches and
    drops the batches before.

    Args:
        loader: Any iterable of batches.
        seed: The run's seed, mixed with the rank.
    """

    def __init__(self, loader: Any, seed: int) -> None:
        self.loader = loader
        self._seed = seed
        self._epoch = 0
        self._skip = 0
        self._state: Mapping[str, Any] | None = None
        # Lightning may fetch a batch ahead: (batches fetched, state then), the latest few.
        self._marks: deque[tuple[int, dict[str, Any]]] = deque(maxlen=3)
        # Lightning calls `set_epoch` on a loader's `sampler`.
        self.sampler = self

    def seek(self, epoch: int, batches: int, state: Mapping[str, Any] | None) -> None:
        """Begin the next iteration in `epoch` after `batches`; `state` is what `mark` gave."""
        self._epoch, self._skip = epoch, batches
        self._state = state

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, and tell the loader's own samplers."""
        if epoch != self._epoch:
            self.seek(epoch, 0, None)
        for owner in (self.loader, getattr(self.loader, "batch_sampler", None)):
            told = getattr(getattr(owner, "sampler", None), "set_epoch", None)
            if callable(told):
                told(epoch)

    def mark(self, batches: int) -> dict[str, Any] | None:
        """Give what `seek` needs besides the number of batches trained; None if nothing."""
        return next((state for count, state in self._marks if count == batches), None)

    def __iter__(self) -> Iterator[Any]:
        """Give the batches from the position on."""
        # A generator: nothing happens before the first `next`, and Lightning may ask twice.
        skip, state, self._skip, self._state = self._skip, self._state, 0, None
        stream = rng.Stream(rng.mix(self._seed, self._epoch))
        self._marks.clear()
        count = skip
        with stream:
            if state is not None:
                self.loader.load_state_dict(state["loader"])
                rng.restore(state["random_state"])
            batches = iter(self.loader)
            if state is None:
                for _ in range(skip):
                    next(batches, None)
        stateful = hasattr(self.loader, "state_dict") and hasattr(self.loader, "load_state_dict")
        while True:
            with stream:
                batch = next(batches, self)
                if batch is not self and stateful:
                    count += 1
                    self._marks.append(
                        (count, {"loader": self.loader.state_dict(), "random_state": rng.capture()})
                    )
            if batch is self:
                return
            yield batch


class SizedReplayed(Replayed):
    """The same for a loader that knows its length."""

    def __len__(self) -> int:
        """Give the batches of a whole epoch."""
        return len(self.loader)
