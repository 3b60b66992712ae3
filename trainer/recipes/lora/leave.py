"""Leaves a model's folder from a run's checkpoint: `python -m trainer.recipes.lora.leave`, for `traindeck adapter`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from trainer.errors import EXIT_INTERRUPTED, EXIT_OK, ConfigError, Problem, RunError, TraindeckError
from trainer.events.text import clean
from trainer.paths import at_home, in_the_way
from trainer.recipes.lora.data import Instructions
from trainer.recipes.lora.folder import metadata_of, save
from trainer.recipes.lora.measure import Evaluation
from trainer.recipes.lora.model import LoraModel
from trainer.recipes.lora.naming import folder_name


def leave(
    run: Path,
    config: Mapping[str, Any],
    model: LoraModel,
    data: Instructions,
    *,
    seconds: float,
    steps: int,
    epochs: int,
    evaluation: Evaluation | None = None,
    folder: Path | None = None,
) -> Path:
    """Write a finished model's folder, and let the run's `outputs/model` link to it.

    Args:
        run: The run's folder.
        config: Its config.
        model: What was trained.
        data: What on.
        seconds: How long it took.
        steps: Optimiser steps.
        epochs: Epochs that were done.
        evaluation: How good it is, if that was measured.
        folder: Where to; None as `output` says.

    Returns:
        The folder; one of this name that is there already is left alone, and this gets a number.

    Raises:
        ConfigError: The folder cannot be named.
        OSError: The disk refuses.
    """
    now = datetime.now()
    told = metadata_of(
        config,
        model,
        data,
        seconds=seconds,
        steps=steps,
        epochs=epochs,
        now=now,
        evaluation=evaluation,
        run=run,
    )
    place = place_of(run, config) if folder is None else folder.parent
    name = name_of(run, config, model, now) if folder is None else folder.name
    made = save(place, name, model, data, told)
    outputs = run.absolute() / "outputs"
    link = outputs / "model"
    if made != link:
        with suppress(OSError):
            outputs.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(made.relative_to(outputs) if made.is_relative_to(outputs) else made)
    return made


def place_of(run: Path, config: Mapping[str, Any]) -> Path:
    """Give the folder that a run's model gets its own folder in.

    A trial of a sweep keeps its model: of many only the best is wanted, which its sweep publishes.
    """
    sweep, parent = config.get("ablation") or {}, _identity(run).get("parent")
    if isinstance(parent, dict) and "sweep" in parent and sweep.get("publish") != "all":
        return run.absolute() / "outputs" / "models"
    written = (config.get("output") or {}).get("models_dir")
    return at_home(str(written or "models")).absolute()


def name_of(run: Path, config: Mapping[str, Any], model: LoraModel, now: datetime) -> str:
    """Give what a run's model is called.

    Raises:
        ConfigError: The template names what nothing fills in.
    """
    preset = str(_identity(run).get("name") or "")
    return folder_name(config, model.base.name, preset=preset, run=run.name, now=now)


def check_place(wanted: Path) -> None:
    """Make sure, as far as can be known before, that a model's folder can be made in this one.

    Raises:
        ConfigError: It cannot.
    """
    there = in_the_way(wanted)
    if there is not None:
        why = f"nothing may be written in {there}" if there.is_dir() else f"{there} is no folder"
        raise ConfigError(
            Problem(
                f"The finished model's folder could not be made: {why}.",
                str(wanted),
                "Set output.models_dir to a folder of yours.",
                "output.models_dir",
            )
        )


def _identity(run: Path) -> dict[str, Any]:
    """Read what the run is; empty where nothing tells."""
    with suppress(OSError, ValueError):
        told = json.loads((run / "run.json").read_text("utf-8"))
        return told if isinstance(told, dict) else {}
    return {}


def from_checkpoint(run: Path, checkpoint: str = "last", folder: Path | None = None) -> Path:
    """Leave what a checkpoint of a run holds, whether the run was complete or not.

    Args:
        run: The run's folder.
        checkpoint: `last`, `best`, or the path of one.
        folder: Where to; None as the run's `output` says.

    Raises:
        TraindeckError: There is no such checkpoint, the base cannot be had here, or the disk refuses.
    """
    import torch

    from trainer.recipes.lora.runs import load

    tuned = load(run, checkpoint, device="cpu")
    state = torch.load(tuned.checkpoint, map_location="cpu", weights_only=True, mmap=True)
    kept = (state.get("callbacks") or {}).get("FinishAdapter") or {}
    try:
        return leave(
            run,
            tuned.config,
            tuned.model,
            tuned.data,
            seconds=float(kept.get("seconds") or 0.0),
            steps=int(state["global_step"]),
            epochs=int(state["epoch"]) + 1,
            folder=folder,
        )
    except OSError as error:
        raise RunError(
            Problem(f"cannot be written: {error}", str(folder or place_of(run, tuned.config)))
        ) from error


def main(words: Sequence[str] | None = None) -> int:
    """Write a model's folder as the command line says."""
    parser = argparse.ArgumentParser(prog="traindeck adapter", add_help=False)
    parser.add_argument("run", type=Path)
    parser.add_argument("--checkpoint", default="last")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    try:
        if options.out is not None and options.out.exists():
            raise ConfigError(Problem("is there already.", str(options.out), "Name a new folder."))
        out = None if options.out is None else at_home(options.out).absolute()
        made = from_checkpoint(options.run.absolute(), options.checkpoint, out)
    except TraindeckError as error:
        for problem in error.problems:
            sys.stderr.write(f"traindeck: {clean(str(problem))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    print(json.dumps({"path": str(made)}) if options.json else clean(str(made)))
    return EXIT_OK


if __name__ == "__main__":
    raise SystemExit(main())
