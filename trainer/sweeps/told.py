"""What is said of a sweep wherever it is shown: its state in a word, what to do, its plan as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.display import plural
from trainer.sweeps.clamped import lines as clamped_lines
from trainer.sweeps.lock import driver
from trainer.sweeps.trials import FAILED, TrialState

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.plan import Plan

MODES = {
    "product": "all combinations",
    "one_at_a_time": "each value against the baseline",
    "paired": "all keys in step",
}
"""How axes are combined, for people."""


def sweep_state(sweep: Sweep, trials: Sequence[TrialState]) -> str:
    """Name the state of a sweep in one word; see `state_word`."""
    return state_word(
        sweep.path,
        total=len(trials),
        done=sum(trial.done for trial in trials),
        live=sum(trial.live for trial in trials),
        failed=sum(trial.state in FAILED for trial in trials),
    )


def state_word(path: Path, *, total: int, done: int, live: int, failed: int) -> str:
    """Name the state of a sweep in one word.

    Args:
        path: Its folder, which tells who drives it.
        total: All its trials.
        done: Trials that have trained to their end.
        live: Trials whose runs wait, run or stop.
        failed: Trials that went wrong by themselves.

    Returns:
        "running" or "stopping" while somebody drives it; else "completed", "undriven" (trials run
        and nobody starts the rest), "failed" (all that is missing has failed) or "unfinished".
    """
    who = driver(path)
    if who is not None and who.alive:
        return "stopping" if who.stopping else "running"
    if done == total:
        return "completed"
    if live:
        return "undriven"
    return "failed" if done + failed == total else "unfinished"


def made_of(plan: Plan) -> str:
    """Say what a plan's number of trials comes from: `12 trials (3 x 2 x 2 seeds)`."""
    sizes = [len(axis.values) for axis in plan.axes]
    factors = [str(size) for size in sizes] if plan.mode == "product" else []
    factors += [plural(len(plan.seeds), "seed")] if plan.seeds else []
    many = plural(len(plan.trials), "trial")
    # Where clamping has made trials the same, there are fewer than the product.
    fewer = any(trial.stands_for for trial in plan.trials)
    told = (len(factors) > 1 or plan.seeds) and not fewer
    return f"{many} ({' x '.join(factors)})" if told else many


def plan_lines(plan: Plan) -> list[str]:
    """List the trials of a plan with what each of them overrides."""
    base = set(plan.base)
    width = len(str(len(plan.trials)))
    lines = [f"every trial: {' '.join(plan.base)}"] if plan.base else []
    for trial in plan.trials:
        own = [word for word in trial.overrides if word not in base]
        lines.append(f"{trial.number:>{width}}  {' '.join(own) or 'the baseline'}")
    if clamped := clamped_lines(plan.trials):
        lines += ["clamped:", *(f"  {each}" for each in clamped)]
    return [
        *lines,
        f"{made_of(plan)}, {plan.parallel} at a time, "
        f"by {plan.metric} ({plan.goal}); all configs are right",
    ]
