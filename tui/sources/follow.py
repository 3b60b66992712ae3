"""Follows one run in a thread, and hands out immutable pictures of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from trainer.events.envelope import Envelope
from trainer.events.text import clean
from tui.clock import Clock
from tui.sources.gather import Gatherer
from tui.sources.picture import Picture, Points, Source, Times, Zoom

__all__ = ["Follower", "Picture", "Points", "Source", "Times", "Zoom"]

#: Seconds between two pictures, at least.
QUICKEST = 0.25
#: Seconds between two looks at a run that has ended, and at the status of any.
SLOW = 1.0
#: The same while nobody looks.
RESTING = 3.0
#: After the first look at a long file the screen has so long to show it, in seconds.
SHOWING = 0.1
#: A pipe is left alone for so long after each portion, so that single lines gather, in seconds.
GATHERING = 0.05
#: Drawing, or reading a closer look again, takes at most one part in so many of the time.
SHARE = 20


class Follower:
    """Reads one run in a thread of its own.

    The file is looked at four times a second while the run lives and once a second afterwards: a
    look costs one `stat`, less than the system's hints would when a thousand lines a second come,
    and it works on network disks as well.

    Args:
        source: What to read.
        clock: Tells the time.
        told: Called from the thread when there is a new picture; must return at once.
        quickest: Seconds between two pictures, at least.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        told: Callable[[], None] | None = None,
        quickest: float = QUICKEST,
    ) -> None:
        self.source = source
        self._clock = clock
        self._told = told
        self._quickest = max(QUICKEST, quickest)
        self._gatherer = Gatherer(source)
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopped = False
        self._paused = False
        self._wanted_zoom: Zoom | None = None
        self._zoom: Zoom | None = None
        self._zoom_due = 0.0
        self._wanted_points: Points | None = None
        self._points: Points | None = None
        self._points_due = 0.0
        self._look_due = 0.0
        self._picture_due = 0.0
        #: The newest picture; replaced as a whole, so any thread may read it.
        self.picture = Picture()

    def start(self) -> None:
        """Begin to read in a thread."""
        if self._thread is None and not self._stopped:
            self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread; returns at once."""
        self._stopped = True
        self._wake.set()
        if self._thread is None:
            self._gatherer.close()

    def step(self) -> bool:
        """Read what is new, in the caller's thread; True if there is a new picture. For tests."""
        gatherer = self._gatherer
        gatherer.look()
        gatherer.read()
        while gatherer.more:
            gatherer.read()
        if not self._paused:
            self._answer()
        return self._publish()

    def pause(self, paused: bool) -> None:
        """Rest while nobody looks: events are read on, but no pictures are made."""
        self._paused = paused
        if not paused:
            self._look_due = self._picture_due = 0.0
            self._wake.set()

    def zoom(self, names: tuple[str, ...], start: int, stop: int, bins: int) -> None:
        """Ask for exact envelopes of a range of steps; they come as `zoomed`, read in the thread.

        The newest request counts. What it shows is kept up to date until the next one.

        Args:
            names: The metrics; none to end it.
            start: First step.
            stop: Behind the last step.
            bins: How many bins, at most.
        """
        self._wanted_zoom = Zoom(names, start, stop, max(1, bins)) if names else None
        self._wake.set()

    def points(self, names: tuple[str, ...], start: int, stop: int) -> None:
        """Ask for the single points of a range of steps; they come as `picture.points`.

        The newest request counts. A range of few steps is read again in a few milliseconds.

        Args:
            names: The metrics.
            start: First step.
            stop: Behind the last step.
        """
        self._wanted_points = Points(names, start, stop)
        self._wake.set()

    @property
    def zoomed(self) -> Mapping[str, Envelope]:
        """The envelopes last asked for with `zoom`; empty until they are there."""
        zoom = self.picture.zoom
        return zoom.envelopes if zoom is not None else {}

    # ── the thread ───────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        gatherer = self._gatherer
        self._picture_due = self._clock.monotonic() + self._quickest
        try:
            gatherer.look()
            gatherer.glance()
        except Exception as error:
            self._fail(error)
        while not self._stopped:
            try:
                timeout = self._turn()
            except Exception as error:
                # Whatever it is, it is shown; a thread that died would show an old picture.
                self._fail(error)
                timeout = SLOW
            if timeout:
                self._rest(timeout)
            else:
                time.sleep(0)  # lets the screen have its turn
        gatherer.close()

    def _turn(self) -> float:
        """Do a portion of work; give how long to rest after it, in seconds."""
        gatherer = self._gatherer
        now = self._clock.monotonic()
        if now >= self._look_due:
            gatherer.look()
            self._look_due = now + (RESTING if self._paused else SLOW)
        was_loading = gatherer.loading
        first = self.picture.version == 0
        if first and gatherer.glanced:
            self._publish()
            self._wake.clear()
            self._wake.wait(SHOWING)  # reading the rest takes most of a core for a second
        gatherer.read()
        loaded = was_loading and not gatherer.loading
        answered = not self._paused and self._answer()
        if loaded or answered or now >= self._picture_due or (first and not gatherer.more):
            self._publish()
        if gatherer.more:
            return 0.0
        if self._paused:
            return RESTING
        waits = [self._quickest if gatherer.live else SLOW]
        now = self._clock.monotonic()
        if gatherer.changed:
            waits.append(self._picture_due - now)
        if gatherer.zoom_outdated():
            waits.append(self._zoom_due - now)
        if gatherer.points_outdated():
            waits.append(self._points_due - now)
        return max(0.01, min(waits))

    def _rest(self, timeout: float) -> None:
        if self.source.stream is None or self._gatherer.closed:
            self._wake.wait(timeout)
        else:
            self._wake.wait(GATHERING)
            if not self._wake.is_set():
                self._gatherer.wait(min(timeout, QUICKEST))
        self._wake.clear()

    def _answer(self) -> bool:
        """Take the newest requests; True if there is an answer."""
        gatherer, answered = self._gatherer, False
        wanted = self._wanted_zoom
        now = self._clock.monotonic()
        if wanted is not self._zoom or (now >= self._zoom_due and gatherer.zoom_outdated()):
            self._zoom = wanted
            gatherer.zoom(wanted)
            done = self._clock.monotonic()
            self._zoom_due = done + max(self._quickest, SHARE * (done - now))
            answered = True
        points = self._wanted_points
        fresh = points is not self._points
        late = fresh or (now >= self._points_due and gatherer.points_outdated())
        if points is not None and late and not gatherer.loading:
            self._points = points
            began = self._clock.monotonic()
            gatherer.points(points)
            done = self._clock.monotonic()
            self._points_due = done + max(self._quickest, SHARE * (done - began))
            answered = True
        return answered

    def _publish(self) -> bool:
        """Put up a new picture if anything changed; True if so."""
        gatherer = self._gatherer
        if self._paused or not gatherer.changed:
            return False
        began = self._clock.monotonic()
        self.picture = gatherer.picture(self.picture.version + 1)
        cost = self._clock.monotonic() - began
        self._picture_due = began + max(self._quickest, SHARE * cost)
        self._tell()
        return True

    def _fail(self, error: Exception) -> None:
        problem = clean(f"the run cannot be read: {type(error).__name__}: {error}")
        if problem != self.picture.problem:
            picture = self.picture
            self.picture = replace(picture, version=picture.version + 1, problem=problem)
            self._tell()

    def _tell(self) -> None:
        if self._told is not None:
            with suppress(RuntimeError):  # the app may be gone by now
                self._told()
