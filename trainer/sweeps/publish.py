"""The model of a sweep's best trial, put where finished models are.

A trial that leaves a model keeps it in its own run folder (`outputs/model`), so that a sweep of fifty
does not fill the folder of models; `ablation.publish` says which of them get there.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import Problem, RunError
from trainer.runs.layout import RunFolder, read_json
from trainer.sweeps import results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.results import Row
    from trainer.sweeps.trials import TrialState

MODEL = "model"
"""What a run's model, and that of a sweep, is called below `outputs/`."""
_METADATA = "metadata.json"
_USUAL = "models"


@dataclass(frozen=True)
class Published:
    """A model that a sweep has left.

    Attributes:
        folder: Where it is.
        trial: The trial that it is of.
        new: Whether it has been put there just now.
    """

    folder: Path
    trial: int
    new: bool


def published(sweep: Sweep) -> Path | None:
    """Give the folder of the model that a sweep has published; None if there is none."""
    link = sweep.outputs / MODEL
    return link.resolve() if link.is_symlink() and link.is_dir() else None


def publish(sweep: Sweep, trials: Sequence[TrialState] | None = None) -> Published | None:
    """Copy the model of the best trial to where its config keeps models, whole or not at all.

    The best trial is the best one of the combination that leads the leaderboard. One that is there
    already is not copied again.

    Args:
        sweep: The sweep.
        trials: Its trials, if they have just been looked at.

    Returns:
        What was published; None where no trial has ended, or the best one has left no model.

    Raises:
        RunError: The disk refuses.
    """
    best = best_trial(sweep, trials)
    if best is None or best.run is None:
        return None
    source = model_of(best.run)
    if source is None:
        return None
    run = str(best.run)
    before = published(sweep)
    if before is not None and _told(before).get("run") == run:
        return Published(before, best.trial, new=False)
    place = _models_dir(sweep, best.run)
    if source.parent == place:
        # With `ablation.publish=all` it is there already.
        _link(sweep, source)
        return Published(source, best.trial, new=False)
    value = {"id": sweep.id, "trial": best.trial, "metric": sweep.metric, "value": best.value}
    try:
        folder = _copied(source, place, {"sweep": value})
    except (OSError, shutil.Error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise RunError(
            Problem(
                f"the model of trial {best.trial} could not be copied to {place}: {said}",
                str(source),
                f"It is whole where it is. Try again: traindeck ablate --publish {sweep.id}",
            )
        ) from error
    _link(sweep, folder)
    return Published(folder, best.trial, new=True)


def best_trial(sweep: Sweep, trials: Sequence[TrialState] | None = None) -> Row | None:
    """Give the best trial of the combination that leads the leaderboard; None without one."""
    groups = results.table(sweep, trials).groups
    if not groups or not groups[0].n:
        return None
    return results.best_of([row for row in groups[0].rows if row.counts], sweep.goal)


def model_of(run: Path) -> Path | None:
    """Give the folder of the model that a run has left; None if it has left none."""
    link = run / "outputs" / MODEL
    return link.resolve() if link.is_dir() else None


def _models_dir(sweep: Sweep, run: Path) -> Path:
    """Give the folder of models that a trial's config names."""
    import yaml

    found: Any = None
    with suppress(OSError, ValueError, yaml.YAMLError):
        config = yaml.safe_load(RunFolder(run).config.read_text(encoding="utf-8"))
        found = (config.get("output") or {}).get("models_dir")
    place = Path(str(found or _USUAL)).expanduser()
    return (Path(sweep.where.get("cwd") or Path.cwd()) / place).resolve()


def _copied(source: Path, place: Path, more: dict[str, Any]) -> Path:
    """Copy a folder under its own name, or with a number where there is one of that name."""
    place.mkdir(parents=True, exist_ok=True)
    aside = place / f".making-{source.name}-{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        shutil.copytree(source, aside)
        with suppress(OSError, ValueError):
            told = read_json(aside / _METADATA)
            told["metadata"] = {**(told.get("metadata") or {}), **more}
            text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
            (aside / _METADATA).write_text(text, encoding="utf-8")
        number = 1
        while True:
            wanted = place / (source.name if number == 1 else f"{source.name}-{number}")
            if not wanted.exists():
                try:
                    return aside.rename(wanted)
                except OSError:
                    if not wanted.exists():
                        raise
            number += 1
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _told(folder: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        about = read_json(folder / _METADATA).get("metadata")
        return about if isinstance(about, dict) else {}
    return {}


def _link(sweep: Sweep, folder: Path) -> None:
    with suppress(OSError):
        sweep.outputs.mkdir(exist_ok=True)
        (sweep.outputs / MODEL).unlink(missing_ok=True)
        (sweep.outputs / MODEL).symlink_to(folder)
