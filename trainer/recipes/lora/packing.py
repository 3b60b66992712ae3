"""Which samples go into one row."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from heapq import heappop, heappush


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
    free: dict[int, list[int]] = {}  # room left: rows, a heap
    rooms: list[int] = []  # keys of the above, sorted; no more than there are lengths
    for item in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        at = bisect_left(rooms, lengths[item])
        if at == len(rooms):
            left, row = room, len(rows)
            rows.append([])
        else:
            left = rooms[at]
            row = heappop(free[left])
            if not free[left]:
                del free[left], rooms[at]
        rows[row].append(item)
        left -= lengths[item]
        if left not in free:
            free[left] = []
            insort(rooms, left)
        heappush(free[left], row)
    return sorted((sorted(row) for row in rows), key=lambda row: row[0])
