"""A metric that nobody logs: what watches it would do nothing, or end in a traceback."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor

from trainer.errors import ConfigError, Problem, nearest


class PlateauMonitor(pl.Callback):
    """Looks for the metrics that a scheduler and early stopping watch, just before they do."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the run if there is no such metric.

        Raises:
            ConfigError: It names the metrics that there are.
        """
        if trainer.sanity_checking:
            return
        for config in trainer.lr_scheduler_configs:
            name = str(config.monitor)
            if config.reduce_on_plateau and name.startswith("val"):
                _need(trainer, name, "the scheduler", "scheduler.monitor")

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Have early stopping say which metrics there are where its own is not among them.

        It is told in the moment it looks: what a module logs at the end of an epoch is there by
        then, and is not yet when other callbacks are asked.
        """
        for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning has no types here
            if isinstance(callback, EarlyStopping) and callback.strict:
                _tell(trainer, callback)


def _tell(trainer: pl.Trainer, callback: EarlyStopping) -> None:
    look = callback._validate_condition_metric

    def validate(logs: dict[str, Tensor]) -> bool:
        _need(trainer, callback.monitor, "early stopping", "trainer.early_stopping.monitor")
        return look(logs)

    vars(callback)["_validate_condition_metric"] = validate


def _need(trainer: pl.Trainer, name: str, who: str, key: str) -> None:
    known = sorted(trainer.callback_metrics)
    if name not in known:
        remedy = f"{nearest(name, known)} There are {', '.join(known) or 'none'}.".strip()
        raise ConfigError(Problem(f"Nothing logs '{name}', which {who} watches.", "", remedy, key))
