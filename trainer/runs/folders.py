"""Making run folders: unique whatever happens at the same second, and whole before they show.

Standard library only, so that a script of one's own can make its run folder with this too.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.runs import proc
from trainer.runs.layout import RunFolder, dumps
from trainer.runs.record import new_record
from trainer.runs.status import State
from trainer.runs.values import printable

# No vowels and no look-alikes: ids spell no words and can be read out.
_ALPHABET = "bcdfghjkmnpqrstvwxz23456789"
_ID_LENGTH = 7
_SLUG_LENGTH = 48
_NAME_LENGTH = 200
_TRIES = 100
_MAKING = ".making-"
# What somebody needs seconds for is given up after an hour, in the newest days' folders.
_LEFT_BEHIND_S = 3600.0
_DAYS_SWEPT = 3

# What `run.json` says where nobody gives anything.
_IDENTITY: dict[str, Any] = {
    "v": 1,
    "tags": [],
    "launcher": "local",
    "argv": [],
    "env": {},
    "command": [],
    "parent": None,
    "preset": None,
    "recipe": None,
    "config_hash": None,
    "limits": {},
}


def slug(name: str) -> str:
    """Make a safe part of a folder name out of any text.

    Args:
        name: Anything, control characters and 10 kB of `../` included.

    Returns:
        Lower-case ASCII letters, digits, `.`, `_` and `-`, at most 48, never empty and never
        beginning or ending with a dot or dash.
    """
    plain = unicodedata.normalize("NFKD", name[:1000]).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^a-z0-9._-]+", "-", plain.lower())
    safe = re.sub(r"\.{2,}|-{2,}", "-", safe)
    return safe[:_SLUG_LENGTH].strip(".-_") or "run"


def shown_name(name: str) -> str:
    """Give a run's name as it is shown: one line without control characters, at most 200."""
    flat = " ".join(name[: 4 * _NAME_LENGTH].split())
    return printable(flat)[:_NAME_LENGTH].strip() or "run"


def new_id() -> str:
    """Draw a short id; 27^7 make a clash within one runs folder unlikely, and it is checked."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def make_folder(
    runs_dir: Path,
    name: str,
    identity: Mapping[str, Any] | None = None,
    files: Callable[[RunFolder, str], Mapping[str, bytes | str]] | None = None,
    *,
    state: State = State.STARTING,
    now: float | None = None,
) -> RunFolder:
    """Make `runs_dir/<date>/<time>-<name>-<id>/` with its first files, in one step.

    It is filled under a hidden name and renamed when whole: whoever lists the runs sees all of
    it or nothing.

    Args:
        runs_dir: The folder of runs; made if missing.
        name: The run's name, any text.
        identity: More fields for `run.json`.
        files: Gives further files by their path in the folder, for the final folder and id.
        state: The state that `status.json` begins with.
        now: Unix seconds for folder name and `created`; the clock if None.

    Returns:
        The new folder.

    Raises:
        OSError: The disk is full or `runs_dir` cannot be written.
    """
    created = time.time() if now is None else now
    local = time.localtime(created)
    parent = Path(runs_dir).absolute() / time.strftime("%Y-%m-%d", local)
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(Path(runs_dir))
    stem = f"{time.strftime('%H-%M-%S', local)}-{slug(name)}"
    for _ in range(_TRIES):
        run_id = new_id()
        run = RunFolder(parent / f"{stem}-{run_id}")
        hidden = RunFolder(parent / f"{_MAKING}{run_id}-{os.getpid()}")
        try:
            hidden.path.mkdir()
        except FileExistsError:
            continue
        try:
            record = {
                "id": run_id,
                "name": shown_name(name),
                "created": created,
                "runs_dir": str(Path(runs_dir).absolute()),
            }
            extra = files(run, run_id) if files else {}
            _fill(hidden, {**_IDENTITY, **record, **(identity or {})}, state, extra)
            # Renaming onto a folder that holds anything is refused: the name is ours alone.
            hidden.path.rename(run.path)
        except FileExistsError:
            shutil.rmtree(hidden.path, ignore_errors=True)
            continue
        except OSError as error:
            shutil.rmtree(hidden.path, ignore_errors=True)
            if run.path.exists():
                continue
            raise error
        except BaseException:
            shutil.rmtree(hidden.path, ignore_errors=True)
            raise
        return run
    raise FileExistsError(f"no free folder name in {parent}")


def _sweep(runs_dir: Path) -> None:
    """Remove what launchers that were killed have left half made."""
    oldest = time.time() - _LEFT_BEHIND_S
    try:
        days = sorted(day for day in runs_dir.iterdir() if day.name[:1].isdigit())[-_DAYS_SWEPT:]
    except OSError:
        return
    for day in days:
        try:
            with os.scandir(day) as entries:
                left = [
                    entry.path
                    for entry in entries
                    if entry.name.startswith(_MAKING)
                    and entry.is_dir(follow_symlinks=False)
                    and entry.stat(follow_symlinks=False).st_mtime < oldest
                    and not _is_being_made(entry.name)
                ]
        except OSError:
            continue  # somebody else sweeps too
        for path in left:
            shutil.rmtree(path, ignore_errors=True)


def _is_being_made(name: str) -> bool:
    """Tell whether the process that the name ends with still lives, as far as this host knows."""
    pid = name.rpartition("-")[2]
    return pid.isdecimal() and proc.process_start_time(int(pid)) is not None


def _fill(
    hidden: RunFolder,
    identity: Mapping[str, Any],
    state: State,
    files: Mapping[str, bytes | str],
) -> None:
    """Write everything that a new run folder holds."""
    for folder in (hidden.logs, hidden.checkpoints, hidden.control, hidden.outputs):
        folder.mkdir()
    here = {"host": proc.host_name(), "cwd": str(Path.cwd())}
    _write(hidden.run_json, dumps({**here, **identity}) + "\n")
    # The launcher stands in for the supervisor until there is one.
    status = new_record("launcher", state, heartbeat=identity["created"])
    _write(hidden.status, dumps(status) + "\n")
    for path, content in files.items():
        _write(hidden.path / path, content)


def _write(path: Path, content: bytes | str) -> None:
    data = content.encode() if isinstance(content, str) else content
    with path.open("xb") as file:
        file.write(data)
