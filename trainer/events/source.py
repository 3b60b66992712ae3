"""A file that grows, is cut short, replaced or rotated, given as blocks of whole lines."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from trainer.events.lines import CHUNK_BYTES, Block, LineCutter
from trainer.events.schema import MAX_LINE_BYTES

_SEAM_BYTES = 64


@dataclass(frozen=True, slots=True)
class Change:
    """What a look at the file found.

    Attributes:
        data: There may be something to read.
        reset: The file was truncated or replaced; reading starts again from its beginning.
        rotated: The file was moved away; reading goes on at the beginning of the new one.
        missing: There is no file.
        error: Why the file cannot be looked at.
    """

    data: bool = False
    reset: bool = False
    rotated: bool = False
    missing: bool = False
    error: OSError | None = None


NOTHING = Change()
DATA = Change(data=True)


class FileSource:
    """Follows one path; a look at an unchanged file costs one `stat`.

    The file is known by its inode, and its content by a seam: the bytes just before the place
    where reading stopped. So a file cut short and grown again beyond that place is noticed, and a
    longer copy of the same file put in its place (as rsync does) is simply read on.

    Args:
        path: The file; it need not exist.
        offset: Where to begin, in bytes.
        keep_open: Keep the descriptor between reads.
        max_line: Longer lines are skipped and counted in `garbage`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        offset: int = 0,
        *,
        keep_open: bool = True,
        max_line: int = MAX_LINE_BYTES,
    ) -> None:
        self.path = os.fspath(path)
        self.size = 0
        self.garbage = 0
        self._keep_open = keep_open
        self._max_line = max_line
        self._cutter = LineCutter(offset, max_line=max_line)
        self._seam = b""
        self._fd: int | None = None
        self._file: tuple[int, int] | None = None
        self._seen: tuple[int, int, int, int] | None = None

    @property
    def offset(self) -> int:
        """Offset of the first line not yet given."""
        return self._cutter.line_offset

    @property
    def read_offset(self) -> int:
        """Offset behind the last byte read."""
        return self._cutter.offset

    @property
    def more(self) -> bool:
        """Whether the last look saw bytes that are not read yet."""
        return self._cutter.offset < self.size

    def check(self) -> Change:
        """Look at the file; after it, `read` gives what is new."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - half the cost of Path.stat, and hot
        except FileNotFoundError:
            return self._gone()
        except OSError as error:
            return Change(error=error)
        seen = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if seen == self._seen:
            return DATA if self.more else NOTHING
        if not stat.S_ISREG(found.st_mode):
            return Change(error=OSError(errno.EINVAL, "not a regular file", self.path))
        try:
            change = self._follow(found)
        except FileNotFoundError:
            return self._gone()
        except OSError as error:
            self.close()
            return Change(error=error)
        return change

    def read(self, size: int = CHUNK_BYTES) -> Block | None:
        """Read the next bytes; give the whole lines among them, or None if there is none.

        Raises:
            OSError: The file cannot be read.
        """
        data = os.pread(self._open(), size, self._cutter.offset)
        if not data:
            self.size = min(self.size, self._cutter.offset)
            return None
        self._seam = (self._seam + data[-_SEAM_BYTES:])[-_SEAM_BYTES:]
        garbage = self._cutter.garbage
        block = self._cutter.feed(data)
        self.garbage += self._cutter.garbage - garbage
        return block

    def read_range(self, start: int, end: int) -> bytes:
        """Read bytes that were given before, for a closer look; fewer if the file shrank.

        Raises:
            OSError: The file cannot be read.
        """
        parts = []
        fd = self._open()
        while start < end:
            part = os.pread(fd, min(end - start, 4 << 20), start)
            if not part:
                break
            parts.append(part)
            start += len(part)
        self.release()
        return b"".join(parts)

    def release(self) -> None:
        """Give the descriptor back unless it is to be kept."""
        if not self._keep_open:
            self.close()

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __del__(self) -> None:
        self.close()

    def _open(self) -> int:
        if self._fd is None:
            # A path that turned into a FIFO between the look and now must not block us.
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        return self._fd

    def _gone(self) -> Change:
        """Nothing lies at the path; what a file moved away still holds is read to its end."""
        self._seen = None
        if self._fd is not None:
            self.size = os.fstat(self._fd).st_size
            return Change(data=self.more, missing=True)
        return Change(missing=True)

    def _follow(self, found: os.stat_result) -> Change:
        identity = (found.st_dev, found.st_ino)
        if self._file is None or identity == self._file:
            first = self._file is None
            self._file = identity
            whole = found.st_size >= self._cutter.offset
            if whole and (first or self._seam_holds(self._open())):
                return self._at(found, DATA)
            self._restart()
            return self._at(found, Change(data=True, reset=True))
        return self._switch(found, identity)

    def _switch(self, found: os.stat_result, identity: tuple[int, int]) -> Change:
        """Another file lies at the path: the same one longer, its successor, or something else."""
        moved_away = False
        if self._fd is not None:
            old = os.fstat(self._fd)
            moved_away = old.st_nlink > 0
            if moved_away and old.st_size > self._cutter.offset:
                self.size = old.st_size
                return DATA  # first what the old file still holds; the next look comes back here
            self.close()
        self._file = identity
        if found.st_size >= self._cutter.offset and self._seam_holds(self._open()):
            return self._at(found, DATA)
        self._restart()
        return self._at(found, Change(data=True, rotated=moved_away, reset=not moved_away))

    def _seam_holds(self, fd: int) -> bool:
        if not self._seam:
            return True
        start = self._cutter.offset - len(self._seam)
        return os.pread(fd, len(self._seam), start) == self._seam

    def _restart(self) -> None:
        self.close()
        self._cutter = LineCutter(max_line=self._max_line)
        self._seam = b""

    def _at(self, found: os.stat_result, change: Change) -> Change:
        self._seen = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        self.size = found.st_size
        return change
