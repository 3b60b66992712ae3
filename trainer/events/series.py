"""The metrics of a run as envelopes of bounded size, exact however long the run is.

A point at a step ends all earlier points of its metric at that step or behind it: the later value
of a step wins, and what lies behind belongs to a branch that was given up. A `run_started` after
which steps go back does so for all metrics at once.

Going back empties whole bins; the one bin that is hit in its middle is read again from the file,
through the byte index. So do zooms, which are exact at any depth.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import isfinite
from typing import Any

from trainer.events.clock import Clock, group_by_bin
from trainer.events.columns import (
    Metric,
    SharedBins,
    all_finite,
    merge,
    own_arrays,
    own_points,
)
from trainer.events.envelope import BINS, Bins, Envelope, Grid, use_numpy
from trainer.events.fast import MAX_METRICS, Other, RowDecoder, Rows
from trainer.events.index import ByteIndex, Cut
from trainer.events.lines import Block
from trainer.events.replay import Point, Replay
from trainer.events.source import FileSource
from trainer.events.steps import StepCounter, first_named, rising, survivors
from trainer.events.view import RunView

#: One poll reads at most about this much, so that a long history comes in portions.
POLL_BYTES = 8 << 20

#: Rewinds may make us read again this much, in bytes, and twice the size of the file.
_MEND_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Progress:
    """What one poll of a run did.

    Attributes:
        changed: There is something new to draw.
        reset: The file was truncated or replaced, and everything began anew.
        more: The end was not reached; poll again without waiting.
        missing: There is no such file (yet, or any more).
        offset: Bytes read so far.
        size: Bytes there are.
        error: Why the file could not be read, if it could not.
    """

    changed: bool = False
    reset: bool = False
    more: bool = False
    missing: bool = False
    offset: int = 0
    size: int = 0
    error: OSError | None = None


class RunSeries:
    """Consumes the events of a run and keeps what charts and lists need, in bounded memory.

    Not thread-safe: one thread polls and takes pictures, and hands those to others.

    Args:
        path: The events file; without one, blocks are fed by hand (`feed`), and what would have
            to be read again is only approximate.
        bins: Bins of the envelopes; even. Between half of them and all are in use.
        keep_open: See `EventReader`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        bins: int = BINS,
        keep_open: bool = True,
    ) -> None:
        if bins < 4 or bins % 2:
            raise ValueError(f"bins must be even and at least 4, not {bins}")
        self._size = bins
        self._source = FileSource(path, keep_open=keep_open) if path is not None else None
        self.loading = path is not None
        self._begin()

    def _begin(self) -> None:
        self._mended_bytes = 0
        self.view = RunView()
        self.grid = Grid(size=self._size)
        self.clock = Clock(self._size)
        self.index = ByteIndex()
        self.version = 0
        self.exact = True
        self.lines = 0
        self._garbage = 0
        self._metrics: dict[str, Metric] = {}
        self._decoder = RowDecoder()
        self._steps = StepCounter()
        self._restarted = False
        self._lowest: int | None = None
        self._highest = 0

    @property
    def names(self) -> list[str]:
        """Names of the metrics, in order of appearance."""
        return list(self._metrics)

    @property
    def garbage(self) -> int:
        """Lines that were no events."""
        return self._garbage + self._decoder.garbage

    @property
    def hidden_metrics(self) -> int:
        """How many names of metrics were beyond what is kept."""
        return len(self._decoder.hidden)

    def poll(self, max_bytes: int = POLL_BYTES) -> Progress:
        """Read what is new; never blocks, never raises OSError."""
        source = self._source
        if source is None:
            raise ValueError("a series without a file is fed, not polled")
        change = source.check()
        if change.reset:
            self._begin()
        elif change.rotated:
            # Offsets of the old file mean nothing in the new one.
            self.index = ByteIndex()
            self.index.exact = False
        error = change.error
        version = self.version
        garbage, taken = source.garbage, 0
        try:
            while change.data and taken < max_bytes:
                before = source.read_offset
                block = source.read()
                if source.read_offset == before:
                    break
                taken += source.read_offset - before
                if block is not None:
                    self.feed(block)
        except OSError as problem:
            error = problem
        self._garbage += source.garbage - garbage
        if change.data:
            source.release()
        self.loading = source.more
        return Progress(
            changed=self.version != version or change.reset,
            reset=change.reset,
            more=source.more and error is None,
            missing=change.missing,
            offset=source.offset,
            size=source.size,
            error=error,
        )

    def close(self) -> None:
        """Close the file."""
        if self._source is not None:
            self._source.close()

    def feed(self, block: Block) -> None:
        """Take the next whole lines of the stream."""
        for part in self._decoder.parts(block.data):
            if isinstance(part, Other):
                self.view.add(part.event, part.end - part.start)
                self._restarted |= part.event["event"] == "run_started"
                self.lines += 1
                continue
            start, end = block.start + part.start, block.start + part.end
            self.lines += len(part.steps)
            if self._restarted:
                self._add_restart(part, block, start, end)
            else:
                self._add(part, start, end)
        self.version += 1

    def envelope(self, name: str) -> Envelope:
        """Give a picture of the whole history of a metric.

        Raises:
            KeyError: There is no such metric.
        """
        return self._slice(self._metrics[name], 0, self._used())

    def zoom(self, name: str, start: int, stop: int, bins: int = 512) -> Envelope:
        """Give a picture of the steps from `start` to `stop` (excluded), at most `bins` wide.

        Where the kept bins are too coarse the range is read again from the file.

        Raises:
            KeyError: There is no such metric.
            OSError: The file cannot be read.
        """
        metric = self._metrics[name]
        stop = max(stop, start + 1)
        width = -(-(stop - start) // bins)
        if width >= self.grid.width or self._source is None:
            begin = max(0, self.grid.bin(start))
            end = min(self._used(), self.grid.bin(stop - 1) + 1)
            return self._slice(metric, begin, max(begin, end))
        grid = Grid(start, width, -(-(stop - start) // width))
        found = Bins(grid.size)
        for steps, values in self._replay().points(name, start, stop):
            merge(found, grid, steps, values)
        return found.picture(grid, 0, grid.size, None, exact=self._exact)

    def points(self, name: str, start: int, stop: int, limit: int = 100_000) -> list[Point]:
        """Give the single points from `start` to `stop` (excluded), with time and epoch.

        Raises:
            KeyError: There is no such metric.
            OSError: The file cannot be read.
            ValueError: The series has no file to read them from.
        """
        self._metrics[name]
        if self._source is None:
            raise ValueError("single points are read again from a file, and there is none")
        return self._replay().timed_points(name, start, stop, limit)

    def latest(self, name: str) -> tuple[int, float] | None:
        """Give the newest point of a metric as (step, value)."""
        return self._metrics[name].newest

    def _replay(self, before: int | None = None) -> Replay:
        assert self._source is not None
        return Replay(self._source, self.index, self._decoder, before)

    @property
    def _exact(self) -> bool:
        return self.exact and self.index.exact

    def _used(self) -> int:
        return 0 if self._lowest is None else self.grid.bin(self._highest) + 1

    def _slice(self, metric: Metric, begin: int, end: int) -> Envelope:
        newest = metric.newest
        extra = (self.grid.bin(newest[0]), newest[1]) if newest is not None else None
        return metric.bins.picture(self.grid, begin, end, extra, exact=self.exact)

    def _add_restart(self, rows: Rows, block: Block, start: int, end: int) -> None:
        """Take the first rows of a new segment: its first step ends what lies behind it."""
        place = first_named(rows.steps)
        middle = start
        if place:
            head, rows = rows.split(place, block.data)
            middle = start + head.end - head.start
            self._add(head, start, middle)
        if place is not None:
            step = StepCounter().resolve(rows.steps[:1])[0]
            self._cut_all(step, middle)
            self._restarted = False
        self._add(rows, middle, end)

    def _add(self, rows: Rows, start: int, end: int) -> None:
        carry = self._steps.state
        many = use_numpy(len(rows.steps), self.lines)
        steps: Any
        if many:
            steps = self._steps.resolve_array(rows.steps)
            low, high = int(steps.min()), int(steps.max())
        else:
            steps = self._steps.resolve(rows.steps)
            low, high = min(steps), max(steps)
        self._cover(low, high)
        in_order = rising(steps)
        shared = SharedBins(self.grid, steps) if many and in_order else None
        listed: list[int] | None = None
        ready: list[tuple[Metric, Any, Any]] = []
        odd: list[tuple[Metric, Any, Any]] = []
        for name, (places, values) in rows.columns.items():
            metric = self._metric(name)
            if metric is None:
                continue
            last = metric.last_step
            if in_order and places is None and (last is None or last < low):
                if shared is not None:
                    column = shared.column(values)
                    if column is not None:
                        ready.append((metric, shared, column))
                        continue
                elif all_finite(values):
                    ready.append((metric, steps, values))
                    continue
            own: Any
            kept: Any
            arrays = own_arrays(steps, values) if many and places is None else None
            if arrays is not None:
                own, kept = arrays
                if not rising(own):
                    alive = survivors(own)
                    own, kept = own[alive], kept[alive]
            else:
                if listed is None:
                    listed = steps.tolist() if many else steps
                own, kept = own_points(listed, places, values)
                if not rising(own):
                    alive = survivors(own)
                    own, kept = [own[i] for i in alive], [kept[i] for i in alive]
            if len(own) > 0:
                odd.append((metric, own, kept))
        self._rewind(odd, start)
        for metric, own, kept in ready + odd:
            metric.settle(self.grid)
            if isinstance(own, SharedBins):
                own.merge(metric.bins, kept)
                newest = (high, float(kept[-1]))
            else:
                merge(metric.bins, self.grid, own[:-1], kept[:-1])
                newest = (int(own[-1]), float(kept[-1]))
                if len(own) > 1:
                    metric.merged = int(own[-2])
            if isinstance(own, SharedBins) and len(kept) > 1:
                metric.merged = int(steps[-2])
            metric.newest = newest
            metric.last_step = newest[0]
        if shared is not None:
            groups = shared.groups
        else:
            if listed is None:
                listed = steps.tolist() if many else steps
            groups = group_by_bin(self.grid, listed, low, high)
        self.clock.add(groups, rows.ts, rows.epochs)
        self._note_last(int(steps[-1]), rows)
        self.index.add(start, end, low, high, carry)

    def _note_last(self, step: int, rows: Rows) -> None:
        view = self.view
        view.step = step
        epoch, ts = rows.epochs[-1], rows.ts[-1]
        if isinstance(epoch, (int, float)) and isfinite(epoch):
            view.epoch = float(epoch)
        if isinstance(ts, (int, float)) and isfinite(ts):
            view.ts = float(ts)

    def _metric(self, name: str) -> Metric | None:
        metric = self._metrics.get(name)
        if metric is None and len(self._metrics) < MAX_METRICS:
            metric = self._metrics[name] = Metric(name, self._size)
        return metric

    def _cover(self, low: int, high: int) -> None:
        """Widen the grid until it holds the steps from `low` to `high`."""
        grid = self.grid
        if self._lowest is None:
            grid.start, grid.width = low, 1
            self._lowest, self._highest = low, high
        self._lowest = min(low, self._lowest)
        self._highest = max(high, self._highest)
        missing = -(-(grid.start - low) // grid.width)
        if missing > 0:
            while missing + grid.bin(self._highest) >= grid.size:
                self._fold()
                missing = -(-(grid.start - low) // grid.width)
            for metric in self._metrics.values():
                metric.bins.shift(missing)
            self.clock.shift(missing)
            grid.start -= missing * grid.width
        while grid.bin(self._highest) >= grid.size:
            self._fold()

    def _fold(self) -> None:
        for metric in self._metrics.values():
            metric.bins.fold()
        self.clock.fold()
        self.grid.width *= 2

    def _rewind(self, points: list[tuple[Metric, Any, Any]], start: int) -> None:
        """End what new points go back behind, each for its own metric."""
        hit: dict[int, list[Metric]] = {}
        for metric, steps, _ in points:
            step = int(steps[0])
            if metric.last_step is not None and step <= metric.last_step:
                if step < metric.last_step:
                    self.index.cut(Cut(start, step, metric.name))
                hit.setdefault(step, []).append(metric)
        for step, metrics in hit.items():
            self._end_at(metrics, step, start)
        if hit:
            self._lower_highest([int(steps[-1]) for _, steps, _ in points])

    def _cut_all(self, step: int, start: int) -> None:
        """End every point behind a step, in all metrics."""
        hit = [m for m in self._metrics.values() if m.last_step is not None and m.last_step > step]
        if hit:
            self.index.cut(Cut(start, step, keep=True))
            self._end_at(hit, step + 1, start)
            self._lower_highest([])
            if not any(m.merged is not None for m in self._metrics.values()):
                self._start_grid_anew()
            else:
                self.clock.clear(max(0, self.grid.bin(step) + 1))

    def _lower_highest(self, coming: list[int]) -> None:
        """After a rewind, let the picture end where points end."""
        ends = [m.last_step for m in self._metrics.values() if m.last_step is not None]
        self._highest = max([*ends, *coming], default=self.grid.start)

    def _start_grid_anew(self) -> None:
        """Nothing is left in any bin: bins as narrow as at first serve the new branch better."""
        for metric in self._metrics.values():
            metric.bins = Bins(self._size)
        self.clock = Clock(self._size)
        kept = [m.newest[0] for m in self._metrics.values() if m.newest is not None]
        self._lowest = None
        self.grid.start, self.grid.width = 0, 1
        if kept:
            self._cover(min(kept), max(kept))

    def _end_at(self, metrics: list[Metric], step: int, before: int) -> None:
        """Take out the points at `step` and behind; read a bin hit in its middle again."""
        grid = self.grid
        b = grid.bin(step)
        inside = grid.start + b * grid.width < step
        torn: list[Metric] = []
        for metric in metrics:
            if metric.newest is not None and metric.newest[0] >= step:
                metric.newest = None
            metric.last_step = None if metric.last_step is None else min(metric.last_step, step - 1)
            if metric.merged is None or metric.merged < step:
                continue
            metric.merged = step - 1
            if b >= 0:
                metric.bins.clear(b + 1, grid.size)
            else:
                metric.bins.clear(0, grid.size)
            if b >= 0 and not metric.bins.empty(b):
                if inside:
                    torn.append(metric)
                else:
                    metric.bins.clear(b, b + 1)
            if step <= grid.start:
                metric.merged = metric.last_step = None
        if torn:
            self._mend(torn, b, step, before)

    def _mend(self, metrics: list[Metric], b: int, step: int, before: int) -> None:
        """Fill a bin anew with what it holds below a step."""
        if self._source is None or not self.index.exact:
            self.exact = False
            return
        grid = self.grid
        begin = grid.start + b * grid.width
        self._mended_bytes += sum(
            entry.end - entry.start for entry in self.index.overlapping(begin, step, before)
        )
        if self._mended_bytes > _MEND_BYTES + 2 * before:
            self.exact = False  # steps jump to and fro all the time: better coarse than never done
            return
        try:
            found = self._replay(before).several({m.name for m in metrics}, begin, step)
        except OSError:
            self.exact = False
            return
        for metric in metrics:
            metric.bins.clear(b, b + 1)
            steps, values = found.get(metric.name, ([], []))
            metric.bins.points(grid, steps, values)
