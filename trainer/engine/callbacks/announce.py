"""The first event of a training: how long it will be, and which metrics it will give."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainer.config.hardware_batch import Batch, whole
from trainer.engine.callbacks import memory
from trainer.engine.callbacks.recorder import STEP_METRICS
from trainer.engine.session import Session
from trainer.runs.layout import RunFolder
from trainer.runs.proc import host_name

if TYPE_CHECKING:
    import pytorch_lightning as pl


def say_started(trainer: pl.Trainer, session: Session, clip_threshold: float) -> None:
    """Emit `run_started`: a new segment of the stream, with units and goals of its metrics.

    A module, its `loss`, or a callback may declare more in `metric_info`: a mapping of metric names to
    `{"unit": ..., "goal": "min" | "max"}`.

    Args:
        trainer: The trainer, as far as it has been set up.
        session: Where events and progress go.
        clip_threshold: The norm above which a step counts as clipped.
    """
    total_steps = _total_steps(trainer)
    total_epochs = trainer.max_epochs if (trainer.max_epochs or -1) > 0 else None
    identity = RunFolder(session.folder).identity()
    metrics: dict[str, dict[str, Any]] = {
        **STEP_METRICS,
        **memory.declared(trainer.strategy.root_device),
        "grad_norm": {"threshold": clip_threshold},
        "val/loss": {"goal": "min"},
        **_declared(trainer),
    }
    batch = _batch(trainer, session)
    more: dict[str, Any] = {"batch": batch.facts()} if batch is not None else {}
    session.events.emit(
        "run_started",
        run_id=str(identity.get("id") or ""),
        name=str(identity.get("name") or ""),
        host=host_name(),
        pid=os.getpid(),
        step=trainer.global_step,
        attempt=session.attempt,
        total_steps=total_steps,
        total_epochs=total_epochs,
        **more,
        metrics=metrics,
        # Who reads them need not say again what an alert will.
        alerts=session.health.kinds if session.health is not None else [],
    )
    if session.beat is not None:
        session.beat.progress(
            step=trainer.global_step,
            epoch=trainer.current_epoch,
            total_steps=total_steps,
            total_epochs=total_epochs,
        )


def _total_steps(trainer: pl.Trainer) -> int | None:
    """Give the optimiser steps planned; None if nobody can know (yet)."""
    try:
        planned = trainer.estimated_stepping_batches
    except Exception:
        return None
    return int(planned) if 0 < planned < float("inf") else None


def _batch(trainer: pl.Trainer, session: Session) -> Batch | None:
    """Give the batch that is trained on, which may have been searched for; None if it is not known.

    Nobody knows it in a script of one's own, nor where loaders of one's own keep their size.
    """
    size = whole(getattr(getattr(trainer, "datamodule", None), "known_batch_size", None))
    section = session.config.get("trainer")
    if size is None or not isinstance(section, Mapping):
        return None
    # The config's, since a model that steps its optimisers itself accumulates without Lightning.
    accumulate = whole(section.get("accumulate_grad_batches")) or 1
    return Batch(size, accumulate, trainer.num_devices, trainer.num_nodes)


def _declared(trainer: pl.Trainer) -> dict[str, dict[str, Any]]:
    module = trainer.lightning_module
    found: dict[str, dict[str, Any]] = {}
    for owner in (*trainer.callbacks, getattr(module, "loss", None), module):  # type: ignore[attr-defined]  # set at run time
        info = getattr(owner, "metric_info", None)
        if isinstance(info, Mapping):
            found.update({str(name): dict(value) for name, value in info.items()})
    return found
