"""Which samples go into one row."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence


def packs(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Put items into as few rows as best-fit-decreasing finds.

    The longest come first, each into the row that it fills best; rows are given in the order of
    their first items. The same lengths give the same rows.

    Args:
        lengths: Of the items, none longer than `room`.
        room: Of a row.

    Returns:
        The numbers of the items in each row.
    """
    rows: list[list[int]] = []
    free: list[tuple[int, int]] = []  # room left and row, sorted
    for item in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        at = bisect_left(free, (lengths[item], -1))
        if at == len(free):
            left, row = room, len(rows)
            rows.append([])
        else:
            left, row = free.pop(at)
        rows[row].append(item)
        insort(free, (left - lengths[item], row))
    return sorted((sorted(row) for row in rows), key=lambda row: row[0])
