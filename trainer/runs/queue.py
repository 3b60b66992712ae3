"""A queue of runs for each device of this machine: first come, first served, and no daemon.

Every waiting run's own supervisor holds a numbered ticket; whoever is first and finds the
device free takes it. Tickets and holdings are files that stay locked as long as their owner
lives, so that the death of any process frees its place by itself. A holding's lock is handed
on to the training process: the device counts as busy while that lives, supervisor or not.
Standard library only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trainer.runs import proc

FOLDER = ".queue"
_PATIENCE = 5.0
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class DeviceQueue:
    """One run's place at the devices that it needs.

    Args:
        runs_dir: The folder of runs; the queue lies in it, apart for each host.
        devices: Device names, such as "cpu" or "cuda:0".
        run_id: Names the run in the queue.

    Raises:
        ValueError: There is no device.
    """

    def __init__(self, runs_dir: Path, devices: Sequence[str], run_id: str) -> None:
        if not devices:
            raise ValueError("a queue needs a device")
        self._root = Path(runs_dir) / FOLDER / _plain(proc.host_name())
        # One order for everybody.
        self._devices = sorted({_plain(device) for device in devices})
        self._id = f"{_plain(run_id)}-{os.getpid()}"
        self._tickets: dict[Path, int] = {}
        self._holdings: dict[Path, int] = {}

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the training process must inherit so that the device stays taken."""
        return tuple(self._holdings.values())

    def take_turn(self) -> str:
        """Stand in line, and take the devices if it is this run's turn; to be asked repeatedly.

        What passes by itself (a full disk, a stopped process that holds the queue's lock) costs
        neither the run nor its place.

        Returns:
            Empty if the devices are ours now, else what stands in the way, for people.

        Raises:
            OSError: The runs folder cannot be written or has no locks.
        """
        try:
            if len(self._tickets) < len(self._devices):
                self.join()
            before = self.try_take()
        except BlockingIOError:
            return "another process holds the queue's lock"
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            return f"the queue cannot be written: {error.strerror}"
        return f"{before} before it" if before else ""

    def join(self) -> None:
        """Take a place at the end of every device's line where there is none yet.

        Raises:
            OSError: The runs folder cannot be written or has no locks.
        """
        with self._exclusive():
            for device in self._devices:
                folder = self._root / device / "wait"
                folder.mkdir(parents=True, exist_ok=True)
                if any(ticket.parent == folder for ticket in self._tickets):
                    continue
                numbers = [int(path.name.partition("-")[0]) for path in _tickets(folder)]
                path = folder / f"{max(numbers, default=0) + 1:012d}-{self._id}"
                self._tickets[path] = _hold(path)

    def try_take(self) -> int:
        """Take the devices if it is this run's turn and they are free.

        Returns:
            0 if they are ours now, else how many runs stand before us (waiting or running) at
            the device where most do.

        Raises:
            OSError: The runs folder cannot be written.
        """
        with self._exclusive():
            before = max(self._before(ticket) for ticket in self._tickets)
            if before == 0:
                self._occupy()
                self._leave(self._tickets)
            return before

    def occupy(self) -> None:
        """Note that a run which does not queue uses the devices, so that others wait for it.

        Raises:
            OSError: The runs folder cannot be written or has no locks.
        """
        with self._exclusive():
            self._occupy()

    def leave(self) -> None:
        """Give up every place; safe to call at any time."""
        self._leave(self._tickets)
        self._leave(self._holdings)

    def _before(self, ticket: Path) -> int:
        """Count the living before one of our tickets, and clear away the dead."""
        earlier = [path for path in _tickets(ticket.parent) if path.name < ticket.name]
        holding = _files(ticket.parent.parent / "hold")
        return sum(_lives(path) for path in [*earlier, *holding])

    def _occupy(self) -> None:
        try:
            for device in self._devices:
                folder = self._root / device / "hold"
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / self._id
                self._holdings[path] = _hold(path)
        except OSError:
            # All or none: half of what it needs would only keep others waiting.
            self._leave(self._holdings)
            raise

    @staticmethod
    def _leave(places: dict[Path, int]) -> None:
        for path, descriptor in places.items():
            try:
                path.unlink(missing_ok=True)
            except OSError:
                # Unlocked it counts as dead; the next look removes it.
                pass
            os.close(descriptor)
        places.clear()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keep others from looking while places change."""
        self._root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            deadline = time.monotonic() + _PATIENCE
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
            yield
        finally:
            os.close(descriptor)


def waiting(runs_dir: Path) -> dict[str, int]:
    """Count the runs that stand in line on this machine, by device."""
    root = Path(runs_dir) / FOLDER / _plain(proc.host_name())
    try:
        devices = [entry for entry in root.iterdir() if entry.is_dir()]
    except OSError:
        return {}
    return {device.name: len(_tickets(device / "wait")) for device in sorted(devices)}


def _hold(path: Path) -> int:
    """Create a file and lock it for as long as the descriptor (or a copy of it) is open."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lives(path: Path) -> bool:
    """Tell whether the owner of a place lives; remove the place if not."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _tickets(folder: Path) -> list[Path]:
    return [path for path in _files(folder) if re.match(r"\d{12}-", path.name)]


def _plain(text: str) -> str:
    """Make a name that is safe as a file name."""
    return re.sub(r"[^A-Za-z0-9:._-]", "_", text)[:100].strip(".") or "_"
