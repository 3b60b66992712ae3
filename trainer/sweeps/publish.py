"""The model of a sweep's best trial, put where finished models are.

A trial that leaves a model keeps it in its own run folder (`outputs/model`), so that a sweep of fifty
does not fill the folder of models; `ablation.publish` says which of them get there.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import Problem, RunError
from trainer.paths import at_home
from trainer.runs.layout import RunFolder, read_json
from trainer.sweeps import results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    already is not copied again, and of several that publish at once one does.

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
    place = _models_dir(sweep, best.run)
    value = {"id": sweep.id, "trial": best.trial, "metric": sweep.metric, "value": best.value}
    with _alone(sweep) as alone:
        there = _there(source, place, published(sweep))
        if there is not None:
            _link(sweep, there)
            return Published(there, best.trial, new=False)
        try:
            folder = _copied(source, place, {"sweep": value}, sweep.id, sweep_up=alone)
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


@contextmanager
def _alone(sweep: Sweep) -> Iterator[bool]:
    """Wait until nobody else publishes a model of this sweep; false where there are no locks."""
    with ExitStack() as held:
        locked = False
        with suppress(OSError):
            descriptor = os.open(sweep.path, os.O_RDONLY | os.O_CLOEXEC)
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            locked = True
        yield locked


def _models_dir(sweep: Sweep, run: Path) -> Path:
    """Give the folder of models that a trial's config names."""
    import yaml

    output: Any = None
    with suppress(OSError, ValueError, yaml.YAMLError):
        config = yaml.safe_load(RunFolder(run).config.read_text(encoding="utf-8"))
        output = config.get("output") if isinstance(config, dict) else None
    found = output.get("models_dir") if isinstance(output, dict) else None
    place = at_home(str(found or _USUAL))
    return (Path(sweep.where.get("cwd") or Path.cwd()) / place).resolve()


def _there(source: Path, place: Path, before: Path | None) -> Path | None:
    """Find a model among the finished ones; a run that went on later has left another one.

    Args:
        source: It, in its run's folder or, with `ablation.publish=all`, among the finished ones.
        place: The folder of finished models.
        before: What the sweep published last.
    """
    if source.parent == place:
        return source
    wanted = _made_by(source)
    known = [before] if before is not None else []
    # Whoever was killed behind the copy has not linked it.
    known += takewhile(Path.is_dir, (place / name for name in _names(source.name)))
    return next((each for each in known if wanted[0] and _made_by(each) == wanted), None)


def _made_by(folder: Path) -> tuple[Any, Any]:
    about: Any = None
    with suppress(OSError, ValueError):
        about = read_json(folder / _METADATA).get("metadata")
    about = about if isinstance(about, dict) else {}
    return about.get("run"), about.get("created")


def _copied(source: Path, place: Path, more: dict[str, Any], owner: str, *, sweep_up: bool) -> Path:
    """Copy a folder under its own name, or with a number where there is one of that name.

    Args:
        source: The folder.
        place: Where to.
        more: What its metadata tells besides.
        owner: Who copies it; no two do at once.
        sweep_up: Whether what an owner of this name was killed over may go.
    """
    place.mkdir(parents=True, exist_ok=True)
    if sweep_up:
        for left in place.glob(f".making-{owner}-*"):
            shutil.rmtree(left, ignore_errors=True)
    aside = place / f".making-{owner}-{os.getpid()}"
    try:
        shutil.copytree(source, aside)
        with suppress(OSError, ValueError):
            told = read_json(aside / _METADATA)
            told["metadata"] = {**(told.get("metadata") or {}), **more}
            text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
            (aside / _METADATA).write_text(text, encoding="utf-8")
        names = _names(source.name)
        while True:
            wanted = place / next(names)
            if not wanted.exists():
                try:
                    return aside.rename(wanted)
                except OSError:
                    if not wanted.exists():
                        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _names(name: str) -> Iterator[str]:
    """Give a name, and then the same with numbers."""
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def _link(sweep: Sweep, folder: Path) -> None:
    link = sweep.outputs / MODEL
    new = link.with_name(f".{MODEL}-{os.getpid()}")
    with suppress(OSError):
        sweep.outputs.mkdir(exist_ok=True)
        new.unlink(missing_ok=True)
        new.symlink_to(folder)
        try:
            new.replace(link)
        finally:
            new.unlink(missing_ok=True)
