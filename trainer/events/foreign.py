"""Events that do not come from a run's own file: so far, from a pipe."""

from __future__ import annotations

import os
import select
import time
from typing import BinaryIO

from trainer.events.lines import CHUNK_BYTES, Block, LineCutter
from trainer.events.reader import POLL_BYTES, Batch
from trainer.events.schema import MAX_LINE_BYTES


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
            batch.take(block)
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
