"""Requests to a live run: small files, created whole, removed when done.

Anyone who can write to the run folder can ask, from any machine. Standard library only.
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from trainer.runs.layout import RunFolder, dumps, read_json

KINDS = ("stop", "checkpoint", "validate", "kill")
AFTER = ("step", "epoch", "now")
_MAX_BYTES = 64 * 1024
# So many are read in one go; what else lies there waits its turn.
_MAX_REQUESTS = 1000
# As `request` names them: the time first.
_OURS = re.compile(r"\d{20}-.*-[a-z]+\.json\Z")
# Names are listed at least this often even if the folder's time stamp stands still: network
# file systems cache it.
_RELIST_SECONDS = 5.0
# A change in the same clock tick as our listing leaves the time stamp as it was, so after a
# change we keep on listing for this long.
_SETTLE_SECONDS = 1.0

_counter = count()


@dataclass(frozen=True)
class Request:
    """One request found in the control folder.

    Attributes:
        kind: One of `KINDS`.
        path: Its file; `done` removes it.
        created: Time stamp of the file, unix seconds by the file system's clock.
        fields: Everything else that it says.
    """

    kind: str
    path: Path
    created: float
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def after(self) -> str:
        """When to stop: "step" (the default), "epoch" or "now"."""
        after = self.fields.get("after")
        return after if after in AFTER else "step"

    @property
    def reason(self) -> str:
        """Why: "timeout" and "memory" come from the supervisor; empty from a person."""
        reason = self.fields.get("reason")
        return reason[:500] if isinstance(reason, str) else ""


def request(run: RunFolder | Path | str, kind: str, **fields: Any) -> Path:
    """Ask the run for something.

    Args:
        run: The run folder.
        kind: "stop" (with `after`: "step", "epoch" or "now"), "checkpoint", "validate" or "kill".
        **fields: Whatever else belongs to the request, as plain JSON values.

    Returns:
        The request's file; the run removes it when done.

    Raises:
        ValueError: The kind is unknown.
        OSError: The folder cannot be written.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown request {kind!r}; known: {', '.join(KINDS)}")
    folder = _folder(run).control
    folder.mkdir(parents=True, exist_ok=True)
    host = os.uname().nodename
    by = {"host": host, "pid": os.getpid()}
    text = dumps({"v": 1, "kind": kind, "ts": time.time(), "by": by, **fields})
    # The time first, so that names sort in the order of asking; host and pid make them unique.
    stem = f"{time.time_ns():020d}-{_safe(host)}-{os.getpid()}-{next(_counter)}-{kind}"
    temporary = folder / f".{stem}.tmp"
    path = folder / f"{stem}.json"
    try:
        temporary.write_text(text + "\n")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def pending(run: RunFolder | Path | str, since: float | None = None) -> list[Request]:
    """List the open requests, oldest first; garbage is passed over and never raises.

    Of a flood the newest are given.

    Args:
        run: The run folder.
        since: Unix seconds. Requests from before are for an older process of this run: they
            are removed, not answered, and so is garbage from before.
    """
    folder = _folder(run).control
    found: list[Request] = []
    for name in _names(folder):
        path = folder / name
        read = _read(path)
        if since is not None and _is_older(path, since):
            # Garbage goes too: nobody else clears it away, and it would be read again each time.
            _unlink(path)
        elif read is not None:
            found.append(read)
            if len(found) == _MAX_REQUESTS:
                break
    return found[::-1]


def done(request: Request) -> None:
    """Remove a request that has been answered; one that is gone already is fine."""
    _unlink(request.path)


def clear(run: RunFolder | Path | str) -> int:
    """Remove every request, as a new process of the run does before it starts.

    Returns:
        How many files were removed.
    """
    folder = _folder(run).control
    removed = 0
    for name in _names(folder, hidden=True):
        try:
            (folder / name).unlink()
        except OSError:
            continue
        removed += 1
    return removed


class Inbox:
    """The requests of one running process, cheap enough to ask at every step.

    A poll costs one `stat` of the folder; the folder is listed only after a change (and every
    few seconds, for network disks). A request that could not be answered yet stays in the
    folder but is given out once only.

    Args:
        run: The run folder.
        since: Unix seconds when this process started; requests from before are removed now.
            After that no clock is consulted, so a clock that jumps loses no request.
    """

    def __init__(self, run: RunFolder | Path | str, *, since: float | None = None) -> None:
        self._run = _folder(run)
        self._path = str(self._run.control)
        self._stamp: tuple[int, int] | None = None
        self._changed = self._listed = float("-inf")
        self._seen: set[str] = set()
        if since is not None:
            pending(self._run, since)

    def poll(self) -> list[Request]:
        """Give the requests that came since the last poll, oldest first."""
        try:
            info = os.stat(self._path)  # noqa: PTH116 - at every step; a Path costs more
        except OSError:
            return []
        stamp, now = (info.st_mtime_ns, info.st_ino), time.monotonic()
        if stamp != self._stamp:
            self._stamp, self._changed = stamp, now
        elif now - self._changed > _SETTLE_SECONDS and now - self._listed < _RELIST_SECONDS:
            return []
        self._listed = now
        names = _names(self._run.control)
        self._seen.intersection_update(names)
        unseen = [name for name in names if name not in self._seen]
        if len(unseen) > _MAX_REQUESTS:
            # The rest comes with the next polls: a flood costs each step little, and hides nothing.
            self._changed = now
        self._seen.update(unseen[:_MAX_REQUESTS])
        read = [_read(self._run.control / name) for name in unseen[:_MAX_REQUESTS]]
        return [each for each in reversed(read) if each is not None]


def _folder(run: RunFolder | Path | str) -> RunFolder:
    return run if isinstance(run, RunFolder) else RunFolder(Path(run))


def _names(folder: Path, *, hidden: bool = False) -> list[str]:
    """List request files, the newest first; those that are not named as ours come last."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return []
    if hidden:
        return names
    kept = [name for name in names if name.endswith(".json") and not name.startswith(".")]
    return sorted(kept, key=lambda name: (_OURS.match(name) is not None, name), reverse=True)


def _read(path: Path) -> Request | None:
    """Read one request; None for anything that is not one."""
    try:
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode):
            return None
        fields = read_json(path, limit=_MAX_BYTES)
    except (OSError, ValueError):
        return None
    kind = fields.pop("kind", None)
    if kind not in KINDS:
        return None
    return Request(kind=kind, path=path, created=info.st_mtime, fields=fields)


def _is_older(path: Path, since: float) -> bool:
    try:
        return path.lstat().st_mtime < since
    except OSError:
        return False


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _safe(text: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in text)[:40]
