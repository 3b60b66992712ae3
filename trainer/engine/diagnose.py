"""Figures that a trained model draws of itself, from a run folder; see docs/own-model.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from trainer.config.schema import load_resolved
from trainer.engine import context, resume
from trainer.engine.build import data_of, module_of, quiet
from trainer.engine.keep import checkpoints_of
from trainer.engine.module import show_data
from trainer.engine.protocols import DrawsDiagnostics
from trainer.errors import Problem, RunError
from trainer.runs.layout import RunFolder


def figures_of(run_folder: Path) -> dict[str, Any]:
    """Let the model of a run draw, with the weights of its best checkpoint, on the CPU.

    Every part of the model and the loss that has a method `diagnostic_figures` is asked. Without
    any, neither data nor checkpoint is touched.

    Args:
        run_folder: The run's folder.

    Returns:
        matplotlib figures by name.

    Raises:
        TraindeckError: The config cannot be built here, or there is no checkpoint that fits it.
    """
    quiet()
    run = RunFolder(Path(run_folder).absolute())
    resolved = load_resolved(run.config)
    config = resolved.model_dump()
    # In these a key is a keyword of somebody's class: only what was written may reach it.
    written = resolved.model_dump(exclude_unset=True)
    config |= {name: written.get(name, {}) for name in ("data", "model", "loss")}
    # What is drawn at random is the same in every drawing.
    torch.manual_seed(config.get("seed") or 0)
    module = module_of(config)
    drawing = [part for part in module.modules() if isinstance(part, DrawsDiagnostics)]
    if not drawing:
        return {}
    checkpoint = _best(config, run)
    data = data_of(config)
    data.trainer = SimpleNamespace(global_rank=0, world_size=1)  # type: ignore[assignment]
    data.prepare_data()
    data.setup("fit")
    if before := context.known_before(resume.carried(checkpoint)):
        context.resize(module, before)
        context.resize_data(data.source, before)
    show_data(module, data.source)
    resume.check(checkpoint, module)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    module.load_state_dict(state["state_dict"])
    module.eval()
    found: dict[str, Any] = {}
    with torch.no_grad():
        for part in drawing:
            figures = part.diagnostic_figures(data.source)
            found |= dict(_checked(figures, part))
    return found


def _best(config: Mapping[str, Any], run: RunFolder) -> Path:
    folder = checkpoints_of(config["trainer"], run)
    for name in ("best.ckpt", resume.LAST):
        if (folder / name).exists():
            return folder / name
    raise RunError(Problem("there is no checkpoint", str(folder)))


def _checked(figures: Any, part: nn.Module) -> list[tuple[str, Any]]:
    named = isinstance(figures, Mapping) and all(
        isinstance(name, str) and hasattr(figure, "savefig") for name, figure in figures.items()
    )
    if not named:
        raise RunError(
            Problem(
                f"{type(part).__name__}.diagnostic_figures gave {type(figures).__name__}",
                remedy="It has to give a mapping of names to matplotlib figures.",
            )
        )
    return list(figures.items())
