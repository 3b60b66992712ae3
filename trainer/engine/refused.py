"""Batches that cannot be made: a loader's worker hands the reason on instead of raising it.

torch raises a worker's error anew from its text alone, wrapped in a traceback. What a person can
mend is to be told as it stands, so it travels in the batch's place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.utils.data import get_worker_info

from trainer.errors import ConfigError, Problem


@dataclass(frozen=True)
class Refused:
    """Stands for a batch, and tells why there is none."""

    problems: tuple[Problem, ...]

    @staticmethod
    def check(batch: Any) -> Any:
        """Give the batch back.

        Raises:
            ConfigError: It is none.
        """
        if isinstance(batch, Refused):
            raise ConfigError(*batch.problems)
        return batch


def guarded(make: Callable[[], Any]) -> Any:
    """Give what `make` makes, or in a loader's worker why it could not.

    Raises:
        ConfigError: What `make` raised, in the training process itself.
    """
    try:
        return make()
    except ConfigError as error:
        if get_worker_info() is None:
            raise
        return Refused(error.problems)


class Guarded:
    """A collate function that is guarded.

    Args:
        collate: Makes a batch of a list of samples.
    """

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: list[Any]) -> Any:
        """Make the batch; in a worker perhaps tell why there is none."""
        return guarded(lambda: self.collate(samples))
