"""Reading a range of steps again from the file, with every rewind in its place."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from trainer.events.fast import RowDecoder
from trainer.events.index import ByteIndex, Cut
from trainer.events.lines import MAX_STEP, number
from trainer.events.rows import Rows, finite_or_mark
from trainer.events.source import FileSource
from trainer.events.steps import StepCounter, rising, survivors


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric.

    Attributes:
        step: Its step.
        value: The value; may be NaN or infinite.
        ts: Unix seconds, if the line has them.
        epoch: Epoch, if the line has one.
    """

    step: int
    value: float
    ts: float | None = None
    epoch: float | None = None


@dataclass(slots=True)
class _Alive:
    """Points of a metric that no later line has ended so far, in rising order of steps."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    times: list[tuple[Any, Any]] = field(default_factory=list)

    def end_at(self, step: int) -> None:
        """Drop the points at a step and behind."""
        if self.steps and self.steps[-1] >= step:
            keep = bisect_left(self.steps, step)
            del self.steps[keep:], self.values[keep:], self.times[keep:]

    def take(self, below: int) -> _Alive:
        """Give, and forget, the points below a step."""
        cut = bisect_left(self.steps, below)
        taken = _Alive(self.steps[:cut], self.values[:cut], self.times[:cut])
        del self.steps[:cut], self.values[:cut], self.times[:cut]
        return taken

    def between(self, low: int, high: int) -> tuple[list[int], list[float], list[tuple[Any, Any]]]:
        """Give the points with steps in [low, high)."""
        begin, end = bisect_left(self.steps, low), bisect_left(self.steps, high)
        return self.steps[begin:end], self.values[begin:end], self.times[begin:end]


class Replay:
    """Reads ranges of a file again.

    Args:
        source: The file.
        index: Where its steps lie.
        decoder: What knows the names in it.
        before: Look only at lines before this byte offset; None for all.
    """

    def __init__(
        self, source: FileSource, index: ByteIndex, decoder: RowDecoder, before: int | None = None
    ) -> None:
        self._source = source
        self._index = index
        self._decoder = decoder
        self._before = before if before is not None else 1 << 62

    def points(self, name: str, low: int, high: int) -> Iterator[tuple[list[int], list[float]]]:
        """Give the points of a metric in portions, rising: (steps, values)."""
        for alive in self._portions({name}, low, high, timed=False):
            found = alive.get(name)
            if found is not None:
                steps, values, _ = found.between(low, high)
                if steps:
                    yield steps, values

    def several(
        self, names: Collection[str], low: int, high: int
    ) -> dict[str, tuple[list[int], list[float]]]:
        """Give the points of some metrics, all at once."""
        result: dict[str, tuple[list[int], list[float]]] = {name: ([], []) for name in names}
        for alive in self._portions(names, low, high, timed=False):
            for name, found in alive.items():
                steps, values, _ = found.between(low, high)
                result[name][0].extend(steps)
                result[name][1].extend(values)
        return result

    def timed_points(self, name: str, low: int, high: int, limit: int) -> list[Point]:
        """Give single points with time and epoch; of more than `limit` the last ones."""
        points: deque[Point] = deque(maxlen=limit)
        for alive in self._portions({name}, low, high, timed=True):
            found = alive.get(name)
            if found is None:
                continue
            for step, value, (ts, epoch) in zip(*found.between(low, high), strict=True):
                points.append(Point(step, value, _known(ts), _known(epoch)))
        return list(points)

    def _portions(
        self, names: Collection[str], low: int, high: int, *, timed: bool
    ) -> Iterator[dict[str, _Alive]]:
        pieces = self._pieces(names, low, high)
        # What lies below everything that still comes can no longer be ended.
        floors = [MAX_STEP + 1] * (len(pieces) + 1)
        for i in range(len(pieces) - 1, -1, -1):
            piece = pieces[i]
            least = piece.first_dead if isinstance(piece, Cut) else piece.low
            floors[i] = min(least, floors[i + 1])
        alive: dict[str, _Alive] = {name: _Alive() for name in names}
        counter = StepCounter()
        for i, piece in enumerate(pieces):
            if isinstance(piece, Cut):
                for name, found in alive.items():
                    if piece.name is None or piece.name == name:
                        found.end_at(piece.first_dead)
                continue
            if piece.carry is not None:
                counter = StepCounter(piece.carry)
            self._read(piece, names, alive, counter, timed=timed)
            yield {name: found.take(floors[i + 1]) for name, found in alive.items()}
        yield alive

    def _pieces(self, names: Collection[str], low: int, high: int) -> list[_Range | Cut]:
        """Lay out what is to be read and the rewinds in between, in file order."""
        entries = list(self._index.overlapping(low, high, self._before))
        cuts = [
            cut
            for cut in self._index.cuts
            if cut.offset <= self._before and (cut.name is None or cut.name in names)
        ]
        pieces: list[_Range | Cut] = []
        next_cut = 0
        for entry in entries:
            start = entry.start
            carry: tuple[int, bool] | None = entry.carry
            while next_cut < len(cuts) and cuts[next_cut].offset < entry.end:
                cut = cuts[next_cut]
                if cut.offset > start:
                    pieces.append(_Range(start, cut.offset, entry.low, carry))
                    start, carry = cut.offset, None
                pieces.append(cut)
                next_cut += 1
            pieces.append(_Range(start, entry.end, entry.low, carry))
        pieces += cuts[next_cut:]
        return pieces

    def _read(
        self,
        piece: _Range,
        names: Collection[str],
        alive: dict[str, _Alive],
        counter: StepCounter,
        *,
        timed: bool,
    ) -> None:
        data = self._source.read_range(piece.start, piece.end)
        garbage = self._decoder.garbage
        for part in self._decoder.parts(data, names):
            if isinstance(part, Rows):
                self._take(part, names, alive, counter, timed=timed)
        self._decoder.garbage = garbage  # counted when they were read first

    def _take(
        self,
        rows: Rows,
        names: Collection[str],
        alive: dict[str, _Alive],
        counter: StepCounter,
        *,
        timed: bool,
    ) -> None:
        steps = counter.resolve(rows.steps)
        for name in names:
            if name not in rows.columns:
                continue
            places, raw = rows.columns[name]
            kept = [
                (place, value)
                for place, value in zip(
                    range(len(steps)) if places is None else places,
                    map(finite_or_mark, raw),
                    strict=True,
                )
                if value is not None
            ]
            own = [steps[place] for place, _ in kept]
            if not own:
                continue
            if not rising(own):
                chosen = survivors(own)
                own, kept = [own[i] for i in chosen], [kept[i] for i in chosen]
            found = alive[name]
            found.end_at(own[0])
            found.steps += own
            found.values += [value for _, value in kept]
            if timed:
                found.times += [(rows.ts[place], rows.epochs[place]) for place, _ in kept]
            else:
                found.times += [(None, None)] * len(own)


@dataclass(frozen=True, slots=True)
class _Range:
    """Bytes to read, the lowest step in them, and the state of the step counter if it is known."""

    start: int
    end: int
    low: int
    carry: tuple[int, bool] | None


def _known(value: object) -> float | None:
    found = number(value)
    return found if found is not None and found == found else None  # noqa: PLR0124 - NaN
