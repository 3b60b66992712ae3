"""What several processes of one training tell each other, on the CPU.

A group of its own over gloo: asking a GPU's group would wait for the GPU in every step.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d

if TYPE_CHECKING:
    import pytorch_lightning as pl


class Ranks:
    """A single process: agrees with itself."""

    size = 1

    @staticmethod
    def of(trainer: pl.Trainer) -> Ranks:
        """Give the ranks of a trainer whose processes have already found each other."""
        many = trainer.world_size > 1 and dist.is_available() and dist.is_initialized()
        return ManyRanks(trainer.world_size) if many else Ranks()

    def agree(self, values: list[float]) -> list[float]:
        """Give rank 0's values."""
        return values

    def gather(self, value: Any) -> list[Any]:
        """Give each rank's value, in order."""
        return [value]


class ManyRanks(Ranks):
    """Processes joined by `torch.distributed`; every method is called by all of them alike."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._group = dist.new_group(backend="gloo")
        global _joined
        _joined = distributed_c10d._get_default_store(), dist.get_rank(), size

    def agree(self, values: list[float]) -> list[float]:
        """Give rank 0's values."""
        shared = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(shared, src=0, group=self._group)
        return [float(value) for value in shared.tolist()]

    def gather(self, value: Any) -> list[Any]:
        """Give each rank's value, in order."""
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value, group=self._group)
        return found


# The store through which the processes found each other, this one's rank, and how many there are.
# Rank 0 holds it, so what another rank has put there outlives that rank.
_joined: tuple[Any, int, int] | None = None
_KEY = "traindeck/end/{}"
_LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")


def tell_end(state: str, reason: str, exit_code: int) -> None:
    """Tell rank 0 how another rank ended; without effect in a single process."""
    if _joined is not None:
        store, rank, _ = _joined
        with suppress(RuntimeError, ValueError):  # rank 0 itself has gone
            store.set(_KEY.format(rank), json.dumps([state, reason, exit_code]))


def told_ends() -> dict[int, tuple[str, str, int]]:
    """Give what other ranks have told of their ends, by rank: state, reason, exit code."""
    found: dict[int, tuple[str, str, int]] = {}
    if _joined is not None:
        store, mine, size = _joined
        for rank in range(size):
            with suppress(RuntimeError, ValueError):
                if rank != mine and store.check([_KEY.format(rank)]):
                    state, reason, code = json.loads(store.get(_KEY.format(rank)))
                    found[rank] = str(state), str(reason), int(code)
    return found


def is_lost_rank(error: BaseException) -> bool:
    """Say whether an error means that the process of another rank has gone."""
    return _joined is not None and any(text in str(error) for text in _LOST)
