"""The newest event of a kind, read from the end of a stream that may be long."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.events.lines import CHUNK_BYTES, parse_line

#: How far back is looked, in bytes; what lies before is not worth the wait.
FAR_BYTES = 64 << 20


def last_of(
    path: Path | str,
    name: str,
    *,
    far: int = FAR_BYTES,
    fits: Callable[[dict[str, Any]], bool] | None = None,
) -> dict[str, Any] | None:
    """Give the newest event of a name.

    Args:
        path: The events file.
        name: The event's name.
        far: How many bytes from the end are looked at.
        fits: Which of them are meant; all if None.

    Returns:
        The event as `parse_line` gives it; None if there is none, or no such file.
    """
    sought = b'"' + name.encode() + b'"'
    try:
        # O_NONBLOCK: a FIFO lying under that name must not hang the reader.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            end = file.seek(0, os.SEEK_END)
            first = max(0, end - far)
            rest = b""
            while end > first:
                start = max(first, end - CHUNK_BYTES)
                file.seek(start)
                block = file.read(end - start) + rest
                # What stands before the first line break may have begun in the block before.
                rest, _, whole = block.partition(b"\n") if start else (b"", b"", block)
                for line in reversed(whole.split(b"\n")) if sought in whole else ():
                    event = parse_line(line) if sought in line else None
                    if event is None or event["event"] != name:
                        continue
                    if fits is None or fits(event):
                        return event
                if len(rest) > CHUNK_BYTES:
                    rest = b""
                end = start
    except OSError:
        return None
    return None
