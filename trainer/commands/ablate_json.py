"""A sweep as JSON: its trials, results and plan as plain data."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainer.sweeps import leaderboard, results
from trainer.sweeps.diagnostics import files_of
from trainer.sweeps.publish import published
from trainer.sweeps.told import sweep_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.plan import Plan
    from trainer.sweeps.trials import TrialState


def trial_row(trial: TrialState) -> dict[str, Any]:
    """Give a trial as a JSON row."""
    return {
        "trial": trial.number,
        "name": trial.name,
        "state": str(trial.state),
        "reason": trial.reason,
        "factors": trial.factors,
        "seed": trial.seed,
        "run_id": trial.run_id or None,
        "run": None if trial.run is None else str(trial.run),
        "progress": trial.progress,
        "step": trial.step,
        "epoch": trial.epoch,
        "best": trial.metrics_best,
        "best_step": trial.best_step,
        "metrics": trial.metrics_last,
        "seconds": trial.seconds,
        "clamped": [asdict(each) for each in trial.clamped],
        "stands_for": list(trial.stands_for),
    }


def sweep_row(sweep: Sweep, trials: Sequence[TrialState]) -> dict[str, Any]:
    """Give a sweep as a JSON row."""
    return {
        "id": sweep.id,
        "name": sweep.name,
        "path": str(sweep.path),
        "created": sweep.created,
        "state": sweep_state(sweep, trials),
        "mode": sweep.mode,
        "axes": [{"key": axis.key, "values": list(axis.values)} for axis in sweep.axes],
        "seeds": list(sweep.seeds),
        "metric": sweep.metric,
        "goal": sweep.goal,
        "parallel": sweep.parallel,
        "clamp": sweep.clamp,
        "counts": results.counts(trials),
        "leaderboard": [str(path) for path in leaderboard.files_of(sweep)],
        "diagnostics": [str(path) for path in files_of(sweep)],
        "model": None if (model := published(sweep)) is None else str(model),
        "trials": [trial_row(trial) for trial in trials],
    }


def results_row(sweep: Sweep, trials: Sequence[TrialState]) -> dict[str, Any]:
    """Give the results of a sweep as JSON."""
    found = results.table(sweep, trials)
    return {
        "results": [
            {
                "factors": group.factors,
                "mean": group.mean,
                "spread": group.spread,
                "n": group.n,
                "trials": [row.trial for row in group.rows],
                "seconds": group.seconds,
            }
            for group in found.groups
        ]
    }


def plan_row(plan: Plan, notes: Sequence[str]) -> dict[str, Any]:
    """Give a plan as JSON."""
    return {
        **plan.record(),
        "notes": list(notes),
        "count": len(plan.trials),
        "trials": [
            {
                "trial": trial.number,
                "name": trial.name,
                "overrides": list(trial.overrides),
                "factors": trial.factors,
                "seed": trial.seed,
                "hash": trial.config_hash,
                "clamped": [asdict(each) for each in trial.clamped],
                "stands_for": list(trial.stands_for),
            }
            for trial in plan.trials
        ],
    }
