"""Watches the folders of runs in a thread, and hands out immutable pictures of the list."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainer.paths import at_home
from trainer.runs.index import RunIndex
from trainer.runs.summary import UNREADABLE, RunSummary, summarise
from tui.clock import Clock
from tui.sources.looking import Looking

#: What live runs tell is read anew this often, in seconds.
_LIVE_SECONDS = 1.0
#: All folders are looked at this often at most; the more there are, the less often.
_LEAST_SECONDS, _MOST_SECONDS = 3.0, 20.0
#: A look at all folders takes at most this share of the time.
_SHARE = 0.002
#: A curve at a glance is read again when its file grew by this factor, or after this long.
_GROWN, _CURVE_SECONDS = 1.05, 10.0
#: For so long at most curves are read before the list is handed out, in seconds.
_CURVES_AT_ONCE = 0.05
_MOST_CURVES = 2000
_METRIC = "train/loss"


@dataclass(frozen=True, slots=True)
class RunsPicture:
    """The list of runs at one moment.

    Attributes:
        version: Counts up whenever anything changed.
        runs: All runs, newest first; a run that did not change is the same object as before.
        curves: The course of the training loss, by run folder, of runs that were in sight.
        problems: What is wrong with the folders of runs, a line each; harmless texts.
        loading: Whether no look has been taken yet.
    """

    version: int = 0
    runs: tuple[RunSummary, ...] = ()
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    loading: bool = True


@dataclass(frozen=True, slots=True)
class _Curve:
    size: int
    stamp: int
    read_at: float
    values: tuple[float, ...]


class RunsSource(Looking):
    """Reads the list of runs in a thread of its own.

    It may be started before the app is, so that the list is there when the screen comes up.

    Args:
        folders: The folders of runs.
        clock: Tells the time.
    """

    def __init__(self, folders: Iterable[Path], clock: Clock) -> None:
        super().__init__("runs")
        self.folders = tuple(dict.fromkeys(at_home(path).absolute() for path in folders))
        self._clock = clock
        self._indexes = [RunIndex(folder) for folder in self.folders]
        #: The newest picture; replaced as a whole, so any thread may read it.
        self.picture = RunsPicture()
        self._known: dict[str, RunSummary] = {}
        self._curves: dict[str, _Curve] = {}
        self._in_sight: tuple[str, ...] = ()
        self._stamps: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._first = threading.Event()
        self._looked, self._cost = float("-inf"), 0.0

    # ── for the screen ───────────────────────────────────────────────────────────────────────

    def wait(self, seconds: float) -> None:
        """Wait for the first picture; to draw an empty list first would take longer than that.

        Args:
            seconds: How long at most.
        """
        if self._thread is not None:
            self._first.wait(seconds)

    def look_at(self, paths: tuple[str, ...]) -> None:
        """Name the runs in sight: for them alone curves are read.

        Args:
            paths: Their folders.
        """
        if paths != self._in_sight:
            self._in_sight = paths
            if any(path not in self._curves for path in paths):
                self._woken.set()

    def step(self) -> bool:
        """Look at everything, in the caller's thread; True if there is a new picture."""
        before = self.picture
        self._look()
        while self._read_curves():
            pass
        return self.picture is not before

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._stopped:
            self._woken.clear()
            more = False
            try:
                more = not self._paused and self._turn()
            except Exception as error:
                # Whatever it is, it is shown; a thread that died would show an old list for ever.
                self._fail(error)
            self._woken.wait(0.0 if more else None if self._paused else _LIVE_SECONDS)

    def _turn(self) -> bool:
        """Look at what may have changed; True if there are more curves to read."""
        awaited, self._awaited = self._awaited, False
        if awaited or self._due() or self._stirred() or not self._look_at_live():
            self._look()
            self._first.set()
        if awaited and self.told is not None:
            self.told()
        return self._read_curves()

    def _fail(self, error: Exception) -> None:
        from trainer.events.text import clean

        problem = clean(f"the runs cannot be listed: {type(error).__name__}: {error}")
        old = self.picture
        if problem not in old.problems:
            problems = (*old.problems, problem)
            self.picture = replace(old, version=old.version + 1, problems=problems, loading=False)
        # The next look at all folders, if it goes well, takes the word back.
        self._looked = float("-inf")
        self._first.set()

    def _due(self) -> bool:
        period = min(_MOST_SECONDS, max(_LEAST_SECONDS, self._cost / _SHARE))
        return self._clock.monotonic() - self._looked >= period

    def _stirred(self) -> bool:
        """Tell whether runs came or went, or one in sight that is over changed: stamps tell."""
        stirred = any(_stamp(folder) != stamp for folder, stamp in self._stamps.items())
        for path in self._in_sight:
            run = self._known.get(path)
            # What lives moves its stamp with each heartbeat, and is read anew in any case.
            if run is not None and not run.live:
                stamp = _stamp(path)
                stirred |= self._seen.setdefault(path, stamp) != stamp
                self._seen[path] = stamp
        return stirred

    def _look(self) -> None:
        """Look at every run folder."""
        began = self._clock.monotonic()
        problems: list[str] = []
        runs: list[RunSummary] = []
        stamps: dict[str, int] = {}
        for index in self._indexes:
            stamps[str(index.runs_dir)] = _stamp(str(index.runs_dir))
            problem = _problem(index.runs_dir)
            if problem:
                problems.append(problem)
                continue
            runs += index.list()
        if len(self._indexes) > 1:
            # Folders may lie in each other; a run is listed once.
            runs = list({run.path: run for run in runs}.values())
            runs.sort(key=lambda run: (run.created, run.id), reverse=True)
        for folder in {run.path[: run.path.rfind("/")] for run in runs}:
            stamps.setdefault(folder, _stamp(folder))
        self._stamps = stamps
        self._looked = self._clock.monotonic()
        self._cost = self._looked - began
        self._publish(runs, tuple(problems))

    def _look_at_live(self) -> bool:
        """Read what live runs tell; False if one of them is gone."""
        fresh: dict[str, RunSummary] = {}
        for run in self.picture.runs:
            if run.live:
                now = summarise(run.path)
                if now.state == UNREADABLE:
                    return False
                fresh[run.path] = now
        if fresh:
            self._publish([fresh.get(run.path, run) for run in self.picture.runs])
        return True

    def _publish(self, runs: list[RunSummary], problems: tuple[str, ...] | None = None) -> None:
        """Hand out a picture, if anything differs from the last one."""
        known = self._known
        for place, run in enumerate(runs):
            before = known.get(run.path)
            if before is not None and before is not run and before == run:
                runs[place] = before
        old = self.picture
        if problems is None:
            problems = old.problems
        same = len(runs) == len(old.runs) and all(map(_is, runs, old.runs))
        if same and problems == old.problems and not old.loading:
            return
        self._known = {run.path: run for run in runs}
        self.picture = replace(
            old, version=old.version + 1, runs=tuple(runs), problems=problems, loading=False
        )

    def _read_curves(self) -> bool:
        """Read curves of runs in sight for a while; True if there are more to read."""
        from tui.sources.glance import glance

        began = self._clock.monotonic()
        fresh: dict[str, tuple[float, ...]] = {}
        more = False
        for path in self._in_sight:
            events = f"{path}/logs/events.jsonl"
            now = self._clock.monotonic()
            if now - began > _CURVES_AT_ONCE:
                more = True
                break
            known = self._curves.get(path)
            try:
                info = os.stat(events)  # noqa: PTH116 - a string is what there is
                if known is not None and not _grown(known, info, now):
                    continue
                values = glance(events, _METRIC)
            except OSError:
                info, values = None, ()
                if known is not None and not known.values:
                    continue
            size, stamp = (info.st_size, info.st_mtime_ns) if info is not None else (-1, 0)
            self._curves[path] = _Curve(size, stamp, now, values)
            if known is None or known.values != values:
                fresh[path] = values
        while len(self._curves) > _MOST_CURVES:
            self._curves.pop(next(iter(self._curves)))
        if fresh:
            old = self.picture
            curves = {path: curve.values for path, curve in self._curves.items()}
            self.picture = replace(old, version=old.version + 1, curves=curves)
            if not more and self.told is not None:
                self.told()
        return more


def _is(a: object, b: object) -> bool:
    return a is b


def _grown(known: _Curve, info: os.stat_result, now: float) -> bool:
    """Tell whether a file has so much new that its curve would look different."""
    if info.st_size == known.size and info.st_mtime_ns == known.stamp:
        return False
    shrunk = info.st_size < known.size
    return shrunk or info.st_size >= known.size * _GROWN or now - known.read_at >= _CURVE_SECONDS


def _stamp(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - called for hundreds of folders
    except OSError:
        return 0


def _problem(folder: Path) -> str:
    """Tell why a folder of runs cannot be listed; empty if it can, or does not exist yet."""
    from trainer.events.text import clean

    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return clean(f"{folder} cannot be read: {error.strerror or error}")
    return ""
