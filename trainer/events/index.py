"""Where in the file which steps lie, coarsely: enough to read again just the range of a zoom."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

#: Lines are gathered into entries of at least this size, in bytes.
ENTRY_BYTES = 256 << 10

#: Beyond this many entries neighbours are joined, so memory stays bounded.
MAX_ENTRIES = 4096

#: Beyond this many remembered rewinds the oldest is forgotten, and the index no longer exact.
MAX_CUTS = 4096


@dataclass(frozen=True, slots=True)
class Cut:
    """A rewind: earlier points at or behind a step no longer count.

    Attributes:
        offset: Points of lines before this byte are concerned.
        step: The step gone back to.
        name: The metric concerned; None for all.
        keep: Whether points exactly at `step` stay.
    """

    offset: int
    step: int
    name: str | None = None
    keep: bool = False

    @property
    def first_dead(self) -> int:
        """The lowest step whose earlier points no longer count."""
        return self.step + self.keep


@dataclass(frozen=True, slots=True)
class Entry:
    """A range of bytes and the steps in it.

    Attributes:
        start: Offset of the first byte.
        end: Offset behind the last byte.
        low: Lowest step.
        high: Highest step.
        carry: State of `StepCounter` before the first line.
    """

    start: int
    end: int
    low: int
    high: int
    carry: tuple[int, bool]


class ByteIndex:
    """A bounded list of entries in file order, and the rewinds between them.

    Attributes:
        exact: Whether every rewind is still remembered.
    """

    def __init__(self) -> None:
        self.exact = True
        self.cuts: list[Cut] = []
        self._start = array("q")
        self._end = array("q")
        self._low = array("q")
        self._high = array("q")
        self._carry = array("q")
        self._named = array("b")
        self._entry_bytes = ENTRY_BYTES

    def __len__(self) -> int:
        return len(self._start)

    def add(self, start: int, end: int, low: int, high: int, carry: tuple[int, bool]) -> None:
        """Note that the bytes from `start` to `end` hold the steps from `low` to `high`."""
        if self._start and end - self._start[-1] <= self._entry_bytes:
            self._end[-1] = end
            self._low[-1] = min(low, self._low[-1])
            self._high[-1] = max(high, self._high[-1])
            return
        if len(self._start) >= MAX_ENTRIES:
            self._join()
        self._start.append(start)
        self._end.append(end)
        self._low.append(low)
        self._high.append(high)
        self._carry.append(carry[0])
        self._named.append(carry[1])

    def cut(self, cut: Cut) -> None:
        """Note a rewind; earlier ones that it covers are forgotten."""
        if self.cuts:
            self.cuts = [
                old
                for old in self.cuts
                if old.first_dead < cut.first_dead or cut.name not in (None, old.name)
            ]
        self.cuts.append(cut)
        if len(self.cuts) > MAX_CUTS:
            del self.cuts[0]
            self.exact = False

    def overlapping(self, low: int, high: int, before: int) -> Iterator[Entry]:
        """Give the entries that may hold steps in [low, high) and begin before a byte offset."""
        for i in range(len(self._start)):
            if self._start[i] >= before:
                break
            if self._low[i] < high and self._high[i] >= low:
                end = min(self._end[i], before)
                carry = (self._carry[i], bool(self._named[i]))
                yield Entry(self._start[i], end, self._low[i], self._high[i], carry)

    def _join(self) -> None:
        self._start = self._start[0::2]
        self._end = self._end[1::2]
        self._low = array("q", map(min, self._low[0::2], self._low[1::2]))
        self._high = array("q", map(max, self._high[0::2], self._high[1::2]))
        self._carry = self._carry[0::2]
        self._named = self._named[0::2]
        self._entry_bytes *= 2
