"""How long a training step takes on the device itself: `trainer.benchmark_train_step`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from trainer.engine.callbacks import flavour

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from trainer.engine.callbacks.events import TraindeckCallback
else:
    pl = flavour.chosen()

NAME = "perf/train_step_ms"


class StepTimer(pl.Callback):
    """Measures each optimiser step, forward to update, and waits for the device to do so.

    Fetching data, other callbacks and the time between steps are left out; with accumulation the
    step's batches are added up. It has to stand in front of the callback that it tells.

    Args:
        deck: Who writes the events.
    """

    metric_info: ClassVar[dict[str, dict[str, str]]] = {NAME: {"unit": "ms", "goal": "min"}}

    def __init__(self, deck: TraindeckCallback) -> None:
        self._deck = deck
        self._start = self._spent = 0.0
        self._step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin counting where training does."""
        self._step, self._spent = trainer.global_step, 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock once the device has nothing left to do."""
        _wait(pl_module.device)
        self._start = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop it once the device is done; tell of the step if it is whole."""
        _wait(pl_module.device)
        self._spent += time.perf_counter() - self._start
        if trainer.global_step != self._step:
            self._deck.measured(NAME, round(self._spent * 1000.0, 4))
            self._step, self._spent = trainer.global_step, 0.0


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
