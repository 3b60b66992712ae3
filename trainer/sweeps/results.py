"""What a sweep has found: one row a trial, and mean and spread over the seeds. Standard library."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from trainer.sweeps.clamped import mark
from trainer.sweeps.trials import ENDED, FAILED, WAITING, TrialState, Waiting

if TYPE_CHECKING:
    from trainer.runs.status import State
    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.kinds import Goal

__all__ = [
    "FAILED",
    "Group",
    "Row",
    "Table",
    "best_of",
    "best_so_far",
    "counts",
    "remaining",
    "row_of",
    "table",
]


@dataclass(frozen=True)
class Row:
    """One trial.

    Attributes:
        trial: Its number, counted from 1.
        factors: What varies, by key; with one at a time only what differs from the baseline.
        seed: Its seed, if the sweep repeats with seeds.
        value: The best value of the metric (so far, if it still trains); None if there is none.
        best_step: The step of that value.
        seconds: Time trained, in all attempts.
        state: The run's state, or "waiting".
        reason: Why it ended or waits.
        run: Its run folder; None if it has not begun.
        clamped: What `--clamp` changed in it, in words, and whom it stands for; empty if nothing.
        lowered: Whether it trains something else than its factors say, by `--clamp`.
    """

    trial: int
    factors: dict[str, Any]
    seed: int | None
    value: float | None
    best_step: int | None
    seconds: float | None
    state: State | Waiting
    reason: str
    run: Path | None
    clamped: str = ""
    lowered: bool = False

    @property
    def counts(self) -> bool:
        """Whether its value enters a mean: it has one, and has trained to its end."""
        return self.value is not None and self.state in ENDED


@dataclass(frozen=True)
class Group:
    """The trials that differ in nothing but their seeds.

    Attributes:
        factors: What varies, by key.
        rows: The trials.
        mean: The mean of the values of those that have ended; None if none has.
        spread: Their standard deviation as of a sample (n - 1); None for fewer than two.
        n: How many values went into it.
        seconds: Mean time trained of those; None if unknown.
    """

    factors: dict[str, Any]
    rows: tuple[Row, ...] = field(repr=False)
    mean: float | None = None
    spread: float | None = None
    n: int = 0
    seconds: float | None = None

    @property
    def clamped(self) -> str:
        """What `--clamp` changed in its trials, in words; empty if nothing."""
        return next((row.clamped for row in self.rows if row.clamped), "")


@dataclass(frozen=True)
class Table:
    """The results of a sweep.

    Attributes:
        metric: What trials are compared by.
        goal: "min" or "max".
        factors: The keys that vary, in order.
        rows: The trials in order of their numbers.
        groups: The trials by their factors, best first; those without a value come last.
    """

    metric: str
    goal: Goal
    factors: list[str]
    rows: list[Row]
    groups: list[Group]

    @property
    def clamped(self) -> list[Row]:
        """The trials in which `--clamp` changed something, or that stand for others by it."""
        return [row for row in self.rows if row.clamped]

    @property
    def best(self) -> Row | None:
        """The best trial of those that have ended; None without one."""
        return best_of([row for row in self.rows if row.counts], self.goal)


def table(sweep: Sweep, trials: Iterable[TrialState] | None = None) -> Table:
    """Make the results of a sweep as they stand.

    Args:
        sweep: The sweep.
        trials: Its trials, if they have just been looked at.
    """
    states = sweep.trials() if trials is None else trials
    rows = [row_of(state, sweep.metric) for state in states]
    together: dict[str, list[Row]] = {}
    for row in rows:
        key = json.dumps(row.factors, sort_keys=True, default=str)
        together.setdefault(key, []).append(row)
    groups = [_group(each) for each in together.values()]
    sign = -1.0 if sweep.goal == "max" else 1.0
    groups.sort(key=lambda group: (group.mean is None, sign * (group.mean or 0.0)))
    return Table(sweep.metric, sweep.goal, sweep.factors, rows, groups)


def row_of(state: TrialState, metric: str) -> Row:
    """Make the row of one trial."""
    return Row(
        trial=state.number,
        factors=state.factors,
        seed=state.seed,
        value=state.metrics_best.get(metric),
        best_step=state.best_step,
        seconds=state.seconds,
        state=state.state,
        reason=state.reason,
        run=state.run,
        clamped=mark(state.clamped, state.stands_for),
        lowered=bool(state.clamped),
    )


def best_of(rows: Iterable[Row], goal: Goal) -> Row | None:
    """Give the row with the best value; the first of equals, None if no row has one."""
    valued = [(row.value, row) for row in rows if row.value is not None]
    if not valued:
        return None
    pick = max if goal == "max" else min
    return pick(valued, key=lambda pair: pair[0])[1]


def best_so_far(trials: Iterable[TrialState], metric: str, goal: Goal) -> Row | None:
    """Give the best trial of those that train or have ended as planned; None without one."""
    kept = [trial for trial in trials if trial.live or trial.done]
    return best_of([row_of(trial, metric) for trial in kept], goal)


def counts(trials: Iterable[TrialState]) -> dict[str, int]:
    """Count the trials by state, in the order in which trials pass through them."""
    order = [WAITING, "queued", "starting", "running", "stopping", "completed", "timeout"]
    found: dict[str, int] = dict.fromkeys(order, 0)
    for trial in trials:
        found[str(trial.state)] = found.get(str(trial.state), 0) + 1
    return {state: number for state, number in found.items() if number}


def remaining(trials: Iterable[TrialState], parallel: int) -> float | None:
    """Estimate the seconds left, from how long the trials took that have ended.

    Until one has, from the rate of those that run. None if nothing can be said, 0 if all have ended.
    """
    states = list(trials)
    took = [trial.seconds for trial in states if trial.done and trial.seconds]
    live = [trial for trial in states if trial.live]
    waiting = sum(trial.state == WAITING for trial in states)
    if not live and not waiting:
        return 0.0
    if not took:
        took = [
            (trial.seconds or 0.0) + trial.remaining
            for trial in live
            if trial.remaining is not None
        ]
    if not took:
        return None
    each = fmean(took)
    left = [
        each * (1.0 - trial.progress) if trial.remaining is None else trial.remaining
        for trial in live
    ]
    return max([(sum(left) + waiting * each) / max(1, parallel), *left])


def _group(rows: list[Row]) -> Group:
    kept = [(row.value, row.seconds) for row in rows if row.counts]
    values = [value for value, _ in kept if value is not None]
    times = [seconds for _, seconds in kept if seconds is not None]
    return Group(
        factors=rows[0].factors,
        rows=tuple(rows),
        mean=fmean(values) if values else None,
        spread=stdev(values) if len(values) > 1 else None,
        n=len(values),
        seconds=fmean(times) if times else None,
    )
