"""Checkpoint files: whole at every instant, written without holding up training.

A file is written under a temporary name, synced and renamed; the link moves to it next, and only
then does the file that it replaces go. A crash between any two of these leaves a whole checkpoint
behind the link. What a save is about to rename and to remove is noted in a small file as long as it
is under way, so that the next start can finish it or take it back, and touches nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

#: Notes what the save under way renames and removes.
NOTE = ".save-under-way.json"


@dataclass(frozen=True)
class Job:
    """One snapshot to be written.

    Attributes:
        names: File names to write it under, e.g. `last-epoch00003.ckpt`; the same bytes for all.
        links: Link name to file name, e.g. `last.ckpt` to `last-epoch00003.ckpt`.
        obsolete: File names that may go once all that is written.
        facts: What the report of the finished job tells.
        keep: File names that belong to the run once all that is written.
    """

    names: tuple[str, ...]
    links: Mapping[str, str]
    obsolete: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    keep: Collection[str] = ()


def _nothing() -> None:
    """Do nothing."""


class CheckpointWriter:
    """Writes snapshots into one folder, one at a time, in a thread of its own.

    Args:
        folder: Where checkpoints lie; made when first needed.
        report: Called in the writing thread with each job and its size in bytes, or its error.
        settle: Called in the writing thread before a checkpoint gets its name. It brings to disk
            what belongs in front of it, so that a run resumed from it has no gap in its curve.
    """

    def __init__(
        self,
        folder: Path,
        report: Callable[[Job, int, Exception | None], None],
        settle: Callable[[], object] = _nothing,
    ) -> None:
        self.folder = folder
        self._report = report
        self._settle = settle
        self._thread: threading.Thread | None = None
        self._failed: _Work | None = None

    def write(
        self,
        snapshot: Mapping[str, Any],
        job: Job,
        *,
        ready: Callable[[], object] = _nothing,
        background: bool = True,
    ) -> None:
        """Write a snapshot, after any that is still being written.

        Args:
            snapshot: Host data that nobody changes any more.
            job: Under which names.
            ready: Waits until the snapshot is whole; called in the writing thread.
            background: Return at once; `join` waits for it.
        """
        self.forget()
        work = _Work(snapshot, job, ready)
        if not background:
            self._run(work)
            return
        # No daemon: the interpreter waits for it, so that the last checkpoint is never torn off.
        self._thread = threading.Thread(target=self._run, args=(work,), name="traindeck-checkpoint")
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failed(self) -> bool:
        """Whether the last snapshot could not be written, and may be tried again."""
        return self._failed is not None

    def forget(self) -> None:
        """Wait until nothing is being written, and let go of what could not be."""
        self.join()
        self._failed = None

    def join(self) -> None:
        """Wait, as long as it takes, until nothing is being written."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
            self._thread = None

    def retry(self) -> bool:
        """Write again, in this thread, what could not be written last; tell whether it was."""
        self.join()
        failed = self._failed
        if failed is None:
            return False
        self.clean()
        self._run(failed)
        return self._failed is None

    def clean(self) -> None:
        """Remove what writers that were killed have left; for folders of a single run only."""
        with contextlib.suppress(OSError):
            for stray in self.folder.glob(".*.ckpt.*.tmp"):
                with contextlib.suppress(OSError):
                    stray.unlink()

    def tidy(self, keep: Collection[str]) -> None:
        """Finish or take back saves that were cut off after their first rename.

        Once one of its links has moved a save counts: the other links follow, and what it was to
        replace goes. Before that, what it had already renamed goes.

        Args:
            keep: Names of files that stay whatever was noted. Those behind links stay too.
        """
        for names, obsolete, wanted in self._noted():
            done = all((self.folder / name).exists() for name in names) and any(
                self._points_to(link) in (name, None) for link, name in wanted.items()
            )
            if done:
                for link, name in wanted.items():
                    if self._points_to(link) != name:
                        self._link(link, name)
            stay = {*keep, *map(self._points_to, (path.name for path in self._found()))}
            for name in obsolete if done else names:
                if name not in stay and Path(name).name == name:
                    with contextlib.suppress(OSError):
                        (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self.folder / NOTE).unlink(missing_ok=True)

    def _run(self, work: _Work) -> None:
        try:
            size = self._put(work)
        except Exception as error:  # whatever it is, training goes on with the old checkpoints
            self._failed = work
            self._report(work.job, 0, error)
        else:
            self._failed = None
            self._report(work.job, size, None)

    def _put(self, work: _Work) -> int:
        job = work.job
        work.ready()
        self.folder.mkdir(parents=True, exist_ok=True)
        first, *others = job.names
        temporaries = {name: self._temporary(name) for name in job.names}
        try:
            size = _save(work.snapshot, temporaries[first])
            for name in others:
                _duplicate(temporaries[first], temporaries[name])
            self._settle()
            self._note(job)
            for name, temporary in temporaries.items():
                temporary.replace(self.folder / name)
        finally:
            for temporary in temporaries.values():
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
        _sync_folder(self.folder)
        for link, name in job.links.items():
            self._link(link, name)
        _sync_folder(self.folder)
        self.tidy({*job.names, *job.keep})
        return size

    def _note(self, job: Job) -> None:
        # Beside the notes of saves that failed half-way in this process. It is not synced: after
        # a power cut there may be a file too many, never one too few.
        notes = [*self._noted(), (job.names, job.obsolete, dict(job.links))]
        with contextlib.suppress(OSError):
            (self.folder / NOTE).write_text(json.dumps(notes), encoding="utf-8")

    def _noted(self) -> list[tuple[list[str], list[str], dict[str, str]]]:
        try:
            text = (self.folder / NOTE).read_text(encoding="utf-8")
            return [
                (list(map(str, names)), list(map(str, obsolete)), dict(links))
                for names, obsolete, links in json.loads(text)
            ]
        except (OSError, ValueError, TypeError):
            return []  # cut off while it was written, before anything was renamed

    def _found(self) -> list[Path]:
        return list(self.folder.glob("*.ckpt"))

    def _points_to(self, link: str) -> str | None:
        """Give what a link points to; itself if it is not there; None if it is a copy."""
        try:
            return str((self.folder / link).readlink())
        except FileNotFoundError:
            return link
        except OSError:  # where links do not exist it may be a copy of anything
            return None

    def _link(self, link: str, name: str) -> None:
        temporary = self._temporary(link)
        temporary.unlink(missing_ok=True)
        try:
            temporary.symlink_to(name)
        except OSError:  # a file system without symbolic links
            _duplicate(self.folder / name, temporary)
        temporary.replace(self.folder / link)

    def _temporary(self, name: str) -> Path:
        return self.folder / f".{name}.{os.getpid()}.tmp"


@dataclass(frozen=True)
class _Work:
    """What a job writes, and how to know that it is there."""

    snapshot: Mapping[str, Any]
    job: Job
    ready: Callable[[], object]


class _Noting:
    """A file for torch to write to that remembers why it could not be written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self._file.flush()


def _save(snapshot: Mapping[str, Any], path: Path) -> int:
    """Write a snapshot to disk and give its size in bytes.

    Raises:
        OSError: The disk refuses: the system's own error, and not what torch makes of it.
    """
    noting: _Noting | None = None
    try:
        with path.open("wb") as file:
            noting = _Noting(file)
            torch.save(snapshot, cast("BinaryIO", noting))
            file.flush()
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size
    except Exception as error:
        if noting is not None and noting.error is not None:
            raise noting.error from error
        raise


def _duplicate(source: Path, target: Path) -> None:
    """Give the same bytes a second name; a copy where hard links do not exist."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        with source.open("rb") as reader, target.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 22)
            writer.flush()
            os.fsync(writer.fileno())


def _sync_folder(folder: Path) -> None:
    # Renames are safe against a power cut only once the folder itself is on disk.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
