"""Folders that are made here: each says by what settings, and is never mixed with anything else."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError, Problem

#: Marks a folder as one of ours, whole, and says how it was made.
MARKER = "generated.json"
_LOCK = ".lock"
_MAKING = ".making"


def cache_home() -> Path:
    """Give the folder of what this recipe keeps, by the XDG rules; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return home / "traindeck" / "lora"


def settings_of(folder: Path) -> dict[str, Any] | None:
    """Give by which settings a folder was made; None if it is none of ours, or not finished."""
    try:
        found = json.loads((folder / MARKER).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def made(
    folder: Path,
    settings: Mapping[str, Any],
    write: Callable[[Path], Mapping[str, Any] | None],
    waiting: Callable[[], Any] = lambda: None,
) -> bool:
    """Make a folder's files, unless they are there already.

    They are written aside and moved in together, the marker last: a folder with a marker is whole.
    One process at a time makes; others wait and find it made.

    Args:
        folder: A folder that is new, empty or was made by this with the same settings.
        settings: What decides the files; plain data.
        write: Writes the files into the folder that it is given; what it returns is told in the
            marker beside the settings, under `made`.
        waiting: Called before another process is waited for.

    Returns:
        Whether anything was written now.

    Raises:
        ConfigError: The folder holds something else, or the disk refuses.
    """
    wanted = json.loads(json.dumps(dict(settings)))
    try:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(Problem("it is a file.", str(folder), "Name a folder."))
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder, waiting):
            there = settings_of(folder)
            if there is not None:
                _check(folder, wanted, there.get("settings"))
                return False
            _check_empty(folder)
            aside = folder / _MAKING
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            try:
                said = write(aside)
                text = json.dumps({"settings": wanted, "made": dict(said or {})}, indent=2) + "\n"
                (aside / MARKER).write_text(text, "utf-8")
                names = [path.name for path in sorted(aside.iterdir()) if path.name != MARKER]
                for name in [*names, MARKER]:
                    os.replace(aside / name, folder / name)  # noqa: PTH105 - as elsewhere
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        where = str(error.filename or folder)
        raise ConfigError(
            Problem(f"cannot be written: {error.strerror or error}", where)
        ) from error
    return True


def _check(folder: Path, wanted: Mapping[str, Any], there: Any) -> None:
    if there == wanted:
        return
    known = there if isinstance(there, dict) else {}
    if known.get("what") != wanted.get("what"):
        raise ConfigError(
            Problem(
                f"the folder holds something else: {known.get('what') or 'unknown files'}.",
                str(folder),
                "Name another folder; nothing is ever overwritten.",
            )
        )
    names = sorted({*wanted, *known})
    apart = [name for name in names if wanted.get(name) != known.get(name)]
    told = ", ".join(f"{name} {known.get(name)}, not {wanted.get(name)}" for name in apart[:3])
    raise ConfigError(
        Problem(
            f"the folder was made by other settings: {told}.",
            str(folder),
            "Name another folder, or remove this one; nothing is ever overwritten.",
        )
    )


def _check_empty(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    # What has been moved in before a process was killed came from a folder aside, which is there.
    if _MAKING in names:
        return
    if strange := [name for name in names if name != _LOCK]:
        listed = ", ".join(strange[:3]) + (" …" if strange[3:] else "")
        raise ConfigError(
            Problem(
                f"the folder holds what was not made by this: {listed}.",
                str(folder),
                "Name a new or empty folder; nothing is ever overwritten.",
            )
        )


@contextmanager
def _alone(folder: Path, waiting: Callable[[], Any]) -> Iterator[None]:
    with (folder / _LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
