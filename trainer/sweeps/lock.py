"""One driver at a time for a sweep: a lock that dies with its holder, and a note of who holds it.

Where the file system has no locks the note decides alone: by pid and start time on this machine, by
the age of its last beat on another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import Problem, RunError
from trainer.runs import control, proc
from trainer.runs.layout import RunFolder, read_json_or_empty, write_json_atomic
from trainer.runs.lock import take
from trainer.runs.status import STALE_SECONDS
from trainer.runs.values import printable

DRIVER = "driver.json"
BEAT = 5.0
"""Seconds between beats."""


@dataclass(frozen=True, slots=True)
class Driver:
    """Who drives a sweep.

    Attributes:
        pid: Its process.
        host: Its machine.
        alive: Whether it still does, as far as can be told from here.
        stopping: Whether it has stopped to launch, and waits for its trials.
    """

    pid: int
    host: str
    alive: bool
    stopping: bool


def driver(path: Path) -> Driver | None:
    """Tell who drives a sweep or drove it last; None if nobody ever did.

    Args:
        path: The sweep's folder.
    """
    record = read_json_or_empty(path / DRIVER)
    pid = record.get("pid")
    if not isinstance(pid, int):
        return None
    return Driver(
        pid,
        printable(str(record.get("host"))),
        _alive(path, record),
        record.get("stopping") is True,
    )


def _alive(path: Path, record: dict[str, Any]) -> bool:
    if record.get("boot_id") == proc.boot_id():
        return proc.is_alive(record.get("pid"), record.get("pid_start"))
    try:
        return abs(time.time() - (path / DRIVER).stat().st_mtime) < STALE_SECONDS
    except OSError:
        return False


class Held:
    """The lock while it is held.

    Args:
        path: The sweep's folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._record = {
            "pid": os.getpid(),
            "pid_start": proc.process_start_time(os.getpid()),
            "boot_id": proc.boot_id(),
            "host": proc.host_name(),
            "since": time.time(),
            "stopping": False,
        }
        self._beaten = 0.0

    def beat(self, *, stopping: bool = False) -> None:
        """Give a sign of life, if it is time for one; a disk that takes none is no reason to end."""
        now = time.monotonic()
        if now - self._beaten < BEAT and self._record["stopping"] == stopping:
            return
        self._beaten = now
        self._record["stopping"] = stopping
        try:
            write_json_atomic(self._path / DRIVER, self._record, sync=False)
        except OSError:
            return


@contextmanager
def hold(path: Path) -> Iterator[Held]:
    """Drive a sweep alone.

    Args:
        path: The sweep's folder.

    Raises:
        RunError: Somebody else drives it, or the folder cannot be written.
    """
    try:
        descriptor = take(RunFolder(path))
    except BlockingIOError:
        raise _taken(path) from None
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        before = driver(path)
        if before is not None and before.alive and before.pid != os.getpid():
            raise _taken(path)
        # What was asked of the driver before us is not for us.
        control.clear(path)
        held = Held(path)
        held.beat()
        try:
            yield held
        finally:
            # Without a disk the note stays, and tells of a process that is gone.
            with suppress(OSError):
                (path / DRIVER).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _taken(path: Path) -> RunError:
    who = driver(path)
    known = f" by process {who.pid} on {who.host}" if who is not None else ""
    return RunError(
        Problem(
            f"the sweep is being driven{known}",
            printable(path.name),
            "Follow it with `traindeck ablate --status`, or stop it with `traindeck ablate --stop`.",
        )
    )
