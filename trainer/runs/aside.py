"""Runs set aside: gone from the list at once, and back again for as long as nobody purged them.

A run lies aside in `.deleted/<id>/` of its runs folder, on the same file system, so that setting
aside and putting back are one renaming each. Hidden folders count for nothing in the list. What a
crash leaves there is purged by whoever comes by a day later.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import Problem, RunError
from trainer.runs.folders import new_id
from trainer.runs.layout import RunFolder
from trainer.runs.manage import is_ours, while_over

#: Where runs lie aside, in their runs folder.
DELETED = ".deleted"
#: What lies aside this long was left there by a crash, in seconds.
LEFTOVER_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Aside:
    """A run that was set aside.

    Attributes:
        was: Where it lay.
        lies: Where it lies now, in a folder of its own.
    """

    was: Path
    lies: Path


def set_aside(run: RunFolder, runs_dir: Path) -> Aside:
    """Take a run that is over out of the list.

    Args:
        run: The run.
        runs_dir: The folder of runs that it lies in.

    Returns:
        What `put_back` and `purge` need.

    Raises:
        RunError: The run is live, the folder may not be a run's at all, or cannot be moved.
    """
    was = run.path.absolute()
    if was.is_symlink():
        return _move(was, runs_dir)
    if not is_ours(run):
        raise RunError(
            Problem(
                f"{was.name} holds no run.json of a run; it may be no run's folder, and is kept",
                remedy="Look into it, and remove it by hand if nothing in it is needed.",
            )
        )
    with while_over(run, "removed"):
        return _move(was, runs_dir)


def _move(was: Path, runs_dir: Path) -> Aside:
    place = runs_dir.absolute() / DELETED / new_id()
    try:
        place.mkdir(parents=True)
        was.rename(place / was.name)
    except OSError as error:
        with suppress(OSError):
            place.rmdir()
        raise RunError(f"{was.name} cannot be removed: {error.strerror or error}") from error
    return Aside(was, place / was.name)


def put_back(aside: Aside) -> RunFolder:
    """Put a run back where it lay.

    Raises:
        RunError: It was purged meanwhile, something else lies there now, or it cannot be moved.
    """
    if os.path.lexists(aside.was):
        raise RunError(f"{aside.was.name} cannot come back: something else lies there now")
    try:
        aside.was.parent.mkdir(parents=True, exist_ok=True)
        aside.lies.rename(aside.was)
    except OSError as error:
        raise RunError(f"{aside.was.name} cannot come back: {error.strerror or error}") from error
    _tidy(aside.lies.parent)
    return RunFolder(aside.was)


def purge(aside: Aside) -> None:
    """Remove a run that lies aside, for good; what cannot be removed is left for later."""
    shutil.rmtree(aside.lies.parent, ignore_errors=True)
    with suppress(OSError):
        aside.lies.parent.parent.rmdir()


def purge_leftovers(runs_dir: Path, now: float | None = None) -> int:
    """Remove for good what has lain aside for a day: a crash left it there.

    Args:
        runs_dir: The folder of runs.
        now: Unix seconds; the machine's clock if None.

    Returns:
        How many were removed.
    """
    folder = runs_dir / DELETED
    oldest = (time.time() if now is None else now) - LEFTOVER_SECONDS
    removed = 0
    if folder.is_symlink():
        # Someone else's idea of that name: what it leads to is not ours to empty.
        return 0
    try:
        places = list(folder.iterdir())
    except OSError:
        return 0
    for place in places:
        try:
            left = place.lstat().st_mtime < oldest and not place.is_symlink()
        except OSError:
            continue
        if left:
            shutil.rmtree(place, ignore_errors=True)
            removed += not place.exists()
    with suppress(OSError):
        folder.rmdir()
    return removed


def _tidy(place: Path) -> None:
    """Remove folders that are empty now."""
    for folder in (place, place.parent):
        with suppress(OSError):
            folder.rmdir()
