"""The language model of a run, as its checkpoint has it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer.engine import trained
from trainer.engine.protocols import network
from trainer.errors import Problem, RunError
from trainer.recipes.lora.data import Instructions
from trainer.recipes.lora.measure import Within
from trainer.recipes.lora.model import LoraModel


@dataclass(frozen=True, slots=True)
class FineTuned:
    """What a fine-tuning has made so far.

    Attributes:
        config: The run's config.
        model: The base with the adapter of the checkpoint, on its device.
        data: What it was trained on.
        checkpoint: Which checkpoint.
        within: What it computes in, as in training.
    """

    config: dict[str, Any]
    model: LoraModel
    data: Instructions
    checkpoint: Path
    within: Within


def load(run_folder: Path, checkpoint: str = "last", *, device: str | None = None) -> FineTuned:
    """Load the model of a fine-tuning run.

    Args:
        run_folder: The run's folder.
        checkpoint: `last`, `best`, or the path of one.
        device: Where to; None where it was trained, if that is here, else the CPU.

    Raises:
        TraindeckError: The run is of another recipe, there is no such checkpoint, or the base
            cannot be had here.
    """
    found = trained.load(run_folder, checkpoint)
    model, source = network(found.module), found.data.source
    if not isinstance(model, LoraModel) or not isinstance(source, Instructions):
        raise RunError(
            Problem(f"{run_folder.name} fine-tunes no language model", remedy="Name such a run.")
        )
    source.say = _print
    source.prepare()
    place = torch.device(device or _device(found.config))
    model.to(place)
    within = _within(found.config, place)
    return FineTuned(found.config, model, source, found.checkpoint, within)


def _print(text: str) -> None:
    # What was asked for is what stands in the output.
    print(text, file=sys.stderr, flush=True)


def _device(config: dict[str, Any]) -> str:
    accelerator = config["trainer"].get("accelerator")
    if accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available():
        return "cuda"
    return "mps" if accelerator == "mps" and torch.backends.mps.is_available() else "cpu"


def _within(config: dict[str, Any], device: torch.device) -> Within:
    precision = str(config["trainer"].get("precision") or "32-true")
    dtype = torch.bfloat16 if precision.startswith("bf16") else torch.float16
    # A CPU trains in bfloat16, never in half.
    if not precision.endswith("mixed") or (device.type == "cpu" and dtype is torch.float16):
        return nullcontext
    return lambda: torch.autocast(device.type, dtype=dtype)
