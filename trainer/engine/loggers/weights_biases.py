"""Weights & Biases: Lightning's logger with the run's names, ended with limited patience."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from trainer.engine.loggers.guard import PATIENCE, Guarded
from trainer.events.text import clean
from trainer.runs.layout import RunFolder
from trainer.secrets import mask

DEFAULT_PROJECT = "traindeck"


class WeightsBiases(Guarded, WandbLogger):
    """Lightning's logger; its end ends the run there and W&B's own process."""

    label = "Weights & Biases"
    key = "wandb"

    def _save(self) -> None:
        """Do nothing: W&B's own process writes."""

    def _finish(self, status: str) -> None:
        super()._finish(status)
        import wandb

        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if status == "success" else 1)
            self._experiment = None
        wandb.teardown()


def weights_biases(section: Mapping[str, Any], run: RunFolder) -> WeightsBiases:
    """Make the logger; nothing is sent before its `experiment` is asked for.

    Args:
        section: The config's `logger.wandb`.
        run: Whose name, tags and folder it takes.
    """
    import wandb

    identity = run.identity()
    offline = bool(section.get("offline"))
    if offline:
        # Its own reports of errors want a network.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    tags = section.get("tags")
    parent = identity.get("parent") or {}
    keywords: dict[str, Any] = {
        "entity": section.get("entity"),
        "group": section.get("group") or os.environ.get("WANDB_RUN_GROUP") or parent.get("sweep"),
        "job_type": section.get("job_type"),
        "tags": [str(tag)[:64] for tag in (identity.get("tags") or [] if tags is None else tags)],
        "notes": section.get("notes"),
        "settings": wandb.Settings(
            quiet=True,
            finish_timeout=float(os.environ.get("WANDB_FINISH_TIMEOUT") or 0.8 * PATIENCE),
        ),
    }
    return WeightsBiases(
        name=section.get("name") or str(identity.get("name") or run.path.name),
        project=section.get("project") or os.environ.get("WANDB_PROJECT") or DEFAULT_PROJECT,
        id=section.get("id") or run_id(run),
        save_dir=str(run.logs),
        offline=offline,
        **{name: value for name, value in keywords.items() if value},
    )


def run_id(run: RunFolder) -> str:
    """Give an id that stays the run's own when it is resumed, and is nobody else's."""
    return f"{run.path.parent.name}-{run.path.name}"[-128:].strip("-")


def place_of(logger: WeightsBiases) -> str:
    """Say where W&B shows the run, or where it lies."""
    experiment = logger.experiment
    url = None if logger._offline else getattr(experiment, "url", None)
    return clean(mask(str(url))) if url else str(Path(experiment.dir).parent)
