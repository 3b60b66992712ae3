"""How `traindeck ablate` tells a sweep: lines, tables and JSON."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from trainer.commands import ablate_json
from trainer.commands.output import duration, json_line, line, note, number, plural, table
from trainer.events.text import clean
from trainer.sweeps import leaderboard, results
from trainer.sweeps.clamped import mark
from trainer.sweeps.diagnostics import folder_of, plots_of
from trainer.sweeps.names import labels, shown
from trainer.sweeps.publish import published
from trainer.sweeps.told import MODES, plan_lines, sweep_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from trainer.sweeps.diagnostics import Drawn
    from trainer.sweeps.drive import Outcome, Told
    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.plan import Plan
    from trainer.sweeps.publish import Published
    from trainer.sweeps.trials import TrialState

INTERVAL_TERMINAL = 5.0
INTERVAL_FILE = 30.0


class Teller:
    """Tells a sweep while it is driven.

    Args:
        sweep: The sweep.
        parallel: Trials at the same time.
        as_json: Whether to write JSON lines.
        interval: Seconds between progress lines; by default longer where no terminal is.
    """

    def __init__(
        self, sweep: Sweep, parallel: int, *, as_json: bool, interval: float | None
    ) -> None:
        self._sweep = sweep
        self._parallel = parallel
        self._json = as_json
        self._interval = interval or (INTERVAL_TERMINAL if sys.stdout.isatty() else INTERVAL_FILE)
        self._due = time.monotonic() + self._interval
        self._before = ""
        self._model: Published | None = None

    def begin(self, *, resumed: bool) -> None:
        """Say which sweep it is."""
        sweep = self._sweep
        if self._json:
            self._event("resumed" if resumed else "started", path=str(sweep.path))
            return
        line(f"sweep {sweep.id}  {sweep.path}")
        many = plural(len(sweep.planned), "trial")
        line(f"{many}, {self._parallel} at a time, by {sweep.metric} ({sweep.goal})")
        if sys.stdout.isatty():
            line("Ctrl-C stops it with checkpoints; closing this terminal does not hurt it.")

    def tell(self, told: Told) -> None:
        """Tell what happens."""
        if told.what == "look":
            self._progress(told.trials)
        elif self._json:
            row = {} if told.trial is None else ablate_json.trial_row(told.trial)
            what = told.what if told.trial is None else f"trial_{told.what}"
            self._event(what, **row, **({"reason": told.reason} if told.reason else {}))
        elif told.trial is None:
            note("stopping the trials after this step, with a checkpoint; Ctrl-C again leaves them")
        else:
            self._line(told)

    def _line(self, told: Told) -> None:
        trial = told.trial
        if trial is None:
            return
        width = len(str(len(self._sweep.planned)))
        place = f"{trial.number:>{width}}/{len(self._sweep.planned)}"
        if told.what == "refused":
            line(f"{place}  could not be started  {trial.name}: {told.reason}")
            return
        if told.what != "ended":
            verb = {"found": "runs already", "resumed": "goes on"}.get(told.what, "started")
            line(f"{place}  {verb}  {trial.name}  {trial.run_id}")
            return
        took = f" after {duration(trial.seconds)}" if trial.seconds is not None else ""
        best = _value(trial, self._sweep.metric)
        reason = "" if trial.done or not trial.reason else f": {trial.reason}"
        line(f"{place}  {trial.state}{took}  {trial.name}{f'  {best}' if best else ''}{reason}")

    def _progress(self, trials: Sequence[TrialState]) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + self._interval
        said = progress(self._sweep, trials, self._parallel)
        if said == self._before:
            return
        self._before = said
        if self._json:
            best = results.best_so_far(trials, self._sweep.metric, self._sweep.goal)
            self._event(
                "progress",
                counts=results.counts(trials),
                best=None if best is None else {"trial": best.trial, "value": best.value},
                remaining=results.remaining(trials, self._parallel),
            )
        else:
            line(said)

    def model(self, found: Published | None) -> None:
        """Tell of the model that has been published."""
        self._model = found
        if found is not None and not self._json:
            line(f"  model   {found.folder} (trial {found.trial})")

    def close(self, outcome: Outcome, board: Sequence[Path], drawn: Drawn) -> None:
        """Tell what has been drawn, behind the results; as JSON all of how it ended.

        Args:
            outcome: How it ended.
            board: The files of the leaderboard that have been written.
            drawn: The plots, and what is missing of them.
        """
        sweep, trials = self._sweep, outcome.trials
        folder = folder_of(sweep)
        for each in drawn.notes:
            note(f"traindeck: {each}")
        if not self._json:
            if drawn.plots:
                many = plural(len(drawn.plots), "plot")
                line(f"  plots   {folder.relative_to(sweep.path)} ({many})")
            return
        self._event(
            "ended",
            asked=outcome.asked,
            counts=results.counts(trials),
            missing=outcome.missing,
            failed=[ablate_json.trial_row(trial) for trial in outcome.failed],
            path=str(sweep.path),
            leaderboard=[str(path) for path in board],
            model=None if self._model is None else str(self._model.folder),
            diagnostics=[str(folder / name) for plot in drawn.plots for name in plot.files],
            **ablate_json.results_row(sweep, trials),
        )

    def end(self, outcome: Outcome, board: Sequence[Path] = ()) -> None:
        """Tell how it ended: results first, then what went wrong, then what to do.

        Args:
            outcome: How it ended.
            board: The files of the leaderboard that have been written.
        """
        sweep, trials = self._sweep, outcome.trials
        if self._json:
            return
        line("")
        results_table(sweep, trials)
        if outcome.failed:
            line("")
            line(f"{plural(len(outcome.failed), 'trial')} of {len(trials)} did not reach the end:")
            for trial in outcome.failed:
                run = f"  {trial.run_id}" if trial.run else ""
                line(f"  {trial.state}  {trial.name}{run}: {trial.reason or 'no reason is known'}")
        live = sum(trial.live for trial in trials)
        if live:
            line(f"{plural(live, 'trial')} still running")
        line(f"  folder  {sweep.path}")
        if board:
            # Pages are for people, so the page is named where there is one.
            best = next((path for path in board if path.suffix == ".html"), board[0])
            line(f"  board   {best.relative_to(sweep.path)}")
        failed_only = outcome.missing and all(
            trial.done or trial.state in results.FAILED for trial in trials
        )
        if failed_only:
            line(f"  next    traindeck ablate --resume {sweep.id} --retry-failed")
        elif outcome.missing:
            line(f"  next    traindeck ablate --resume {sweep.id}")
        else:
            line(f"  next    traindeck ablate --status {sweep.id}")

    def _event(self, what: str, **fields: Any) -> None:
        json_line({"v": 1, "ts": time.time(), "event": what, "sweep_id": self._sweep.id, **fields})


def progress(sweep: Sweep, trials: Sequence[TrialState], parallel: int) -> str:
    """Write how far a sweep has come, on one line."""
    counted = results.counts(trials)
    parts = [f"{sum(trial.done for trial in trials)}/{len(trials)} done"]
    running = [trial for trial in trials if trial.live]
    if running:
        shares = ", ".join(f"{trial.number}: {trial.progress:.0%}" for trial in running[:4])
        more = ", …" if len(running) > 4 else ""
        parts.append(f"{len(running)} running ({shares}{more})")
    parts += [
        f"{many} {state}"
        for state, many in counted.items()
        if state in ("waiting", "failed", "out_of_memory", "killed", "lost", "stopped")
    ]
    best = results.best_so_far(trials, sweep.metric, sweep.goal)
    if best is not None and best.value is not None:
        parts.append(f"best {sweep.metric} {number(best.value)} (trial {best.trial})")
    left = results.remaining(trials, parallel)
    if left:
        parts.append(f"ETA {duration(left)}")
    return " · ".join(parts)


def facts(sweep: Sweep, trials: Sequence[TrialState]) -> list[tuple[str, str]]:
    """List what is to be known of a sweep beside its trials."""
    state = sweep_state(sweep, trials)
    advice = {
        "undriven": f"its trials run, and nobody starts the rest: ablate --resume {sweep.id}",
        "unfinished": f"ablate --resume {sweep.id} goes on",
        "failed": f"ablate --resume {sweep.id} --retry-failed tries again",
    }.get(state, "")
    rows = [
        ("state", state + (f"  ({advice})" if advice else "")),
        ("trials", progress(sweep, trials, sweep.parallel)),
        ("mode", MODES[sweep.mode]),
    ]
    rows += [
        ("varies", f"{clean(axis.key)}: {', '.join(shown(value) for value in axis.values)}")
        for axis in sweep.axes
    ]
    if sweep.seeds:
        rows.append(("seeds", ", ".join(map(str, sweep.seeds))))
    if sweep.clamp:
        many = sum(bool(trial.clamped) for trial in trials)
        rows.append(("clamp", f"{plural(many, 'trial')} lowered to the hardware's limits"))
    rows.append(("metric", f"{sweep.metric} ({sweep.goal})"))
    rows.append(("folder", str(sweep.path)))
    boards = leaderboard.files_of(sweep)
    rows += [
        ("board", str(path.relative_to(sweep.path))) for path in boards if path.suffix == ".html"
    ]
    if (model := published(sweep)) is not None:
        rows.append(("model", str(model)))
    if plots := plots_of(sweep):
        said = plural(len(plots), "plot")
        rows.append(("plots", f"{folder_of(sweep).relative_to(sweep.path)} ({said})"))
    return rows


def plan_table(plan: Plan) -> None:
    """List the trials of a plan with what each of them overrides."""
    for each in plan_lines(plan):
        line(each)


def trials_table(sweep: Sweep, trials: Sequence[TrialState]) -> None:
    """Print the trials of a sweep."""
    short = labels(sweep.factors)
    headers = ["TRIAL", "STATE", *(short[key].upper() for key in sweep.factors)]
    headers += ["SEED"] if sweep.seeds else []
    headers += ["DONE", sweep.metric.upper(), "STEP", "TIME", "RUN", "REASON"]
    marks = [mark(trial.clamped, trial.stands_for) for trial in trials]
    rows = []
    for trial in trials:
        value = trial.metrics_best.get(sweep.metric)
        row = [str(trial.number), str(trial.state)]
        row += [_factor(trial.factors, key) for key in sweep.factors]
        row += [str(trial.seed)] if sweep.seeds else []
        row += [
            f"{trial.progress:.0%}" if trial.run else "",
            "" if value is None else number(value),
            "" if trial.best_step is None else str(trial.best_step),
            "" if trial.seconds is None else duration(trial.seconds),
            trial.run_id,
            "" if trial.done else trial.reason,
        ]
        rows.append(row)
    last = len(headers) - 1
    right = (0, *range(2, last - 1))
    if any(marks):
        headers.append("CLAMPED")
        rows = [[*row, said] for row, said in zip(rows, marks, strict=True)]
    table(headers, rows, right=right, expendable=(last - 3, last - 5))


def main_names(names: Iterable[str]) -> list[str]:
    """Give the metrics that a sweep may well be compared by: those of validation, without parts.

    A loss of many terms tells of each by a name of three words or more. Where validation tells of
    nothing, all are given.
    """
    found = sorted(names)
    return [each for each in found if each.startswith("val/") and each.count("/") == 1] or found


def results_table(sweep: Sweep, trials: Sequence[TrialState]) -> None:
    """Print what has been found: one line for each combination, best first."""
    found = results.table(sweep, trials)
    if not any(group.n for group in found.groups):
        line(f"no trial has ended with a value of {sweep.metric} yet")
        if any(trial.done for trial in trials):
            names = main_names({name for trial in trials for name in trial.metrics_last})
            line(f"they have told of: {', '.join(names) or 'nothing'}")
            line(f"compare by another one: traindeck ablate --status {sweep.id} --metric NAME")
        return
    short = labels(found.factors)
    repeated = any(len(group.rows) > 1 for group in found.groups)
    headers = ["RANK", *(short[key].upper() for key in found.factors), sweep.metric.upper()]
    headers += ["±", "N"] if repeated else ["TRIAL"]
    headers.append("TIME")
    headers += ["CLAMPED"] if found.clamped else []
    rows = []
    for rank, group in enumerate(found.groups, 1):
        row = [str(rank) if group.n else ""]
        row += [_factor(group.factors, key) for key in found.factors]
        row.append("" if group.mean is None else number(group.mean))
        if repeated:
            row += ["" if group.spread is None else number(group.spread)]
            row += [f"{group.n}/{len(group.rows)}"]
        else:
            row.append(str(group.rows[0].trial))
        row.append("" if group.seconds is None else duration(group.seconds))
        row += [group.clamped] if found.clamped else []
        rows.append(row)
    table(headers, rows, right=tuple(range(len(headers) - bool(found.clamped))))


def _factor(factors: dict[str, Any], key: str) -> str:
    return shown(factors[key]) if key in factors else "-"


def _value(trial: TrialState, metric: str) -> str:
    value = trial.metrics_best.get(metric)
    return "" if value is None else f"{metric} {number(value)} at step {trial.best_step}"
