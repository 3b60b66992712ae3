"""The file end of the writer: whole lines, a bounded backlog for a full disk, honest counts."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections import deque
from pathlib import Path

from trainer.events.encode import encode_event
from trainer.events.schema import LOG

#: What waits for space on a full disk, in bytes; beyond it the oldest quiet lines go first.
BACKLOG_BYTES = 1 << 20

_WRITE_BYTES = 256 << 10
_FIRST_RETRY = 0.25
_SLOWEST_RETRY = 5.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE})

_log = logging.getLogger("trainer.events")


class FileSink:
    """Appends lines to a file and keeps its promises when the disk does not.

    A write that stops in the middle of a line is continued at that very byte, so the file never
    holds two lines run into one.

    Args:
        path: The file; parent folders are made.
        sync: `fdatasync` after each write.
        backlog_bytes: Bound of what is kept while writing fails.

    Raises:
        OSError: The file cannot be made, for another reason than a full or ailing disk.
    """

    def __init__(
        self, path: Path, *, sync: bool = False, backlog_bytes: int = BACKLOG_BYTES
    ) -> None:
        self.dropped = 0
        self._path = path
        self._sync = sync
        self._limit = backlog_bytes
        self._fd: int | None = None
        self._backlog: deque[tuple[bytes, bool]] = deque()
        self._backlog_size = 0
        self._torn = False  # the head of the backlog is the rest of a half-written line
        self._told = 0  # how many of the dropped lines the stream has been told about
        self._failing = False
        self._retry_wait = 0.0
        self._retry_at = 0.0
        try:
            self._open()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._failed(error)

    @property
    def settled(self) -> bool:
        """Whether everything that was handed in and not dropped is on disk."""
        return not self._backlog

    @property
    def retry_in(self) -> float | None:
        """Seconds until writing should be tried again; None when nothing waits."""
        if not self._backlog and self._told == self.dropped:
            return None
        return max(0.01, self._retry_at - time.monotonic())

    def write(self, lines: list[tuple[bytes, bool]]) -> None:
        """Append lines, each with whether it is important; never raises OSError."""
        for line in lines:
            self._backlog.append(line)
            self._backlog_size += len(line[0])
        if not self._failing or time.monotonic() >= self._retry_at or any(i for _, i in lines):
            self._try()
        if self._failing:
            self._shrink()

    def close(self) -> None:
        """Close the file; what could not be written counts as dropped."""
        if self._backlog:
            self._try()
        self.dropped += len(self._backlog)
        self._backlog.clear()
        self._backlog_size = 0
        self._close()

    def reset_after_fork(self) -> None:
        """Forget what the parent process will write itself."""
        self._backlog.clear()
        self._backlog_size = 0
        self._torn = False
        self.dropped = self._told = 0

    def _try(self) -> None:
        try:
            if self._fd is None:
                self._open()
            while self._backlog:
                self._write_some()
            self._recovered()
        except OSError as error:
            self._failed(error)

    def _write_some(self) -> None:
        taken: list[bytes] = []
        size = 0
        for line, _ in self._backlog:
            if taken and size + len(line) > _WRITE_BYTES:
                break
            taken.append(line)
            size += len(line)
        assert self._fd is not None  # opened by _try
        done = os.write(self._fd, b"".join(taken))
        while done > 0:
            line, important = self._backlog[0]
            if done < len(line):
                self._backlog[0] = (line[done:], important)
                self._backlog_size -= done
                self._torn = True
                break
            done -= len(line)
            self._backlog.popleft()
            self._backlog_size -= len(line)
            self._torn = False
        if self._sync:
            os.fdatasync(self._fd)

    def _recovered(self) -> None:
        self._failing = False
        self._retry_wait = 0.0
        lost = self.dropped - self._told
        if lost:
            self._told = self.dropped
            message = f"{lost} event lines were lost: the disk was full or too slow"
            fields = {"ts": time.time(), "level": "warning", "message": message, "dropped": lost}
            line = encode_event(LOG, fields)
            self._backlog.append((line, True))
            self._backlog_size += len(line)
            self._write_some()

    def _failed(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            _log.warning("events cannot be written for now (%s): %s", error.strerror, self._path)
        self._retry_wait = min(_SLOWEST_RETRY, max(_FIRST_RETRY, self._retry_wait * 2))
        self._retry_at = time.monotonic() + self._retry_wait
        if error.errno != errno.ENOSPC and not self._torn:
            self._close()  # a share that came back needs a new handle

    def _shrink(self) -> None:
        """Drop the oldest quiet lines, then the oldest of all; never the rest of a torn one."""
        if self._backlog_size <= self._limit:
            return
        head = [self._backlog.popleft()] if self._torn else []
        for quiet_only in (True, False):
            kept: deque[tuple[bytes, bool]] = deque()
            for line in self._backlog:
                if self._backlog_size > self._limit and not (quiet_only and line[1]):
                    self._backlog_size -= len(line[0])
                    self.dropped += 1
                else:
                    kept.append(line)
            self._backlog = kept
            if self._backlog_size <= self._limit:
                break
        self._backlog.extendleft(head)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o666)
        size = os.fstat(self._fd).st_size
        if size and not self._torn and os.pread(self._fd, 1, size - 1) != b"\n":
            # The last writer died inside a line: what follows must not run into it.
            self._backlog.appendleft((b"\n", True))
            self._backlog_size += 1

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
