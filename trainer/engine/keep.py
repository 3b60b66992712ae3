"""Which checkpoints a run keeps, under which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.engine.files import Job
from trainer.paths import at_home
from trainer.runs.layout import RunFolder


@dataclass(frozen=True)
class SavePlan:
    """When checkpoints are saved, and which are kept.

    Attributes:
        folder: Where they go.
        every_n_epochs: The last checkpoint is replaced after every n epochs; None for never.
        every_n_steps: And after every n optimiser steps; None for never.
        top_k: How many of the best are kept, at most one an epoch; 0 none, −1 all.
        monitor: The metric that says which is best; None for none.
        mode: `min` or `max`.
        at_end: One is saved when training ends by itself; a stop saves one in any case.
    """

    folder: Path
    every_n_epochs: int | None = 1
    every_n_steps: int | None = None
    top_k: int = 1
    monitor: str | None = "val/loss"
    mode: str = "min"
    at_end: bool = True

    @property
    def saves(self) -> bool:
        """Whether checkpoints are made unasked."""
        return bool(self.every_n_epochs or self.every_n_steps or self.top_k or self.at_end)

    @staticmethod
    def of(section: Mapping[str, Any], run: RunFolder) -> SavePlan:
        """Read the plan from the config's `trainer` section."""
        place = checkpoints_of(section, run)
        if section.get("enable_checkpointing") is False or section.get("barebones"):
            return SavePlan(place, every_n_epochs=None, top_k=0, at_end=False)
        return SavePlan(
            folder=place,
            every_n_epochs=section.get("checkpoint_cadence_epochs")
            or section.get("save_every_n_epochs", 1),
            every_n_steps=section.get("save_every_n_steps"),
            top_k=int(section.get("save_top_k", 1)),
            monitor=section.get("monitor", "val/loss"),
            mode=section.get("monitor_mode") or "min",
        )


def checkpoints_of(section: Mapping[str, Any], run: RunFolder) -> Path:
    """Give the folder of a run's checkpoints, which is never another run's.

    Args:
        section: The config's `trainer` section.
        run: The run; in a `ckpt_dir` its checkpoints lie in a folder of its name.
    """
    chosen = section.get("ckpt_dir")
    if not chosen:
        return run.checkpoints
    # The launcher has written down where others look for them.
    recorded = run.identity().get("checkpoint_dir")
    if isinstance(recorded, str) and recorded:
        return Path(recorded)
    return at_home(chosen).absolute() / run.path.name


class Kept:
    """The checkpoints of a run: the best by a metric, at most one an epoch, and the last.

    Args:
        plan: How many, where, and what is better.
    """

    def __init__(self, plan: SavePlan) -> None:
        self._plan = plan
        self.best: list[dict[str, Any]] = []
        self.last: str | None = None
        self._before: tuple[list[dict[str, Any]], str | None] = ([], None)

    def is_among_best(self, score: float, epoch: int) -> bool:
        """Tell whether a score of an epoch (from 1) is worth a checkpoint."""
        if any(e["epoch"] == epoch and not self._better(score, e["score"]) for e in self.best):
            return False
        others = [entry for entry in self.best if entry["epoch"] != epoch]
        full = 0 < self._plan.top_k <= len(others)
        return not full or self._better(score, others[self._plan.top_k - 1]["score"])

    def job(self, *, epoch: int, best: float | None, last: bool, facts: Mapping[str, Any]) -> Job:
        """Name the files of one snapshot, and note them as if they were already written.

        Args:
            epoch: The epoch under way or just completed, from 1.
            best: Its score, if it is among the best.
            last: Whether it replaces the last checkpoint.
            facts: What the report of the finished job tells.
        """
        names: list[str] = []
        links: dict[str, str] = {}
        obsolete: list[str] = []
        self._before = (self.best, self.last)
        if last:
            name = f"last-epoch{epoch:05d}.ckpt"
            names.append(name)
            links["last.ckpt"] = name
            if self.last not in (None, name):
                obsolete.append(str(self.last))
            self.last = name
        if best is not None:
            name = f"best-epoch{epoch:05d}.ckpt"
            names.append(name)
            kept = [entry for entry in self.best if entry["epoch"] != epoch]
            kept.append({"score": best, "name": name, "epoch": epoch})
            kept.sort(key=lambda entry: entry["score"], reverse=self._plan.mode == "max")
            count = self._plan.top_k if self._plan.top_k >= 0 else len(kept)
            obsolete += [entry["name"] for entry in kept[count:]]
            self.best = kept[:count]
            links["best.ckpt"] = self.best[0]["name"]
        return Job(tuple(names), links, tuple(obsolete), facts, self.names())

    def names(self) -> set[str]:
        """Give the names of the run's checkpoint files."""
        return {entry["name"] for entry in self.best} | ({self.last} if self.last else set())

    def revert(self) -> None:
        """Forget the last job: it could not be written, and the files before it are still there.

        Called again, with no other job in between, it notes that job once more.
        """
        now = (self.best, self.last)
        self.best, self.last = self._before
        self._before = now

    def state(self) -> dict[str, Any]:
        """Give which checkpoints exist."""
        return {"best": [dict(entry) for entry in self.best], "last": self.last}

    def load(self, state: Mapping[str, Any]) -> None:
        """Know the checkpoints of the run that is continued, as far as they lie in this folder."""
        folder = self._plan.folder
        self.best = [
            dict(entry) for entry in state.get("best", []) if (folder / entry["name"]).exists()
        ]
        last = state.get("last")
        self.last = last if last and (folder / last).exists() else None

    def _better(self, one: float, other: float) -> bool:
        return one < other if self._plan.mode == "min" else one > other
