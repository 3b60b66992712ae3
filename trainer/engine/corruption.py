"""Token corruption on resuming, and how a model learns how far training is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from torch import nn

from trainer.engine.protocols import CorruptsTokens, FollowsProgress, keywords_of, network
from trainer.errors import ConfigError, Problem, nearest

KEY = "trainer.resume_token_corruption"


def on_resume(
    module: nn.Module, written: bool | Mapping[str, Any] | None, before: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Settle by which settings a resumed training corrupts tokens.

    Args:
        module: What is trained.
        written: `trainer.resume_token_corruption`: true and null take the model's own settings, a
            mapping overrides some of them, false goes on as in the run that made the checkpoint.
        before: What an earlier resume has set in that run; None if nothing.

    Returns:
        What to keep in this run's checkpoints: settings other than the model's own; None for those.

    Raises:
        ConfigError: Settings are given and the model corrupts no tokens, or it refuses them.
    """
    model = network(module)
    settings = dict(written) if isinstance(written, Mapping) else None
    if settings is not None:
        settings = {name: value for name, value in settings.items() if value is not None}
    elif written is False and before:
        settings = dict(before)
    if not isinstance(model, CorruptsTokens):
        if settings is None:
            return None
        raise ConfigError(
            Problem(
                f"{type(model).__name__} has no method 'set_token_corruption'.",
                "",
                f"Leave out {KEY}, or give the model one (see docs/own-model.md).",
                KEY,
            )
        )
    if settings is None:
        return None
    known = keywords_of(model.set_token_corruption)
    for name in settings:
        if known is not None and name not in known:
            remedy = nearest(name, known) or f"There are {', '.join(known)}."
            what = f"{type(model).__name__}'s token corruption takes no '{name}'."
            raise ConfigError(Problem(what, "", remedy, f"{KEY}.{name}"))
    settings = model.own_token_corruption() | settings
    model.set_token_corruption(**settings)
    return settings


class Progress(pl.Callback):
    """Tells a model that follows it how far training is.

    Args:
        model: The model.
    """

    def __init__(self, model: FollowsProgress) -> None:
        self._model = model
        self._steps = 0.0

    @staticmethod
    def of(module: nn.Module) -> list[pl.Callback]:
        """Give the callback if the model wants to know; else nothing."""
        model = network(module)
        return [Progress(model)] if isinstance(model, FollowsProgress) else []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the steps that are planned."""
        planned = trainer.estimated_stepping_batches
        self._steps = float(planned) if 0 < planned < float("inf") else 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Tell it before each batch."""
        self._model.training_progress(
            min(1.0, trainer.global_step / self._steps) if self._steps else 0.0
        )
