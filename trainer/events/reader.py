"""Reading events from a file as it grows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from trainer.events.lines import Block, parse_block
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

    def take(self, block: Block | None) -> None:
        """Add what a block of lines holds."""
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
                batch.take(source.read())
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
