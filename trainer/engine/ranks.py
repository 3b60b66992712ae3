"""What several processes of one training tell each other, on the CPU.

A group of its own over gloo: asking a GPU's group would wait for the GPU in every step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

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
