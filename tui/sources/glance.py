"""A curve of a metric at a glance: a few lines from everywhere in the events, never all of them."""

from __future__ import annotations

import os

from trainer.events.lines import metric_values, parse_line

#: Values of a curve at most.
POINTS = 24

_WINDOW = 6 << 10
#: The end of a file holds the newest value, behind logs that may be long.
_TAIL = 32 << 10


def glance(path: str | os.PathLike[str], metric: str, points: int = POINTS) -> tuple[float, ...]:
    """Read a metric at places spread evenly over a file of events.

    Args:
        path: The events file.
        metric: The metric's name.
        points: How many values at most.

    Returns:
        Values in order of their steps; values that a later branch of the run replaced are left
        out as far as they were seen.

    Raises:
        OSError: The file cannot be read.
    """
    quoted = f'"{metric}"'.encode()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        size = os.fstat(descriptor).st_size
        found: list[tuple[int, float]] = []
        if size <= points * _WINDOW:
            every = os.pread(descriptor, size, 0).split(b"\n")
            lines = [line for line in every if quoted in line]
            # Each share of the lines is read backwards, until one has the metric.
            for part in range(points):
                begin, end = part * len(lines) // points, (part + 1) * len(lines) // points
                _take_last(lines[begin:end], metric, quoted, found)
        else:
            for part in range(1, points):
                offset = size * part // points - _WINDOW
                lines = os.pread(descriptor, _WINDOW, offset).split(b"\n")[1:-1]
                _take_last(lines, metric, quoted, found)
            _take_last(
                os.pread(descriptor, _TAIL, size - _TAIL).split(b"\n")[1:-1], metric, quoted, found
            )
    finally:
        os.close(descriptor)
    kept: list[float] = []
    ahead = 1 << 62
    for step, value in reversed(found):
        if step < ahead:
            kept.append(value)
            ahead = step
    return tuple(reversed(kept))


def _take_last(
    lines: list[bytes], metric: str, quoted: bytes, found: list[tuple[int, float]]
) -> None:
    """Add the last value of a metric in some lines, if there is one."""
    for line in reversed(lines):
        # Most lines are passed over without being decoded.
        if quoted not in line:
            continue
        event = parse_line(line)
        if event is None or event.get("event") != "metrics":
            continue
        value = metric_values(event.get("metrics") or {}).get(metric)
        step = event.get("step")
        if value is not None and isinstance(step, int):
            found.append((step, value))
            return
