"""A first picture of a long history at once: a few lines from everywhere, until all are read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from trainer.events.envelope import BINS
from trainer.events.lines import Block
from trainer.events.series import RunSeries

#: Files up to this size are simply read whole, in bytes.
SMALL_BYTES = 2 << 20

_HEAD_BYTES = 64 << 10
_TAIL_BYTES = 24 << 10
_WINDOWS = 256
# A window holds so many lines of the length that they have at the beginning, within bounds.
_WINDOW_LINES = 24
_LEAST_BYTES, _MOST_BYTES = 4 << 10, 64 << 10


def sample(
    path: str | os.PathLike[str],
    *,
    budget: float = 0.2,
    bins: int = BINS,
    clock: Callable[[], float] = time.monotonic,
) -> RunSeries:
    """Draw a long file from its beginning, its end and windows spread evenly between them.

    The grid is the same as that of the complete series of the file, so the columns stay where
    they are when the complete one takes over. Spikes between the windows are missing.

    Args:
        path: The events file.
        budget: Read for at most about this long, in seconds; the widest gaps are filled first.
        bins: As for `RunSeries`.
        clock: Gives seconds; for tests.

    Returns:
        A series that cannot be polled, with `loading` true unless the whole file was read.

    Raises:
        OSError: The file cannot be read.
    """
    deadline = clock() + budget
    series = RunSeries(bins=bins)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        size = os.fstat(fd).st_size
        if size <= SMALL_BYTES:
            data = os.pread(fd, size, 0)
            whole = data[: data.rfind(b"\n") + 1]
            if whole:
                series.feed(Block(0, whole))
            return series
        blocks: dict[int, bytes] = {}
        head = os.pread(fd, _HEAD_BYTES, 0)
        window = _WINDOW_LINES * len(head) // max(1, head.count(b"\n"))
        window = min(_MOST_BYTES, max(_LEAST_BYTES, window))
        for number, (start, length) in enumerate(_windows(size, window)):
            if number > 1 and clock() > deadline:
                break
            data = os.pread(fd, length, start) if start else head
            begin = data.find(b"\n") + 1 if start else 0
            end = data.rfind(b"\n") + 1
            if begin < end:
                blocks[start + begin] = data[begin:end]
    finally:
        os.close(fd)
    reached = 0
    for start in sorted(blocks):
        end = start + len(blocks[start])
        if end > reached:  # windows may overlap; both begin and end with whole lines
            begin = max(start, reached)
            series.feed(Block(begin, blocks[start][begin - start :]))
            reached = end
    series.loading = True
    series.exact = False
    return series


def _windows(size: int, window: int) -> Iterator[tuple[int, int]]:
    """Give (offset, length): beginning, end, middle, quarters, eighths, and so on."""
    yield 0, _HEAD_BYTES
    tail = max(window, _TAIL_BYTES)
    yield size - tail, tail
    parts = 2
    while parts <= _WINDOWS:
        for i in range(1, parts, 2):
            yield size * i // parts, window
        parts *= 2
