"""What the processes of a run print: the end of a file that may be huge, and more of it on demand.

One thread at a time calls `poll` and `back`; the pages that they give may go anywhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from trainer.runs.layout import open_regular
from tui.text import clean

#: How much is read at first, and each time that more of the beginning is asked for.
PAGE_BYTES = 256 << 10
#: How much is read at most at a time when the file has grown; what lies between is left out.
GROWN_BYTES = 1 << 20
#: So much is kept; beyond it the oldest lines go.
KEPT_BYTES = 16 << 20
KEPT_LINES = 100_000
_LINE_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Page:
    """The lines read so far.

    Attributes:
        lines: Harmless text, without line breaks.
        before: Bytes of the file that lie before them.
        size: Bytes of the file.
        moved: How many lines stand before those of the page before that did not then; fewer than
            0 if some have gone; None if these are other lines altogether.
        problem: Why the file cannot be read; empty if it can.
        missing: Whether there is no such file.
    """

    lines: tuple[str, ...] = ()
    before: int = 0
    size: int = 0
    moved: int | None = None
    problem: str = ""
    missing: bool = False


class OutputFile:
    """Reads a growing file from its end.

    Args:
        path: The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.page = Page()
        self._forget()

    def _forget(self) -> None:
        self._inode = -1
        self._start = self._end = 0
        self._lines: list[tuple[str, int]] = []
        self._open = b""

    def poll(self) -> bool:
        """Read what is new; True if there is a new page."""
        try:
            file = open_regular(self._path)
        except FileNotFoundError:
            return self._fail("", missing=True)
        except (OSError, ValueError) as error:
            return self._fail(clean(str(getattr(error, "strerror", None) or error)))
        try:
            return self._read(file)
        except OSError as error:
            return self._fail(clean(str(error.strerror or error)))
        finally:
            os.close(file)

    def back(self) -> bool:
        """Read more of what lies before; True if there is a new page."""
        if not self._start or sum(size for _, size in self._lines) >= KEPT_BYTES:
            return False
        begin = max(0, self._start - PAGE_BYTES)
        try:
            file = open_regular(self._path)
        except (OSError, ValueError):
            return False
        try:
            if os.fstat(file).st_ino != self._inode:
                return False
            data = os.pread(file, self._start - begin, begin)
        except OSError:
            return False
        finally:
            os.close(file)
        if len(data) < self._start - begin:
            return False
        if begin:
            cut = data.find(b"\n") + 1
            # A line longer than a page is given in pieces.
            begin += cut
            data = data[cut:]
        older = _lines(data)
        self._start = begin
        self._lines[:0] = older
        return self._give(len(older))

    def _read(self, file: int) -> bool:
        info = os.fstat(file)
        size = info.st_size
        fresh = info.st_ino != self._inode or size < self._end
        if fresh:
            self._forget()
            self._inode = info.st_ino
        elif size == self._end and not self.page.problem and not self.page.missing:
            return False
        begin = self._end
        if fresh or size - begin > GROWN_BYTES:
            begin = max(0, size - PAGE_BYTES)
            self._lines, self._open, fresh = [], b"", True
        data = os.pread(file, size - begin, begin)
        self._end = begin + len(data)
        if fresh:
            cut = data.find(b"\n") + 1 if begin else 0
            self._start = begin + cut
            data = data[cut:]
        whole, _, self._open = (self._open + data).rpartition(b"\n")
        if len(self._open) > PAGE_BYTES:
            # A progress bar, or no text at all: what it shows now is enough.
            self._open = self._open[-_LINE_BYTES:]
        if whole:
            self._lines += _lines(whole + b"\n")
        dropped = 0
        if len(self._lines) > KEPT_LINES:
            dropped = len(self._lines) - KEPT_LINES
            self._start += sum(size for _, size in self._lines[:dropped])
            del self._lines[:dropped]
        return self._give(None if fresh else -dropped)

    def _give(self, moved: int | None) -> bool:
        lines = [text for text, _ in self._lines]
        if self._open:
            lines.append(_text(self._open))
        self.page = Page(tuple(lines), self._start, self._end, moved)
        return True

    def _fail(self, problem: str, missing: bool = False) -> bool:
        if (self.page.problem, self.page.missing) == (problem, missing):
            return False
        self._forget()
        self.page = Page(problem=problem, missing=missing)
        return True


def _lines(data: bytes) -> list[tuple[str, int]]:
    """Cut whole lines apart: the text of each, and how many bytes it takes in the file."""
    return [(_text(raw), len(raw) + 1) for raw in data.removesuffix(b"\n").split(b"\n")]


def _text(raw: bytes) -> str:
    """Give a line as a terminal would leave it: of a progress bar what it showed last."""
    raw = raw.rstrip(b"\r")
    raw = raw[raw.rfind(b"\r") + 1 :]
    long = len(raw) > _LINE_BYTES
    text = raw[:_LINE_BYTES].decode("utf-8", "replace").expandtabs(4)
    return clean(text) + (" ..." if long else "")
