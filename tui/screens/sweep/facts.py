"""What the Sweep screen says of trials: several seeds as one, numbers with their spread, advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from trainer.display import duration, number, plural
from trainer.sweeps import results
from trainer.sweeps.clamped import mark
from trainer.sweeps.trials import FAILED, WAITING, TrialState
from tui.glyphs import Glyphs
from tui.screens.sweep.live import look_of, word_of

if TYPE_CHECKING:
    from tui.sources.sweeps import SweepPicture

#: Of trials that differ only in their seed, the state that is told first.
_FIRST = (
    "failed",
    "out_of_memory",
    "killed",
    "lost",
    "running",
    "stopping",
    "starting",
    "queued",
    "stopped",
    "timeout",
    "waiting",
    "completed",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """Trials that differ in nothing but their seed, as one.

    Attributes:
        sign: The sign of its state.
        word: Its state in words.
        look: The look of its state.
        progress: The share done, 0 to 1; None if none has begun.
        value: The mean of the best values, with their spread; empty if there is none.
        so_far: Whether it may still change.
        best: Whether it is the best of all that have ended.
    """

    sign: str = ""
    word: str = ""
    look: str = "plain"
    progress: float | None = None
    value: str = ""
    so_far: bool = False
    best: bool = False


def cell_of(
    trials: Sequence[TrialState], metric: str, glyphs: Glyphs, best: frozenset[int]
) -> Cell:
    """Tell how some trials stand, as one.

    Args:
        trials: They differ in nothing but their seed.
        metric: What they are compared by.
        glyphs: The signs to draw with.
        best: Numbers of the trials of the best combination.
    """
    if not trials:
        return Cell()
    states = Counter(str(trial.state) for trial in trials)
    first = min(states, key=lambda state: _FIRST.index(state) if state in _FIRST else 99)
    word = word_of(first)
    if len(states) > 1:
        word = f"{states[first]} of {len(trials)} {word}"
    elif len(trials) > 1:
        word = f"{len(trials)} {word}"
    done = [trial for trial in trials if trial.done and metric in trial.metrics_best]
    told = done or [trial for trial in trials if trial.live and metric in trial.metrics_best]
    values = [trial.metrics_best[metric] for trial in told]
    begun = any(trial.run is not None for trial in trials)
    return Cell(
        sign=glyphs.state(first),
        word=word,
        look=look_of(first),
        progress=fmean(trial.progress for trial in trials) if begun else None,
        value=with_spread(fmean(values), stdev(values) if len(values) > 1 else None, glyphs)
        if values
        else "",
        so_far=len(done) < len(trials),
        best=bool(best & {trial.number for trial in trials}),
    )


def best_numbers(picture: SweepPicture) -> frozenset[int]:
    """Number the trials behind the best mean of all; empty without one."""
    groups = picture.groups
    if not groups or not groups[0].n:
        return frozenset()
    return frozenset(row.trial for row in groups[0].rows if row.counts)


def with_spread(value: float, spread: float | None, glyphs: Glyphs) -> str:
    """Write a number with what it is uncertain by, if that is known."""
    between = "+-" if glyphs.plain else "±"
    return number(value) if spread is None else f"{number(value)} {between} {number(spread)}"


def progress_parts(picture: SweepPicture) -> list[str]:
    """Say how far a sweep has come: counts, the best so far, the time left."""
    sweep, trials = picture.sweep, picture.trials
    if sweep is None:
        return []
    counted = results.counts(trials)
    parts = [f"{sum(trial.done for trial in trials)}/{len(trials)} done"]
    if picture.remaining and picture.state == "running":
        parts.append(f"ETA {duration(picture.remaining)}")
    best = picture.best
    if best is not None and best.value is not None:
        parts.append(f"best {sweep.metric} {number(best.value)} (trial {best.trial})")
    parts += [f"{many} {word_of(state)}" for state, many in counted.items() if state != "completed"]
    return parts


def advice(picture: SweepPicture) -> str:
    """Say what to do with a sweep that does not go on by itself; empty if it does, or is done."""
    trials = picture.trials
    failed = sum(trial.state in FAILED for trial in trials)
    missing = sum(not trial.done and trial.state not in FAILED for trial in trials)
    if picture.state == "undriven":
        return "its trials run, and nobody starts the rest: R goes on with it"
    if picture.state == "unfinished":
        return f"{plural(missing, 'trial')} missing: R goes on with what is missing"
    if failed and picture.state != "running":
        return f"{plural(failed, 'trial')} failed: F tries them again, enter shows why"
    return ""


def about(trial: TrialState, metric: str) -> list[str]:
    """Say in a few words how a trial stands."""
    parts = [f"trial {trial.number}", word_of(str(trial.state))]
    said = mark(trial.clamped, trial.stands_for)
    clamped = [f"clamped: {said}"] if said else []
    if trial.state == WAITING:
        return [*parts, *clamped]
    if trial.live:
        parts.append(f"{trial.progress:.0%}")
    if trial.step is not None:
        parts.append(f"step {trial.step}")
    if metric in trial.metrics_best:
        at = "" if trial.best_step is None else f" at step {trial.best_step}"
        parts.append(f"{metric} {number(trial.metrics_best[metric])}{at}")
    if trial.seconds is not None:
        parts.append(duration(trial.seconds))
    if trial.remaining and trial.live:
        parts.append(f"ETA {duration(trial.remaining)}")
    if trial.reason and not trial.done:
        parts.append(trial.reason)
    return [*parts, *clamped]
