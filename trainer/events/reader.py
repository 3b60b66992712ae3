"""Reading events as they come: from a file that grows, or from a pipe."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Self

from trainer.events.lines import CHUNK_BYTES, Block, LineCutter, parse_block
from trainer.events.schema import MAX_LINE_BYTES
from trainer.events.source import FileSource

#: One poll gives at most about this much of the file, so that a long history comes in portions.
POLL_BYTES = 8 << 20


@dataclass(slots=True)
class Batch:
    """What one poll found.

    Attributes:
        events: Parsed events in file order (see `lines.parse_line` for what is promised of them).
        garbage: Lines that were no events.
        reset: The file was truncated or replaced: forget earlier events, these start anew.
        rotated: The file was moved away and a new one continues the stream.
        more: The end was not reached; poll again without waiting.
        missing: There is no such file (yet, or any more).
        error: Why the file could not be read, if it could not.
        closed: The stream has ended (pipes only).
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    garbage: int = 0
    reset: bool = False
    rotated: bool = False
    more: bool = False
    missing: bool = False
    error: OSError | None = None
    closed: bool = False

    def _add(self, block: Block | None) -> None:
        if block is not None:
            events, garbage = parse_block(block.data)
            self.events += events
            self.garbage += garbage


class EventReader:
    """Reads a growing events file from a byte offset onwards.

    Args:
        path: The file; it need not exist yet.
        offset: Where to begin, in bytes; must be the start of a line.
        keep_open: Keep the file open between polls: nothing is lost when it is rotated away.
            Without, hundreds of readers need no file descriptors.
        max_line: Longer lines are skipped and counted as garbage, in bytes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        offset: int = 0,
        *,
        keep_open: bool = True,
        max_line: int = MAX_LINE_BYTES,
    ) -> None:
        self._source = FileSource(path, offset, keep_open=keep_open, max_line=max_line)

    @property
    def offset(self) -> int:
        """Byte offset of the first line not yet given."""
        return self._source.offset

    @property
    def path(self) -> str:
        """The file that is read."""
        return self._source.path

    def poll(self, max_bytes: int = POLL_BYTES) -> Batch:
        """Give the events that came since the last poll; never blocks, never raises OSError."""
        source = self._source
        change = source.check()
        batch = Batch(
            reset=change.reset, rotated=change.rotated, missing=change.missing, error=change.error
        )
        if not change.data:
            return batch
        garbage = source.garbage
        taken = 0
        try:
            while taken < max_bytes:
                before = source.read_offset
                batch._add(source.read())
                if source.read_offset == before:
                    break
                taken += source.read_offset - before
        except OSError as error:
            batch.error = error
        batch.more = source.more
        batch.garbage += source.garbage - garbage
        source.release()
        return batch

    def close(self) -> None:
        """Close the file; a later poll opens it again."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class StreamReader:
    """Reads events from a pipe, a terminal or a socket: anything that cannot be read twice.

    Args:
        stream: A file descriptor, or a binary file that has one (such as `sys.stdin.buffer`).
        max_line: Longer lines are skipped and counted as garbage, in bytes.
    """

    def __init__(self, stream: int | BinaryIO, *, max_line: int = MAX_LINE_BYTES) -> None:
        self._stream = stream  # keeps a file object alive as long as its descriptor is used
        self._fd = stream if isinstance(stream, int) else stream.fileno()
        self._cutter = LineCutter(max_line=max_line)
        self._closed = False

    @property
    def offset(self) -> int:
        """Bytes that whole lines have taken so far."""
        return self._cutter.line_offset

    def poll(self, timeout: float = 0.0, max_bytes: int = POLL_BYTES) -> Batch:
        """Give the events that are ready.

        Args:
            timeout: How long to wait for a first byte, in seconds.
            max_bytes: Give back at the latest when this much has been read.
        """
        batch = Batch()
        for block in self.blocks(batch, timeout, max_bytes):
            batch._add(block)
        return batch

    def blocks(
        self, batch: Batch, timeout: float = 0.0, max_bytes: int = POLL_BYTES
    ) -> list[Block]:
        """Give the whole lines that are ready, unread; what else was found goes into `batch`."""
        found: list[Block] = []
        if self._closed:
            batch.closed = True
            return found
        garbage = self._cutter.garbage
        start = self._cutter.offset
        deadline = time.monotonic() + timeout
        wait = timeout
        while self._cutter.offset - start < max_bytes:
            try:
                ready, _, _ = select.select([self._fd], [], [], max(0.0, wait))
                if not ready:
                    break
                data = os.read(self._fd, CHUNK_BYTES)
            except BlockingIOError:
                wait = deadline - time.monotonic()
                if wait <= 0:
                    break
                continue
            except OSError as error:
                batch.error = error
                data = b""
            if not data:
                self._closed = batch.closed = True
                last = self._cutter.finish()
                found += [last] if last else []
                break
            block = self._cutter.feed(data)
            if block is not None:
                found.append(block)
            # After a first line there is no reason to wait for the next.
            wait = 0.0 if found else deadline - time.monotonic()
        batch.more = self._cutter.offset - start >= max_bytes
        batch.garbage += self._cutter.garbage - garbage
        return found
