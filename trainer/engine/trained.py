"""The model of a run, with the weights of one of its checkpoints; for looking at it, not to train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from trainer.config.schema import load_resolved
from trainer.engine import context, resume
from trainer.engine.build import data_of, module_of, quiet
from trainer.engine.data import EngineData
from trainer.engine.keep import checkpoints_of
from trainer.errors import Problem, RunError
from trainer.paths import at_home
from trainer.runs.layout import RunFolder


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run has made so far.

    Attributes:
        config: Its config.
        module: What was trained, with the checkpoint's weights, on the CPU and in evaluation mode.
        data: What it was trained on, not prepared.
        checkpoint: Which checkpoint.
    """

    config: dict[str, Any]
    module: pl.LightningModule
    data: EngineData
    checkpoint: Path


def load(run_folder: Path, checkpoint: str = "last") -> Trained:
    """Build what a run trains, and load a checkpoint of it.

    Args:
        run_folder: The run's folder.
        checkpoint: `last`, `best`, or the path of one.

    Raises:
        TraindeckError: The config cannot be built here, or there is no such checkpoint.
    """
    quiet()
    run = RunFolder(run_folder.absolute())
    resolved = load_resolved(run.config)
    config = resolved.model_dump()
    # In these a key is a keyword of somebody's class: only what was written may reach it.
    written = resolved.model_dump(exclude_unset=True)
    config |= {name: written.get(name, {}) for name in ("data", "model", "loss")}
    path = _checkpoint(checkpoints_of(config["trainer"], run), checkpoint, run.path.name)
    if threads := config["run"].get("num_threads"):
        torch.set_num_threads(threads)
    data, module = data_of(config), module_of(config)
    if before := context.known_before(resume.carried(path)):
        context.resize(module, before)
        context.resize_data(data.source, before)
    resume.check(path, module)
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    module.load_state_dict(state["state_dict"])
    return Trained(config, module.eval(), data, path)


def _checkpoint(folder: Path, wanted: str, run: str) -> Path:
    path = folder / f"{wanted}.ckpt" if wanted in ("last", "best") else at_home(wanted)
    if not path.is_file():
        there = ", ".join(sorted(each.name for each in folder.glob("*.ckpt"))) or "none"
        raise RunError(
            Problem(
                f"there is no checkpoint '{wanted}' of {run}",
                str(path),
                f"In {folder} there are: {there}.",
            )
        )
    return path
