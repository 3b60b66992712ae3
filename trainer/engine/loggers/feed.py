"""Gives Lightning's loggers what the events hold: learning rate, gradient norm, speed, memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

from trainer.engine.loggers.hparams import hyperparameters
from trainer.engine.session import Row, Session

# Every row of an optimiser step has it, and no other row does.
_OF_A_STEP = "perf/batch_time_sec"


class LoggerFeed(pl.Callback):
    """Passes rows of metrics on to the trainer's loggers, at the trainer's cadence.

    The numbers have been read back for the events already, so that no step waits for a GPU, as it
    does where a module logs itself. What the module logs itself is left to Lightning. Metrics that
    come less often than steps, such as memory, go with the next step that is logged.

    Args:
        session: Whose rows are passed on, and whose config the loggers get as hyperparameters.
    """

    def __init__(self, session: Session) -> None:
        self._config = session.config
        self._trainer: pl.Trainer | None = None
        self._pending: dict[str, float] = {}
        self._at = (0, 0)
        if session.rank == 0:
            session.watchers.append(self)

    def __call__(self, rows: Sequence[Row]) -> None:
        """Take rows of metrics."""
        trainer = self._trainer
        if trainer is None or not trainer.loggers:
            return
        every = int(getattr(trainer, "log_every_n_steps", 0))
        own = trainer._logger_connector._logged_metrics
        for _, step, epoch, metrics in rows:
            if _OF_A_STEP not in metrics:
                self._log(_without(metrics, own), step, epoch)
                continue
            self._pending.update(metrics)
            self._at = (step, epoch)
            if every and step % every == 0:
                self._send()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the loggers the config as hyperparameters."""
        if stage != "fit":
            return
        self._trainer = trainer
        params = hyperparameters(self._config)
        for logger in trainer.loggers:
            logger.log_hyperparams(params)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Pass on what has come since the last step that was logged."""
        self._send()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Pass on what has come since the last step that was logged."""
        self._send()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Pass on what has come since the last step that was logged."""
        self._send()

    def _send(self) -> None:
        pending, self._pending = self._pending, {}
        if pending and self._trainer is not None:
            own = self._trainer._logger_connector._logged_metrics
            self._log(_without(pending, own), *self._at)

    def _log(self, metrics: dict[str, Any], step: int, epoch: int) -> None:
        if metrics and self._trainer is not None:
            metrics["epoch"] = epoch
            for logger in self._trainer.loggers:
                logger.log_metrics(metrics, step)


def _without(metrics: dict[str, float], own: Any) -> dict[str, float]:
    """Leave out what Lightning logs itself, under this name or as `<name>_step`."""
    return {
        name: value
        for name, value in metrics.items()
        if name not in own and f"{name}_step" not in own
    }
