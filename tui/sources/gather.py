"""Gathers what one run says, a portion at a time, and draws pictures of it; no threads here."""

from __future__ import annotations

import select
from collections.abc import Mapping
from typing import Any, TypeVar

from trainer.events.foreign import StreamReader
from trainer.events.reader import Batch
from trainer.events.replay import Point
from trainer.events.sample import SMALL_BYTES, sample
from trainer.events.schema import ALERT, CHECKPOINT, LOG, RUN_STARTED
from trainer.events.series import RunSeries
from trainer.events.text import clean
from trainer.runs.status import Progress
from tui.sources.facts import Facts, stamp_of
from tui.sources.picture import Picture, Points, Source, Times, Zoom

#: One portion is read in some ten milliseconds, so that keys are answered in between.
PORTION_BYTES = 1 << 20

#: How long the first look at a long file may read, in seconds.
GLANCE_SECONDS = 0.1

#: Single points given at most, of each metric: those that come last.
MAX_POINTS = 10_000

_NOTHING: Mapping[str, Any] = {}
_T = TypeVar("_T")


class Gatherer:
    """Reads one run for one thread.

    Args:
        source: What to read.

    Attributes:
        more: The end was not reached; read on without waiting.
        changed: There is something new since the last picture.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.more = True
        self.changed = True
        self._series = RunSeries(source.events)
        self._sampled: RunSeries | None = None
        self._stream = StreamReader(source.stream) if source.stream is not None else None
        self._era = 0
        self._facts = Facts(source.run) if source.run is not None else None
        self._garbage = 0
        self._read = 0.0
        self._written: float | None = None
        self._missing = self._closed = False
        self._problem = ""
        self._zoom: Zoom | None = None
        self._zoom_of: _Moment = (0, 0, None, 0)
        self._points: Points | None = None
        self._points_of: _Moment = (0, 0, None, 0)
        self._last = Picture()
        self._last_of: tuple[int, int] | None = None

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    @property
    def live(self) -> bool:
        """Whether more is to be expected soon."""
        status = self._facts.status if self._facts is not None else None
        if status is not None:
            return not status.terminal
        return not self._closed and self._series.view.finished is None

    @property
    def loading(self) -> bool:
        """Whether the history is still being read."""
        return self._series.loading

    @property
    def glanced(self) -> bool:
        """Whether there is a first look at a long file to show."""
        return self._sampled is not None

    @property
    def closed(self) -> bool:
        """Whether the pipe has ended."""
        return self._closed

    def look(self) -> None:
        """Look at the run's status and identity."""
        if self._facts is not None and self._facts.look():
            self.changed = True

    def glance(self) -> None:
        """Take a first look at a long file, from its beginning to its end."""
        path = self.source.events
        if path is None:
            return
        try:
            if path.stat().st_size > SMALL_BYTES and path.is_file():
                self._sampled = sample(path, budget=GLANCE_SECONDS)
                self._era += 1
                self.changed = True
        except OSError:
            pass  # reading tells what is wrong

    def read(self) -> None:
        """Read the next portion."""
        if self._stream is not None:
            self._read_stream(self._stream)
        else:
            self._read_file()

    def wait(self, timeout: float) -> None:
        """Wait for a pipe to have something, at most so many seconds."""
        if self.source.stream is not None and not self._closed:
            select.select([self.source.stream], [], [], timeout)

    def close(self) -> None:
        """Close the file; a pipe belongs to who opened it."""
        self._series.close()

    def _read_file(self) -> None:
        progress = self._series.poll(PORTION_BYTES)
        self.more = progress.more
        if progress.reset:
            self._era += 1
            self._sampled = None
            if progress.more:
                self.glance()
        if self._sampled is not None and not self._series.loading:
            self._era += 1
            self._sampled = None
        problem = ""
        if progress.error is not None:
            problem = f"the events cannot be read: {progress.error.strerror or progress.error}"
        elif progress.missing and self._series.lines:
            problem = "the events file is gone; this is what was read of it"
        read = progress.offset / progress.size if progress.size else 0.0
        if self._facts is None and self.source.events is not None:
            stamp = stamp_of(self.source.events)
            self._note(False, _written=stamp[2] / 1e9 if stamp is not None else None)
        self._note(progress.changed, _read=read, _missing=progress.missing, _problem=clean(problem))

    def _read_stream(self, stream: StreamReader) -> None:
        batch = Batch()
        blocks = stream.blocks(batch, 0.0, PORTION_BYTES)
        for block in blocks:
            self._series.feed(block)
        self.more = batch.more
        self._garbage += batch.garbage
        problem = self._problem
        if batch.error is not None:
            problem = clean(f"the pipe cannot be read: {batch.error.strerror or batch.error}")
        self._note(bool(blocks), _read=1.0, _closed=batch.closed, _problem=problem)

    def _note(self, changed: bool, **facts: object) -> None:
        for name, value in facts.items():
            if getattr(self, name) != value:
                setattr(self, name, value)
                changed = True
        self.changed |= changed

    # ── closer looks ─────────────────────────────────────────────────────────────────────────

    def zoom(self, wanted: Zoom | None) -> None:
        """Look closer at a range of steps; None to end it."""
        self._zoom = None
        self.changed = True
        if wanted is None:
            return
        series = self._shown
        known = set(series.names)
        envelopes = {}
        for name in wanted.names:
            if name in known:
                try:
                    envelopes[name] = series.zoom(name, wanted.start, wanted.stop, wanted.bins)
                except OSError as error:
                    self._problem = clean(f"the events cannot be read: {error.strerror or error}")
                    break
        self._zoom = Zoom(wanted.names, wanted.start, wanted.stop, wanted.bins, envelopes)
        self._zoom_of = self._moment()

    def zoom_outdated(self) -> bool:
        """Whether something has come that a closer look should show."""
        return self._zoom is not None and self._outdated(self._zoom_of, self._zoom.stop)

    def points_outdated(self) -> bool:
        """Whether something has come that may have replaced the single points."""
        if self._points is None or self.source.events is None:
            return False
        return self._outdated(self._points_of, self._points.stop)

    def _outdated(self, of: _Moment, stop: int) -> bool:
        era, version, step, starts = of
        now = self._moment()
        if era != now[0]:
            return True
        if version == now[1]:
            return False
        # What lies behind the range does not concern it, unless the run went back.
        beyond = step is not None and now[2] is not None and now[2] >= step >= stop
        return starts != now[3] or not beyond

    def points(self, wanted: Points) -> None:
        """Look up the single points of a range of steps."""
        known = set(self._series.names)
        values: dict[str, tuple[Point, ...]] = {}
        if self.source.events is not None:
            for name in wanted.names:
                if name in known:
                    try:
                        found = self._series.points(name, wanted.start, wanted.stop, MAX_POINTS)
                    except OSError:
                        break
                    values[name] = tuple(found)
        self._points = Points(wanted.names, wanted.start, wanted.stop, values)
        self._points_of = self._moment()
        self.changed = True

    def _moment(self) -> _Moment:
        view = self._shown.view
        return self._era, self._shown.version, view.step, view.segments

    # ── pictures ─────────────────────────────────────────────────────────────────────────────

    @property
    def _shown(self) -> RunSeries:
        return self._sampled or self._series

    def picture(self, version: int) -> Picture:
        """Draw what is known now."""
        facts = self._facts
        status = facts.status if facts is not None else None
        last = self._last
        series = self._shown
        view = series.view
        drawn = (self._era, series.version)
        fresh = drawn != self._last_of
        progress = status.progress if status is not None else Progress()
        starts = self._events(last.starts, RUN_STARTED)
        units, goals = last.units, last.goals
        if starts is not last.starts:
            units = {name: info.unit for name, info in view.metrics.items() if info.unit}
            goals = {name: info.goal for name, info in view.metrics.items() if info.goal}
        loading = self._series.loading
        self._last = Picture(
            version=version,
            status=status,
            identity=facts.identity if facts is not None else _NOTHING,
            names=_same(last.names, tuple(series.names)) if fresh else last.names,
            latest=_same(last.latest, _latest(series)) if fresh else last.latest,
            envelopes=self._envelopes() if fresh else last.envelopes,
            times=_times(series) if fresh else last.times,
            units=units,
            goals=goals,
            step=view.step if view.step is not None else progress.step,
            epoch=view.epoch if view.epoch is not None else progress.epoch,
            total_steps=_first(view.total_steps, progress.total_steps),
            total_epochs=_first(view.total_epochs, progress.total_epochs),
            started=view.started or _NOTHING,
            finished=view.finished or _NOTHING,
            logs=self._events(last.logs, LOG),
            alerts=self._events(last.alerts, ALERT),
            checkpoints=self._events(last.checkpoints, CHECKPOINT),
            starts=starts,
            others=self._events(last.others, ""),
            counts=_same(last.counts, dict(view.counts)) if fresh else last.counts,
            garbage=series.garbage + self._garbage,
            loading=loading,
            exact=series.exact and not loading and self._sampled is None,
            read=self._read,
            written=self._written,
            problem=self._problem,
            closed=self._closed,
            missing=self._missing,
            hidden=series.hidden_metrics,
            zoom=self._zoom,
            points=self._points,
        )
        self._last_of = drawn
        self.changed = False
        return self._last

    def _events(
        self, last: tuple[Mapping[str, Any], ...], kind: str
    ) -> tuple[Mapping[str, Any], ...]:
        """Give the kept events of a kind; the same tuple again if none came."""
        view = self._shown.view
        kept = view.events.get(kind, ())
        if not kept:
            return last if not last else ()
        # The checkpoints have older ones besides, which change only with the newest.
        if len(last) >= len(kept) and kept[-1] is last[-1] and kept[0] is last[-len(kept)]:
            return last
        return tuple(view.of(kind))

    def _envelopes(self) -> Mapping[str, Any]:
        series, last = self._shown, self._last.envelopes
        found = {name: series.envelope(name) for name in series.names}
        if len(found) == len(last) and all(last.get(n) is e for n, e in found.items()):
            return last
        return found


#: Era, version of the series, last step, segments: whether anything came is seen from these.
_Moment = tuple[int, int, int | None, int]


def _same(old: _T, new: _T) -> _T:
    """Give the old object if the new one equals it."""
    return old if old == new else new


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _latest(series: RunSeries) -> dict[str, tuple[int, float]]:
    """Give the newest point of each metric; after a restart that of the bins that stayed."""
    found = {}
    for name in series.names:
        point = series.latest(name)
        if point is None:
            envelope = series.envelope(name)
            for b in range(len(envelope) - 1, -1, -1):
                if envelope.count[b]:
                    point = (envelope.start + (b + 1) * envelope.width - 1, envelope.last[b])
                    break
        if point is not None:
            found[name] = point
    return found


def _times(series: RunSeries) -> Times | None:
    names = series.names
    if not names:
        return None
    grid, clock = series.grid, series.clock
    used = len(series.envelope(names[0]))
    return Times(
        grid.start,
        grid.width,
        tuple(clock.ts_first[:used]),
        tuple(clock.ts_last[:used]),
        tuple(clock.epoch_first[:used]),
        tuple(clock.epoch_last[:used]),
    )
