"""Waiting for files to change: the system's hints wake us, a slow look at each is the truth.

Hints (inotify and its like) are missed on network disks and can be dropped anywhere, so whoever
waits here looks at the files again after a while in any case.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.events.reader import Batch, EventReader

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

#: Reading a file makes hints as well; only these mean that there is something new.
_TELLING = frozenset({"modified", "created", "moved", "deleted", "closed"})


class Hints:
    """Collects the system's hints about some files.

    Works without them as well: where folders cannot be watched (no such facility, too many
    watches, a network disk) `wait` just sleeps.

    Args:
        paths: Files to watch; they need not exist.
        enabled: False to never use the system's facility.
    """

    def __init__(self, paths: Iterable[str] = (), *, enabled: bool = True) -> None:
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._hinted: set[str] = set()
        self._paths: dict[str, str] = {}  # absolute -> as given
        self._folders: dict[str, Any] = {}
        self._observer: Any = None
        self._enabled = enabled
        for path in paths:
            self.add(path)

    def add(self, path: str | os.PathLike[str]) -> None:
        """Watch one more file."""
        given = os.fspath(path)
        whole = str(Path(given).absolute())
        self._paths[whole] = given
        self._watch(str(Path(whole).parent))

    def discard(self, path: str | os.PathLike[str]) -> None:
        """Watch a file no longer."""
        whole = str(Path(os.fspath(path)).absolute())
        self._paths.pop(whole, None)
        folder = str(Path(whole).parent)
        if any(str(Path(other).parent) == folder for other in self._paths):
            return
        watch = self._folders.pop(folder, None)
        if watch is not None and self._observer is not None:
            self._observer.unschedule(watch)

    def wait(self, timeout: float) -> set[str]:
        """Sleep until a hint comes, at most `timeout` seconds.

        Returns:
            The files hinted at, as they were given; empty after the timeout, when every file
            should be looked at.
        """
        for whole in self._paths:  # folders that did not exist before may exist by now
            folder = str(Path(whole).parent)
            if folder not in self._folders:
                self._watch(folder)
        self._woken.wait(timeout)
        with self._lock:
            self._woken.clear()
            hinted, self._hinted = self._hinted, set()
        return {self._paths[path] for path in hinted if path in self._paths}

    def wake(self) -> None:
        """End a `wait` of another thread."""
        self._woken.set()

    def close(self) -> None:
        """Stop watching."""
        observer, self._observer = self._observer, None
        self._enabled = False
        self._folders.clear()
        if observer is not None:
            observer.stop()
            observer.join(2.0)

    def _watch(self, folder: str) -> None:
        if not self._enabled or folder in self._folders or not Path(folder).is_dir():
            return
        try:
            from watchdog.events import FileSystemEventHandler
            from watchdog.observers import Observer

            if self._observer is None:
                self._observer = Observer()
                self._observer.daemon = True
                self._observer.start()
            handler = FileSystemEventHandler()
            handler.on_any_event = self._note  # type: ignore[method-assign]  # a plain hook
            self._folders[folder] = self._observer.schedule(handler, folder, recursive=False)
        except Exception:
            # Whatever the system's facility lacks, the slow look remains.
            self._enabled = False

    def _note(self, event: FileSystemEvent) -> None:
        if event.event_type not in _TELLING:
            return
        paths = {os.fsdecode(event.src_path), os.fsdecode(event.dest_path or b"")}
        with self._lock:
            hit = {path for path in paths if path in self._paths}
            if hit:
                self._hinted |= hit
                self._woken.set()


def follow(
    reader: EventReader,
    *,
    slowest: float = 1.0,
    quickest: float = 0.1,
    until: Callable[[Batch | None], bool] = lambda _: False,
    hints: bool = True,
) -> Iterator[Batch]:
    """Give batches as a file grows, for as long as the caller wants.

    Args:
        reader: Reads the file.
        slowest: Look at the file at least this often, in seconds, hint or no hint.
        quickest: Look at most this often, so that a burst of lines comes as one batch.
        until: Asked after each batch, and with None after each look that found nothing; true
            ends the iteration.
        hints: Whether to use the system's hints.

    Yields:
        Batches that hold something: events, garbage, a reset, a rotation or an error.
    """
    watch = Hints([reader.path], enabled=hints)
    try:
        while True:
            batch = reader.poll()
            telling = batch.events or batch.garbage or batch.reset or batch.rotated or batch.error
            if telling:
                yield batch
            if until(batch if telling else None):
                return
            if not batch.more:
                looked = time.monotonic()
                watch.wait(slowest)
                time.sleep(max(0.0, quickest - (time.monotonic() - looked)))
    finally:
        watch.close()
