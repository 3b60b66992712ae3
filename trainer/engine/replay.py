"""Loaders whose order only they know: kept apart, and brought forward on resume.

Such a loader (a stream, a sampler of one's own, a loader that keeps its own state) draws from the
process's random generators whenever it likes. Here it draws from a stream of its own, seeded by run
and epoch, so that it neither disturbs the model's random numbers nor depends on them, and fetching
an epoch's batches again gives the same batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trainer.engine import rng
from trainer.engine.refused import Refused


class Replayed:
    """A loader with random numbers of its own, which can begin in the middle of an epoch.

    A loader with `state_dict` and `load_state_dict` goes there by its state; any other fetches and
    drops the batches before.

    Args:
        loader: Any iterable of batches.
        seed: The run's seed, mixed with the rank.
        finish: Makes of a batch and a seed of its own what is trained on; None leaves batches.
    """

    def __init__(
        self, loader: Any, seed: int, finish: Callable[[Any, int], Any] | None = None
    ) -> None:
        self.loader = loader
        self._seed = seed
        self._finish = finish
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
        epoch = self._epoch
        stream = rng.Stream(rng.mix(self._seed, epoch))
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
                count += 1
                if batch is not self and stateful:
                    self._marks.append(
                        (count, {"loader": self.loader.state_dict(), "random_state": rng.capture()})
                    )
            if batch is self:
                return
            if self._finish is not None:
                batch = self._finish(Refused.check(batch), rng.mix(self._seed, epoch, count))
            yield batch


class SizedReplayed(Replayed):
    """The same for a loader that knows its length."""

    def __len__(self) -> int:
        """Give the batches of a whole epoch."""
        return len(self.loader)


class Finished:
    """A validation loader of whatever kind whose batches are finished as they come.

    Args:
        loader: Any iterable of batches.
        finish: Makes of a batch and a seed what is validated on.
    """

    def __init__(self, loader: Any, finish: Callable[[Any, int], Any]) -> None:
        self.loader = loader
        self._finish = finish

    def __iter__(self) -> Iterator[Any]:
        """Give the finished batches."""
        for number, batch in enumerate(self.loader):
            yield self._finish(Refused.check(batch), number)


class SizedFinished(Finished):
    """The same for a loader that knows its length."""

    def __len__(self) -> int:
        """Give the batches of a whole validation."""
        return len(self.loader)
