"""The memory that what would be launched will take: asked of a process with torch, and in words."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trainer.errors import TraindeckError
from trainer.events.text import clean

if TYPE_CHECKING:
    from trainer.runs.estimate import Estimate

_KEPT = 50


@dataclass(frozen=True)
class Need:
    """What is known of the memory.

    Attributes:
        estimate: It; None if there is none.
        said: Whether it fits, why there is no estimate, or what is under way.
        wrong: Whether it does not fit, or cannot be told.
    """

    estimate: Estimate | None = None
    said: str = ""
    wrong: bool = False


class Estimates(Protocol):
    """What estimates: `trainer.runs.estimate.EstimateProcess`."""

    def estimate(self, config: Mapping[str, Any], *, prepare: bool = False) -> Estimate:
        """Estimate a composed config."""

    def close(self) -> None:
        """End it."""


class Needs:
    """Estimates one config after the other, and remembers them by hash; for threads, but for `close`.

    Args:
        answers: Estimates; a process that the first question starts, if None.
    """

    def __init__(self, answers: Estimates | None = None) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Estimate] = OrderedDict()
        self._closed = False

    def need(
        self, config: Mapping[str, Any], digest: str, wanted: Callable[[], bool]
    ) -> Need | None:
        """Estimate the memory of a composed config.

        Args:
            config: It has no problems.
            digest: Its hash.
            wanted: Says whether anybody still waits for the answer.

        Returns:
            What is known; None if nobody waits any more.
        """
        from trainer.runs.estimate import limit_of, verdict

        with self._lock:
            if not wanted() or self._closed:
                return None
            found = self._known.get(digest)
            if found is None:
                try:
                    found = self._ask().estimate(config)
                except TraindeckError as error:
                    return Need(said=clean(error.problems[0].what), wrong=True)
                self._known[digest] = found
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        limit = limit_of(config)
        return Need(found, verdict(found, config, limit), found.fits(limit) is False)

    def close(self) -> None:
        """End the process, if there is one."""
        self._closed = True
        if self._answers is not None:
            self._answers.close()

    def _ask(self) -> Estimates:
        if self._answers is None:
            from trainer.runs.estimate import EstimateProcess

            self._answers = EstimateProcess()
        return self._answers


def parts_of(found: Estimate) -> Iterator[str]:
    """Give the parts of an estimate, each as a few words."""
    from trainer.display import size

    names = {
        "weights": found.weights,
        "gradients": found.gradients,
        "optimiser state": found.state,
        "gathered": found.gathered or None,
        "averages": found.averages or None,
        "DDP": found.buckets or None,
        "activations": found.activations,
    }
    for name, bytes_ in names.items():
        if bytes_ is not None:
            yield f"{name} {size(bytes_)}"
