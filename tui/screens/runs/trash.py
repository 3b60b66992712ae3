"""What was deleted and can still come back: each time for a minute, or until the app leaves."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import RunError
from trainer.runs.summary import RunSummary

if TYPE_CHECKING:
    from trainer.runs.aside import Aside

#: For so long a deletion can be undone, in seconds.
UNDO_SECONDS = 60.0
#: Adding up what would go takes at most so long, in seconds.
_SIZE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went.

    Attributes:
        names: Of the runs with which it was done.
        problems: Why it was not done with others.
    """

    names: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Trash:
    """Runs that were set aside by this app.

    Args:
        folders: The folders of runs.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        # Runs are put in and taken out in threads, and expire on the screen's clock.
        self._lock = threading.Lock()
        #: When each can be undone no longer, and what lies aside, by its name.
        self._batches: list[tuple[float, list[tuple[str, Aside]]]] = []

    def __bool__(self) -> bool:
        return bool(self._batches)

    def put(self, runs: Sequence[RunSummary], now: float) -> Outcome:
        """Set runs aside; takes as long as the disk does.

        Args:
            runs: Runs that are over.
            now: Monotonic seconds.
        """
        from trainer.runs.aside import set_aside

        batch: list[tuple[str, Aside]] = []
        names: list[str] = []
        problems: list[str] = []
        for run in runs:
            try:
                batch.append((run.name, set_aside(run.folder, self._folder_of(run))))
                names.append(run.name)
            except RunError as error:
                problems.append(str(error))
        if batch:
            with self._lock:
                self._batches.append((now + UNDO_SECONDS, batch))
        return Outcome(tuple(names), tuple(problems))

    def undo(self) -> Outcome:
        """Put the last ones back; takes as long as the disk does."""
        from trainer.runs.aside import put_back

        with self._lock:
            if not self._batches:
                return Outcome()
            _, batch = self._batches.pop()
        names: list[str] = []
        problems: list[str] = []
        for name, aside in batch:
            try:
                put_back(aside)
                names.append(name)
            except RunError as error:
                problems.append(str(error))
        return Outcome(tuple(names), tuple(problems))

    def expire(self, now: float) -> None:
        """Remove for good, in a thread, what can be undone no longer.

        Args:
            now: Monotonic seconds; infinity for everything.
        """
        with self._lock:
            over = [aside for end, batch in self._batches if end <= now for _, aside in batch]
            self._batches = [pair for pair in self._batches if pair[0] > now]
        if not over:
            return
        from trainer.runs.aside import purge

        def remove() -> None:
            for aside in over:
                purge(aside)

        # Not a daemon: the process stays until all is gone, with the terminal given back already.
        threading.Thread(target=remove, name="purge").start()

    def sweep(self) -> None:
        """Remove what crashes left behind, a day later; takes as long as the disk does."""
        from trainer.runs.aside import purge_leftovers

        for folder in self._folders:
            purge_leftovers(folder)

    def _folder_of(self, run: RunSummary) -> Path:
        path = Path(run.path)
        inside = [folder for folder in self._folders if path.is_relative_to(folder)]
        return max(inside, key=lambda folder: len(folder.parts), default=path.parent)


def sizes(runs: Iterable[RunSummary]) -> tuple[int, bool]:
    """Add up the bytes of run folders; tells also whether that is all of them.

    It gives up after half a second: what is said is then "more than".
    """
    deadline = time.monotonic() + _SIZE_SECONDS
    total = 0
    for run in runs:
        for folder, _, files in os.walk(run.path):
            for name in files:
                try:
                    total += os.lstat(f"{folder}/{name}").st_size
                except OSError:
                    continue
            if time.monotonic() > deadline:
                return total, False
    return total, True
