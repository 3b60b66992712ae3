"""How the trials of a sweep fare, read from their run folders and remembered between looks."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from trainer.runs.layout import RUN_JSON, STATUS, read_json, read_json_or_empty
from trainer.runs.status import State, Status, read_status
from trainer.sweeps.best import Best
from trainer.sweeps.kinds import Goal
from trainer.sweeps.trial import Lowered, Trial

Waiting = Literal["waiting"]
WAITING: Waiting = "waiting"
PARENT, PARENT_TRIAL = "sweep", "trial"
"""The fields of `parent` in a trial's `run.json`."""

FAILED = frozenset({State.FAILED, State.OUT_OF_MEMORY})
"""Trials that went wrong by themselves; a resume takes them up only if it is asked to."""
INTERRUPTED = frozenset({State.STOPPED, State.KILLED, State.LOST})
"""Trials that somebody or something ended; a resume goes on with them."""
ENDED = frozenset({State.COMPLETED, State.TIMEOUT})
"""Trials that are done: to the end, or to the limit of time that their config gives them."""

# As in the index of runs: what changed this shortly ago may change again in the same tick.
_SETTLE_NS = 2_000_000_000


@dataclass(frozen=True)
class TrialState:
    """One trial as it stands.

    Attributes:
        number: Counted from 1.
        name: Its run's name.
        factors: What varies, with its values here.
        seed: Its seed, if the sweep repeats with seeds.
        run: Its run folder; None if it has not begun.
        state: The run's state, or "waiting".
        reason: Why it ended or waits.
        step: Optimiser steps done.
        epoch: Epochs, counted from 0.
        progress: The share done, 0 to 1.
        metrics_last: The last value of each metric.
        metrics_best: The best value so far of the metric that trials are compared by; empty if
            there is none yet.
        best_step: The step of that.
        started: When its process started, unix seconds.
        ended: When it ended; None while it lives.
        seconds: Time trained in all attempts so far.
        attempt: How many times it was started.
        remaining: Seconds left at its recent rate; None if unknown.
        clamped: What `--clamp` changes in it.
        stands_for: The factors of trials that clamping has made the same as this one.
    """

    number: int
    name: str
    factors: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    run: Path | None = None
    state: State | Waiting = WAITING
    reason: str = ""
    step: int | None = None
    epoch: int | None = None
    progress: float = 0.0
    metrics_last: dict[str, float] = field(default_factory=dict)
    metrics_best: dict[str, float] = field(default_factory=dict)
    best_step: int | None = None
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    attempt: int = 1
    remaining: float | None = None
    clamped: tuple[Lowered, ...] = ()
    stands_for: tuple[dict[str, Any], ...] = ()

    @property
    def live(self) -> bool:
        """Whether its run waits in a queue, starts, runs or stops."""
        return self.state is not WAITING and not self.over

    @property
    def over(self) -> bool:
        """Whether its run has ended, however it did."""
        return self.state in FAILED or self.state in INTERRUPTED or self.state in ENDED

    @property
    def done(self) -> bool:
        """Whether it has trained to its end; one that failed or was stopped has not."""
        return self.state in ENDED

    @property
    def run_id(self) -> str:
        """The id of its run, by the folder's name; empty if it has not begun."""
        return "" if self.run is None else self.run.name.rpartition("-")[2]


class Trials:
    """Finds the runs of a sweep and reads their states, each no more often than it changes.

    Args:
        path: The sweep's folder: its trials lie in that day's folder or a later one.
        sweep_id: What its runs name as their parent.
        planned: The trials as planned.
        metric: The metric whose best value is followed.
        goal: Whether less or more of it is better.
    """

    def __init__(
        self,
        path: Path,
        sweep_id: str,
        planned: Sequence[Trial],
        *,
        metric: str,
        goal: Goal,
    ) -> None:
        self._root = path.parent.parent
        self._first_day = path.parent.name
        self._id = sweep_id
        self._metric, self._goal = metric, goal
        self._planned = planned
        self._waiting = {
            trial.number: TrialState(
                trial.number,
                trial.name,
                trial.factors,
                trial.seed,
                clamped=trial.clamped,
                stands_for=trial.stands_for,
            )
            for trial in planned
        }
        self._days: dict[str, _Day] = {}
        self._known: dict[str, _Known] = {}
        self._best: dict[str, Best] = {}

    def look(self) -> list[TrialState]:
        """Tell how each trial stands now."""
        runs = self._runs()
        return [self._state(trial, runs.get(trial.number)) for trial in self._planned]

    def _runs(self) -> dict[int, str]:
        """Find the newest run of each trial."""
        try:
            with os.scandir(self._root) as entries:
                # The clock may have been put back over midnight; a day folder costs one stat.
                days = [e.name for e in entries if e.name[:1].isdigit()]
        except OSError:
            days = []
        days = sorted(day for day in days if day >= self._first_day)
        found: dict[int, tuple[float, str]] = {}
        for day in days:
            folder = self._days.setdefault(day, _Day(f"{self._root}/{day}", self._id))
            for number, created, path in folder.look():
                found[number] = max(found.get(number, (0.0, "")), (created, path))
        return {number: path for number, (_, path) in found.items()}

    def _state(self, trial: Trial, path: str | None) -> TrialState:
        """Read how a trial stands, or remember it where nothing can have changed."""
        if path is None:
            return self._waiting[trial.number]
        now = time.time_ns()
        try:
            stamp = os.stat(path).st_mtime_ns  # noqa: PTH116 - for each run at each look; a Path costs more
        except OSError:
            stamp = 0
        known = self._known.get(path)
        if known is None or not known.holds(stamp):
            known = self._known[path] = _Known(stamp, now, self._read(trial, path))
        return known.trial

    def _read(self, trial: Trial, path: str) -> TrialState:
        status = read_status(path)
        best = self._best.get(path)
        if best is None:
            best = self._best[path] = Best(f"{path}/logs/events.jsonl", self._metric, self._goal)
        value, step = best.look()
        progress = status.progress
        done = 1.0 if status.state is State.COMPLETED else progress.fraction or 0.0
        return replace(
            self._waiting[trial.number],
            run=Path(path),
            state=status.state,
            reason=status.reason,
            step=progress.step,
            epoch=progress.epoch,
            progress=done,
            metrics_last=progress.metrics,
            metrics_best={} if value is None else {self._metric: value},
            best_step=step,
            started=status.started,
            ended=status.ended,
            seconds=_trained(status, _earlier(path, status)),
            attempt=status.attempt,
            remaining=progress.remaining,
        )


@dataclass(slots=True)
class _Known:
    stamp: int
    read_at: int
    trial: TrialState

    def holds(self, stamp: int) -> bool:
        """Tell whether a run that is over still is as it was read."""
        # One that is lost may be found again: the network of its host was gone.
        over = self.trial.over and self.trial.state is not State.LOST
        return over and stamp == self.stamp and self.read_at - stamp >= _SETTLE_NS


@dataclass(slots=True)
class _Day:
    """The runs of one sweep in the folder of one day."""

    path: str
    sweep_id: str
    stamp: int = -1
    read_at: int = 0
    names: dict[str, tuple[int, float] | None] = field(default_factory=dict)

    def look(self) -> list[tuple[int, float, str]]:
        """List trial number, time of creation and path of each run."""
        try:
            stamp = os.stat(self.path).st_mtime_ns  # noqa: PTH116 - as above
        except OSError:
            return []
        if stamp != self.stamp or self.read_at - stamp < _SETTLE_NS:
            self.stamp, self.read_at = stamp, time.time_ns()
            self._list()
        return [
            (found[0], found[1], f"{self.path}/{name}")
            for name, found in self.names.items()
            if found is not None
        ]

    def _list(self) -> None:
        try:
            with os.scandir(self.path) as entries:
                names = {entry.name for entry in entries if not entry.name.startswith(".")}
        except OSError:
            return
        self.names = {name: found for name, found in self.names.items() if name in names}
        for name in names - self.names.keys():
            try:
                identity = read_json(f"{self.path}/{name}/{RUN_JSON}")
            except FileNotFoundError:
                # Run folders are whole from their first moment: this is none.
                self.names[name] = None
                continue
            except (OSError, ValueError):
                continue
            self.names[name] = self._number(identity)

    def _number(self, identity: dict[str, Any]) -> tuple[int, float] | None:
        """Tell which trial a run is; None if it is not of this sweep."""
        parent = identity.get("parent")
        if not isinstance(parent, dict) or parent.get(PARENT) != self.sweep_id:
            return None
        number, created = str(parent.get(PARENT_TRIAL)), identity.get("created")
        if not number.isdecimal() or not isinstance(created, int | float):
            return None
        return int(number), float(created)


def _earlier(path: str, status: Status) -> float:
    """Add up how long the attempts before this one have trained, in seconds."""
    if status.attempt <= 1:
        return 0.0
    before = read_json_or_empty(Path(path, STATUS)).get("previous")
    total = 0.0
    for attempt in before if isinstance(before, list) else []:
        try:
            total += max(0.0, float(attempt["ended"]) - float(attempt["started"]))
        except (KeyError, TypeError, ValueError):
            continue
    return total


def _trained(status: Status, before: float) -> float | None:
    """Give the seconds of all attempts; None if none of them has begun."""
    if status.started is None:
        return before or None
    end = status.ended if status.terminal and status.ended else time.time()
    return before + max(0.0, end - status.started)
