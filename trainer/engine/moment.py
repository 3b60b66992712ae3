"""The instant of a checkpoint beyond what Lightning saves: randomness, position, metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import torch

from trainer.engine import rng

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from pytorch_lightning.loops.progress import _ProcessedTracker

    from trainer.engine.data import EngineData
    from trainer.engine.ranks import Ranks

FORMAT = 1


@dataclass
class Moment:
    """What a loaded checkpoint still has to put back, once the loops stand where it was made."""

    random_state: Mapping[str, Any] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    validation: bool = False
    scale: Fraction | None = None

    @classmethod
    def of(cls, own: Mapping[str, Any], rank: int) -> Moment:
        """Read it from what `own_state` gave.

        Args:
            own: That state, loaded.
            rank: The process's rank; ranks that were not there then go on from their seed.
        """
        mine = _of_rank(own, rank)
        return cls(mine.get("random_state"), dict(own["metrics"]), validation=own["validation"])

    def seek(self, own: Mapping[str, Any], data: EngineData, rank: int) -> str:
        """Tell the data where to begin, and note how batches are to be counted from there.

        Args:
            own: What `own_state` gave, loaded.
            data: The data, its training loader built.
            rank: The process's rank.

        Returns:
            A warning for people, where the data is not what it was; else nothing.
        """
        epoch, batches, told = own["epoch"], own["batches"], ""
        then, now = own["geometry"], data.geometry()
        if batches and then and now and (then != now):
            if then["samples"] != now["samples"]:
                told = (
                    f"the data set has {now['samples']} samples and had {then['samples']} when the "
                    "checkpoint was made; the epoch goes on at the same share of it"
                )
            # A fraction: 49 batches by 1/49 are one, which they are not in floating point.
            self.scale = Fraction(
                then["batch_size"] * then["world_size"] * now["samples"],
                now["batch_size"] * now["world_size"] * then["samples"],
            )
            batches = int(batches * self.scale)
        data.seek(epoch, batches, _of_rank(own, rank).get("loader"))
        return told

    def restore(self, trainer: pl.Trainer) -> None:
        """Put random states and metrics back; once."""
        if self.random_state is not None:
            rng.restore(self.random_state)
            self.random_state = None
        if self.metrics:
            device = trainer.strategy.root_device
            trainer._logger_connector._callback_metrics.update(
                {name: _to(value, device) for name, value in self.metrics.items()}
            )
            self.metrics = {}

    def rescale(self, progress: _ProcessedTracker, batches: float) -> None:
        """Count batches of another size or share, once: as many samples lie behind as before.

        Args:
            progress: Lightning's count of batches, as loaded.
            batches: Batches of an epoch now; infinite where nobody knows.
        """
        scale, self.scale = self.scale, None
        if scale is not None:
            done = min(int(progress.completed * scale), int(batches) - 1)
            progress.ready = progress.started = progress.processed = progress.completed = done

    def take_validation(self) -> bool:
        """Tell, once, whether the checkpoint was made in front of a validation that is due."""
        pending, self.validation = self.validation, False
        return pending


def own_state(trainer: pl.Trainer, data: EngineData, ranks: Ranks) -> dict[str, Any]:
    """Give this instant as plain data and tensors; called by all ranks alike."""
    loop = trainer.fit_loop
    epochs = epochs_of(trainer)
    mid_epoch = epochs.started > epochs.processed
    batches = loop.epoch_loop.batch_progress.current.completed if mid_epoch else 0
    mine = {"random_state": rng.capture(), "loader": data.mark(batches)}
    return {
        "format": FORMAT,
        "epoch": epochs.processed,
        "batches": batches,
        "geometry": data.geometry(),
        "ranks": ranks.gather(mine),
        "metrics": dict(trainer.callback_metrics),
        "validation": False,
    }


def epochs_of(trainer: pl.Trainer) -> _ProcessedTracker:
    """Give Lightning's count of epochs."""
    return cast("_ProcessedTracker", trainer.fit_loop.epoch_progress.current)


def _of_rank(own: Mapping[str, Any], rank: int) -> Mapping[str, Any]:
    # More ranks than then: the new ones go on from their seed.
    ranks: list[Mapping[str, Any]] = own["ranks"]
    return ranks[rank] if rank < len(ranks) else {}


def _to(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, torch.Tensor) else value
