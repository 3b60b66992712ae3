"""Checkpoint files: whole at every instant, written without holding up training.

A file is written under a temporary name, synced and renamed; the link moves to it next, and only
then does the file that it replaces go. A crash between any two of these leaves a whole checkpoint
behind the link.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch


@dataclass(frozen=True)
class Job:
    """One snapshot to be written.

    Attributes:
        names: File names to write it under, e.g. `last-epoch00003.ckpt`; the same bytes for all.
        links: Link name to file name, e.g. `last.ckpt` to `last-epoch00003.ckpt`.
        obsolete: File names that may go once all that is written.
        facts: What the report of the finished job tells.
    """

    names: tuple[str, ...]
    links: Mapping[str, str]
    obsolete: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


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
        settle: Callable[[], object] = lambda: None,
    ) -> None:
        self.folder = folder
        self._report = report
        self._settle = settle
        self._thread: threading.Thread | None = None
        self._failed: tuple[Mapping[str, Any], Job] | None = None

    def write(self, snapshot: Mapping[str, Any], job: Job, *, background: bool = True) -> None:
        """Write a snapshot, after any that is still being written.

        Args:
            snapshot: Host data that nobody changes any more.
            job: Under which names.
            background: Return at once; `join` waits for it.
        """
        self.join()
        self._failed = None
        if not background:
            self._run(snapshot, job)
            return
        # No daemon: the interpreter waits for it, so that the last checkpoint is never torn off.
        self._thread = threading.Thread(
            target=self._run, args=(snapshot, job), name="traindeck-checkpoint"
        )
        self._thread.start()

    def join(self) -> None:
        """Wait, as long as it takes, until nothing is being written."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
            self._thread = None

    def retry(self) -> bool:
        """Write again, in this thread, what could not be written last; tell whether all is well."""
        self.join()
        failed = self._failed
        if failed is not None:
            self.clean()
            self._run(*failed)
        return self._failed is None

    def clean(self) -> None:
        """Remove what writers that were killed have left; for folders of a single run only."""
        with contextlib.suppress(OSError):
            for stray in self.folder.glob(".*.ckpt.*.tmp"):
                with contextlib.suppress(OSError):
                    stray.unlink()

    def _run(self, snapshot: Mapping[str, Any], job: Job) -> None:
        try:
            size = self._put(snapshot, job)
        except Exception as error:  # whatever it is, training goes on with the old checkpoints
            self._failed = (snapshot, job)
            self._report(job, 0, error)
        else:
            self._failed = None
            self._report(job, size, None)

    def _put(self, snapshot: Mapping[str, Any], job: Job) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        first, *others = job.names
        temporaries = {name: self._temporary(name) for name in job.names}
        try:
            size = _save(snapshot, temporaries[first])
            for name in others:
                _duplicate(temporaries[first], temporaries[name])
            self._settle()
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
        for name in job.obsolete:
            if name not in job.names:
                with contextlib.suppress(OSError):
                    (self.folder / name).unlink(missing_ok=True)
        return size

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
