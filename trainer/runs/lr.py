"""Asks how the learning rate will move over a run, of a process that has torch; this one has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.config.torch_rules import is_whole
from trainer.events.text import clean
from trainer.runs.helper import HelperProcess

#: What Lightning takes where neither an end in epochs nor one in steps is set.
_LIGHTNING_EPOCHS = 1000


@dataclass(frozen=True)
class Curve:
    """The learning rate over a run; see `trainer.engine.lr_curve.curve` for where it comes from.

    Attributes:
        groups: Names of the optimiser's parameter groups.
        unit: What places count: `step` (optimiser steps) or `epoch`, where it is unknown how many
            steps an epoch has.
        total: How many of them the run has, or are shown.
        known: Whether the config says how long the run is.
        stepped: Whether every step of the scheduler was taken; otherwise `rows` are chosen steps.
        exact: Whether the bins hold the least and greatest of all their steps for sure.
        rows: A place, and the lr of each group from there until the next row.
        width: Places of a bin.
        first: For each group, the lr at the first place of each bin.
        low: The least lr in each bin.
        high: The greatest.
        last: The lr at the last place.
        points: A name, a place and the lr of each group.
        notes: What a person should know of it.
    """

    groups: list[str]
    unit: str
    total: int
    known: bool
    stepped: bool
    exact: bool
    rows: list[list[float]]
    width: int
    first: list[list[float]]
    low: list[list[float]]
    high: list[list[float]]
    last: list[list[float]]
    points: list[list[Any]]
    notes: list[str]

    @property
    def distinct(self) -> list[int]:
        """Numbers of the groups whose curves differ, the first of each kind."""
        seen: dict[tuple[tuple[float, ...], ...], int] = {}
        for number in range(len(self.groups)):
            marks = tuple(tuple(part[number]) for part in (self.low, self.high, self.last))
            seen.setdefault(marks, number)
        return list(seen.values())

    def name(self, number: int) -> str:
        """Name a group, with those that move alike."""
        marks = [(self.low[n], self.high[n], self.last[n]) for n in range(len(self.groups))]
        alike = [name for n, name in enumerate(self.groups) if marks[n] == marks[number]]
        if len(alike) == len(self.groups):
            return "all parameters"
        # "Muon, weight decay" and "Muon, no weight decay" are all that Muon has.
        heads = {name.partition(", ")[0] for name in alike}
        return " and ".join(sorted(heads) if len(heads) < len(alike) else alike)


def length_of(config: Mapping[str, Any], batches: int | None = None) -> dict[str, Any]:
    """Say how long a run is, as far as its config tells.

    Args:
        config: A composed config.
        batches: Batches of an epoch for each device, if known.
    """
    trainer = config.get("trainer") or {}
    steps, epochs = trainer.get("max_steps"), trainer.get("max_epochs")
    quick = trainer.get("fast_dev_run") or 0
    if quick:
        steps, epochs, batches = int(quick), 1, int(quick)
    unlimited = not isinstance(steps, int) or steps < 0
    if epochs is None and unlimited and trainer.get("max_time") is None:
        epochs = _LIGHTNING_EPOCHS
    return {
        "steps": None if unlimited else steps,
        "epochs": epochs if isinstance(epochs, int) and epochs >= 0 else None,
        "batches": batches,
        "accumulate": trainer.get("accumulate_grad_batches") or 1,
    }


def needs_batches(config: Mapping[str, Any]) -> bool:
    """Say whether the curve depends on how many batches an epoch has."""
    length = length_of(config)
    if length["batches"] is not None:
        return False
    scheduler = config.get("scheduler") or {}
    off = scheduler.get("enabled") is False
    whole = scheduler.get("interval") is None and is_whole(scheduler)
    in_steps = length["epochs"] is None if whole else _counts_steps(scheduler)
    counted = "step" if in_steps or off else "epoch"
    if counted == "epoch":
        return length["steps"] is not None
    return length["epochs"] is not None or (scheduler.get("frequency") or 1) > 1


def request_of(config: Mapping[str, Any], batches: int | None = None) -> dict[str, Any]:
    """Write the request for a config's curve."""
    return {
        "optimizer": config.get("optimizer") or {},
        "scheduler": config.get("scheduler") or {},
        "length": length_of(config, batches),
    }


def notes_of(config: Mapping[str, Any]) -> list[str]:
    """Say what may make the run's learning rate another than the curve's."""
    trainer = config.get("trainer") or {}
    notes = []
    lr = trainer.get("resume_lr")
    if lr is not None:
        notes.append(f"A run that goes on from a checkpoint takes {lr:g} as its base (resume_lr).")
    target = (config.get("model") or {}).get("_target_")
    if isinstance(target, str) and not target.startswith("trainer.recipes."):
        notes.append(
            f"If {clean(target)} is a LightningModule with an optimiser of its own, that counts."
        )
    return notes


class CurveProcess(HelperProcess):
    """A process with torch that answers one request after the other; started by the first.

    Use it as a context manager, or `close` it. Safe to use from several threads.
    """

    what = "the learning rate"

    def curve(self, config: Mapping[str, Any], batches: int | None = None) -> Curve:
        """Compute the curve of a composed config; takes a second the first time.

        Raises:
            ConfigError: Torch refuses the settings.
            RunError: The process failed.
        """
        found = self.ask(request_of(config, batches))["curve"]
        return Curve(**{**found, "notes": [*found["notes"], *notes_of(config)]})

    def batches(self, config: Mapping[str, Any]) -> int:
        """Build the config's data and count the batches of an epoch; takes as long as that takes.

        Raises:
            ConfigError: The data cannot be built or counted.
            RunError: The process failed.
        """
        return int(self.ask({"config": config})["batches"])


def _counts_steps(scheduler: Mapping[str, Any]) -> bool:
    """Say whether a scheduler counts steps, as the engine decides it."""
    if scheduler.get("type") is None and not scheduler.get("warmup"):
        return True
    warmup = scheduler.get("warmup")
    inner = warmup.get("interval") if isinstance(warmup, Mapping) else None
    counted = scheduler.get("interval") or inner
    if counted is not None:
        return bool(counted == "step")
    return bool(warmup) or scheduler.get("type") == "InverseLR"
