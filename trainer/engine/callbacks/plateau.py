"""A scheduler that watches a metric which nobody logs would silently do nothing."""

from __future__ import annotations

import pytorch_lightning as pl

from trainer.errors import ConfigError, Problem, nearest


class PlateauMonitor(pl.Callback):
    """Looks after the first validation whether the metric is there that a scheduler watches."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the run if there is no such metric.

        Raises:
            ConfigError: It names the metrics that there are.
        """
        if trainer.sanity_checking:
            return
        for config in trainer.lr_scheduler_configs:
            name = str(config.monitor)
            known = sorted(trainer.callback_metrics)
            if config.reduce_on_plateau and name.startswith("val") and name not in known:
                raise ConfigError(
                    Problem(
                        f"Nothing logs '{name}', which the scheduler watches.",
                        "",
                        f"{nearest(name, known)} There are {', '.join(known) or 'none'}.".strip(),
                        "scheduler.monitor",
                    )
                )
