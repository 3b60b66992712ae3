"""How figures are written for people: one way on every line, list and screen."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number(value: float) -> str:
    """Write a metric in at most about seven characters: 0.4123, 1.2e-05, 812, NaN."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return f"{value:.2e}"
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:.4g}"


def count(value: int) -> str:
    """Write a whole number with its thousands set apart by a blank: 3 550."""
    return f"{value:,}".replace(",", " ")


def duration(seconds: float) -> str:
    """Write a duration as 0:42, 12:05 or 3:04:05."""
    total = max(0, round(seconds))
    hours, rest = divmod(total, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def age(seconds: float) -> str:
    """Write how long ago something was, in one unit: 42s, 7m, 3h, 2d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def size(bytes_: float) -> str:
    """Write a number of bytes: 123 B, 4.1 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if bytes_ < 1000:
            whole = unit == "B" or bytes_ >= 10
            return f"{bytes_:.0f} {unit}" if whole else f"{bytes_:.1f} {unit}"
        bytes_ /= 1000
    return f"{bytes_:.1f} TB"


def plural(number_of: int, noun: str) -> str:
    """Write a count with its noun: 1 run, 2 runs."""
    return f"{number_of} {noun}" if number_of == 1 else f"{number_of} {noun}s"


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Put rows in columns, two blanks apart, by the cells that the texts take.

    Args:
        rows: The texts; as many in each row.
        right: Indexes of the columns to align at the right.
    """
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        parts = []
        for i, cell in enumerate(row):
            padding = " " * (widths[i] - cell_len(cell))
            parts.append(padding + cell if i in right else cell + padding)
        lines.append("  ".join(parts).rstrip())
    return lines
