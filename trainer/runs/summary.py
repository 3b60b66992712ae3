"""One run in the list of runs: what its folder tells, whatever lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.errors import RunError
from trainer.runs.layout import (
    RUN_JSON,
    RunFolder,
    read_json,
    read_json_or_empty,
    write_json_atomic,
)
from trainer.runs.status import TERMINAL, Progress, read_status
from trainer.runs.values import number, printable, text

UNREADABLE = "unreadable"


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs.

    Attributes:
        id: Short id; the folder's name if `run.json` cannot be read.
        name: The run's name.
        path: The run folder.
        state: A `State`, or `UNREADABLE` for a folder that holds no readable run.
        tags: Words to find it by.
        preset: The preset it was made from; empty if none.
        recipe: The recipe; empty if unknown.
        created: Unix seconds.
        started: When its process started, unix seconds; None if it never did.
        ended: When it ended, unix seconds; None while it lives.
        progress: How far it has come, with the last metrics.
        host: Where it ran.
        exit_code: Its process's exit code; None if unknown.
        reason: Why it ended or waits.
        config_hash: Hash of its config; empty if unknown.
        attempt: How many times it was started.
        parent: `{"sweep": id}`, `{"resume": id}` or empty.
        problem: What is wrong with the folder; empty if nothing.
    """

    id: str
    name: str
    path: str
    state: str
    tags: tuple[str, ...] = ()
    preset: str = ""
    recipe: str = ""
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    progress: Progress = field(default_factory=Progress)
    host: str = ""
    exit_code: int | None = None
    reason: str = ""
    config_hash: str = ""
    attempt: int = 1
    parent: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def folder(self) -> RunFolder:
        """The run folder."""
        return RunFolder(Path(self.path))

    @property
    def live(self) -> bool:
        """Whether it waits, runs or stops."""
        return self.state not in TERMINAL and self.state != UNREADABLE


def summarise(folder: str | Path) -> RunSummary:
    """Summarise one folder; whatever lies in it, this never raises.

    Args:
        folder: A folder that should hold a run.
    """
    path = os.fspath(folder)
    problem = ""
    identity: dict[str, Any] = {}
    try:
        identity = read_json(f"{path}/{RUN_JSON}")
    except FileNotFoundError:
        problem = "run.json is missing"
    except PermissionError:
        problem = "run.json may not be read"
    except OSError as error:
        problem = f"run.json cannot be read: {error.strerror}"
    except ValueError:
        problem = "run.json is garbled"
    status = read_status(path)
    folder_name = printable(os.path.basename(path)) or "?"  # noqa: PTH119 - see read_status
    nothing = bool(problem) and not status.writer
    if not nothing:
        problem = "; ".join(part for part in (problem, status.problem) if part)
    parent = identity.get("parent")
    return RunSummary(
        id=text(identity.get("id")) or folder_name,
        name=text(identity.get("name")) or folder_name,
        path=path,
        state=UNREADABLE if nothing else str(status.state),
        tags=_texts(identity.get("tags")),
        preset=text(identity.get("preset")),
        recipe=text(identity.get("recipe")),
        created=_time(identity.get("created")) or _created(path),
        started=status.started,
        ended=status.ended,
        progress=status.progress,
        host=status.host or text(identity.get("host")),
        exit_code=status.exit_code,
        reason="" if nothing else status.reason,
        config_hash=text(identity.get("config_hash")),
        attempt=status.attempt,
        parent={k: text(v) for k, v in parent.items()} if isinstance(parent, dict) else {},
        problem=problem,
    )


def _created(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return 0.0


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text(word) for word in value[:100]) if isinstance(value, list) else ()


def _time(value: object) -> float | None:
    found = number(value)
    # Within what dates can show.
    return found if found is not None and 0 <= found < 1e11 else None


def set_tags(run: RunFolder, tags: Iterable[str]) -> tuple[str, ...]:
    """Replace a run's tags.

    Returns:
        The tags as kept: cleaned, sorted, each once.

    Raises:
        RunError: `run.json` cannot be read or written.
    """
    identity = read_json_or_empty(run.run_json)
    if not identity:
        raise RunError(f"run.json of {run.path.name} cannot be read")
    kept = tuple(sorted({word for tag in tags if (word := text(" ".join(tag.split())).strip())}))
    try:
        write_json_atomic(run.run_json, {**identity, "tags": list(kept)})
    except OSError as error:
        raise RunError(f"run.json cannot be written: {error.strerror or error}") from error
    return kept
