"""The metrics of a run as envelopes of bounded size, exact however long the run is.

A point at a step ends all earlier points of its metric at that step or behind it: the later value
of a step wins, and what lies behind belongs to a branch that was given up. A `run_started` after
which steps go back does so for all metrics at once.

Zooms read the range that they need again from the file, through the byte index, and so are exact at
any depth.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import isfinite

from trainer.events.clock import Clock
from trainer.events.columns import merge
from trainer.events.envelope import BINS, Bins, Envelope, Grid
from trainer.events.fast import RowDecoder
from trainer.events.history import History
from trainer.events.index import ByteIndex
from trainer.events.lines import Block
from trainer.events.replay import Point
from trainer.events.rows import Other, Rows
from trainer.events.source import FileSource
from trainer.events.steps import StepCounter, first_named
from trainer.events.view import RunView

#: One poll reads at most about this much, so that a long history comes in portions.
POLL_BYTES = 8 << 20


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
        self.view = RunView()
        self.version = 0
        self.lines = 0
        self._garbage = 0
        self._decoder = RowDecoder()
        self._history = History(self._size, self._decoder, self._source)
        self._restarted = False

    @property
    def grid(self) -> Grid:
        """The steps of the bins."""
        return self._history.grid

    @property
    def clock(self) -> Clock:
        """When the bins happened."""
        return self._history.clock

    @property
    def index(self) -> ByteIndex:
        """Where in the file the steps lie."""
        return self._history.index

    @property
    def exact(self) -> bool:
        """Whether every value counts that should, and no other."""
        return self._history.exact

    @exact.setter
    def exact(self, exact: bool) -> None:
        self._history.exact = exact

    @property
    def names(self) -> list[str]:
        """Names of the metrics, in order of appearance."""
        return list(self._history.metrics)

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
            self._history.rotate()
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
        for part in self._decoder.parts(block.data, history=self.lines):
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

        As long as nothing changed in it, it is the very same object.

        Raises:
            KeyError: There is no such metric.
        """
        return self._history.whole(name)

    def zoom(self, name: str, start: int, stop: int, bins: int = 512) -> Envelope:
        """Give a picture of the steps from `start` to `stop` (excluded), at most `bins` wide.

        Where the kept bins are too coarse the range is read again from the file.

        Raises:
            KeyError: There is no such metric.
            OSError: The file cannot be read.
        """
        self._history.metrics[name]
        stop = max(stop, start + 1)
        width = -(-(stop - start) // bins)
        if width >= self.grid.width or self._source is None:
            begin = max(0, self.grid.bin(start))
            end = min(self._history.used, self.grid.bin(stop - 1) + 1)
            return self._history.picture(name, begin, max(begin, end))
        grid = Grid(start, width, -(-(stop - start) // width))
        found = Bins(grid.size)
        for steps, values in self._history.replay().points(name, start, stop):
            merge(found, grid, steps, values)
        return found.picture(grid, 0, grid.size, None, exact=self.exact and self.index.exact)

    def points(self, name: str, start: int, stop: int, limit: int = 100_000) -> list[Point]:
        """Give the single points from `start` to `stop` (excluded), with time and epoch.

        Of more than `limit` the last ones are given.

        Raises:
            KeyError: There is no such metric.
            OSError: The file cannot be read.
            ValueError: The series has no file to read them from.
        """
        self._history.metrics[name]
        return self._history.replay().timed_points(name, start, stop, limit)

    def latest(self, name: str) -> tuple[int, float] | None:
        """Give the newest point of a metric as (step, value)."""
        return self._history.metrics[name].newest

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
            self._history.end_behind(step, middle)
            self._restarted = False
        self._add(rows, middle, end)

    def _add(self, rows: Rows, start: int, end: int) -> None:
        step = self._history.add(rows, start, end)
        view = self.view
        view.step = step
        epoch, ts = rows.epochs[-1], rows.ts[-1]
        if isinstance(epoch, (int, float)) and isfinite(epoch):
            view.epoch = float(epoch)
        if isinstance(ts, (int, float)) and isfinite(ts):
            view.ts = float(ts)
