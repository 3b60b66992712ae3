"""A metric that nobody logs: what watches it would do nothing, or end in a traceback."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

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
        _look(trainer, at_epoch_end=False)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the run if early stopping looks now and there is nothing to look at.

        Raises:
            ConfigError: It names the metrics that there are.
        """
        _look(trainer, at_epoch_end=True)


def _look(trainer: pl.Trainer, *, at_epoch_end: bool) -> None:
    # With fast_dev_run it looks at nothing.
    if trainer.fast_dev_run:  # type: ignore[attr-defined]  # Lightning sets it at run time
        return
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # as above
        if not isinstance(callback, EarlyStopping) or not callback.strict:
            continue
        if bool(callback._check_on_train_epoch_end) == at_epoch_end:
            _need(trainer, callback.monitor, "early stopping", "trainer.early_stopping.monitor")


def _need(trainer: pl.Trainer, name: str, who: str, key: str) -> None:
    known = sorted(trainer.callback_metrics)
    if name not in known:
        remedy = f"{nearest(name, known)} There are {', '.join(known) or 'none'}.".strip()
        raise ConfigError(Problem(f"Nothing logs '{name}', which {who} watches.", "", remedy, key))
