"""The bins of all metrics of a run on one grid: adding points, widening, and going back.

A point at a step ends all earlier points of its metric at that step or behind it. That empties
whole bins; the one bin that is hit in its middle is read again from the file, through the byte
index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.events.clock import Clock, group_by_bin
from trainer.events.columns import Metric, Points, Sheaf, Shown, merge, own_points, sheaves
from trainer.events.envelope import BINS, Bins, Envelope, Grid
from trainer.events.fast import MAX_METRICS, RowDecoder
from trainer.events.index import ByteIndex, Cut
from trainer.events.replay import Replay
from trainer.events.rows import Rows, Table
from trainer.events.source import FileSource
from trainer.events.steps import StepCounter, rising, survivors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Rewinds may make us read again this much, in bytes, and twice the size of the file.
_MEND_BYTES = 64 << 20


class History:
    """Metrics over steps, in bounded memory.

    Args:
        bins: Bins of the envelopes; even.
        decoder: What knows the names of the metrics.
        source: The file that the rows come from, if it can be read again.

    Attributes:
        grid: The steps of the bins.
        clock: When the bins happened.
        index: Where in the file the steps lie.
        exact: Whether every value counts that should, and no other.
        metrics: By name, in order of appearance.
    """

    def __init__(
        self, bins: int = BINS, decoder: RowDecoder | None = None, source: FileSource | None = None
    ) -> None:
        self.grid = Grid(size=bins)
        self.clock = Clock(bins)
        self.index = ByteIndex()
        self.exact = True
        self.metrics: dict[str, Metric] = {}
        self._size = bins
        self._decoder = decoder or RowDecoder()
        self._source = source
        self._steps = StepCounter()
        self._lowest: int | None = None
        self._highest = 0
        self._mended_bytes = 0

    @property
    def used(self) -> int:
        """How many bins of the grid are in use."""
        return 0 if self._lowest is None else self.grid.bin(self._highest) + 1

    def picture(self, name: str, begin: int, end: int) -> Envelope:
        """Give the bins of a metric from `begin` to `end`, the latter excluded.

        Raises:
            KeyError: There is no such metric.
        """
        metric = self.metrics[name]
        newest = metric.newest
        extra = (self.grid.bin(newest[0]), newest[1]) if newest is not None else None
        return metric.bins.picture(self.grid, begin, end, extra, exact=self.exact)

    def whole(self, name: str) -> Envelope:
        """Give all bins of a metric: the same picture again as long as nothing changed in it.

        Raises:
            KeyError: There is no such metric.
        """
        metric = self.metrics[name]
        used = self.used
        base = (self.grid.start, self.grid.width, used, self.exact, metric.merged)
        shown = metric.shown
        if shown is None or shown.newest is not metric.newest or shown.base != base:
            shown = metric.shown = Shown(metric.newest, base, self.picture(name, 0, used))
        return shown.envelope

    def replay(self, before: int | None = None) -> Replay:
        """Give what reads ranges of steps again.

        Args:
            before: Look only at lines before this byte offset.

        Raises:
            ValueError: There is no file.
        """
        if self._source is None:
            raise ValueError("single points are read again from a file, and there is none")
        return Replay(self._source, self.index, self._decoder, before)

    def rotate(self) -> None:
        """Go on with another file: offsets of the old one mean nothing in it."""
        self.index = ByteIndex()
        self.index.exact = False

    def add(self, rows: Rows, start: int, end: int) -> int:
        """Take rows that lie from one byte offset to another; give the step of the last one."""
        carry = self._steps.state
        steps: Any
        if rows.table is not None:
            steps = self._steps.resolve_array(rows.steps)
            low, high = int(steps.min()), int(steps.max())
        else:
            steps = self._steps.resolve(rows.steps)
            low, high = min(steps), max(steps)
        self._cover(low, high)
        if rows.table is not None:
            ready, odd = self._from_table(rows.table, steps)
        else:
            ready, odd = [], self._from_columns(rows, steps)
        self._rewind(odd, start, [int(sheaf.steps[-1]) for sheaf in ready])
        for sheaf in ready:
            sheaf.merge(self.grid)
        for metric, own, kept in odd:
            metric.settle(self.grid)
            merge(metric.bins, self.grid, own[:-1], kept[:-1])
            if len(own) > 1:
                metric.merged = int(own[-2])
            metric.last_step = int(own[-1])
            metric.newest = (metric.last_step, float(kept[-1]))
        self.clock.add(group_by_bin(self.grid, steps, low, high), rows.ts, rows.epochs)
        self.index.add(start, end, low, high, carry)
        return int(steps[-1])

    def _from_table(
        self, table: Table, steps: NDArray[np.int64]
    ) -> tuple[list[Sheaf], list[Points]]:
        """Sort points into those that follow what is there, all finite, and others."""
        import numpy as np

        ready: list[Sheaf] = []
        odd: list[Points] = []
        for names, own, values in sheaves(table, steps):
            metrics = [self._metric(name) for name in names]
            first = int(own[0])
            kept = []
            all_finite: Any = np.isfinite(values).all(axis=1)
            for i, (metric, finite) in enumerate(zip(metrics, all_finite, strict=True)):
                if metric is None:
                    continue
                if finite and (metric.last_step is None or metric.last_step < first):
                    kept.append(i)
                else:
                    odd.append((metric, own, values[i]))
            if len(kept) == len(metrics):
                ready.append(Sheaf([m for m in metrics if m is not None], own, values))
            elif kept:
                chosen = [m for i in kept if (m := metrics[i]) is not None]
                ready.append(Sheaf(chosen, own, values[kept]))
        return ready, odd

    def _from_columns(self, rows: Rows, steps: list[int]) -> list[Points]:
        found: list[Points] = []
        for name, (places, values) in rows.columns.items():
            metric = self._metric(name)
            if metric is None:
                continue
            own, kept = own_points(steps, places, values)
            if not rising(own):
                alive = survivors(own)
                own, kept = [own[i] for i in alive], [kept[i] for i in alive]
            if own:
                found.append((metric, own, kept))
        return found

    def end_behind(self, step: int, start: int) -> None:
        """End every point behind a step, in all metrics: the run went back to it.

        Args:
            step: Points at it stay.
            start: Byte offset of the line that goes back.
        """
        hit = [m for m in self.metrics.values() if m.last_step is not None and m.last_step > step]
        if hit:
            self.index.cut(Cut(start, step, keep=True))
            self._end_at(hit, step + 1, start)
            self._lower_highest([])
            if not any(m.merged is not None for m in self.metrics.values()):
                self._start_grid_anew()
            else:
                # A bin that begins with this step has no line of before the restart any more.
                self.clock.clear(max(0, self.grid.bin(step - 1) + 1))

    def _metric(self, name: str) -> Metric | None:
        metric = self.metrics.get(name)
        if metric is None and len(self.metrics) < MAX_METRICS:
            metric = self.metrics[name] = Metric(name, self._size)
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
            for metric in self.metrics.values():
                metric.bins.shift(missing)
            self.clock.shift(missing)
            grid.start -= missing * grid.width
        while grid.bin(self._highest) >= grid.size:
            self._fold()

    def _fold(self) -> None:
        for metric in self.metrics.values():
            metric.bins.fold()
        self.clock.fold()
        self.grid.width *= 2

    def _rewind(self, points: list[Points], start: int, others: list[int]) -> None:
        """End what new points go back behind, each for its own metric.

        Args:
            points: The new points.
            start: Byte offset of their first line.
            others: Last steps of points that come with them and go back behind nothing.
        """
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
            self._lower_highest([*others, *(int(steps[-1]) for _, steps, _ in points)])

    def _lower_highest(self, coming: list[int]) -> None:
        """After a rewind, let the picture end where points end."""
        ends = [m.last_step for m in self.metrics.values() if m.last_step is not None]
        self._highest = max([*ends, *coming], default=self.grid.start)

    def _start_grid_anew(self) -> None:
        """Nothing is left in any bin: bins as narrow as at first serve the new branch better."""
        for metric in self.metrics.values():
            metric.bins = Bins(self._size)
        self.clock = Clock(self._size)
        kept = [m.newest[0] for m in self.metrics.values() if m.newest is not None]
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
            found = self.replay(before).several({m.name for m in metrics}, begin, step)
        except OSError:
            self.exact = False
            return
        for metric in metrics:
            metric.bins.clear(b, b + 1)
            steps, values = found.get(metric.name, ([], []))
            metric.bins.points(grid, steps, values)
