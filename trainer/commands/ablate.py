"""`traindeck ablate`: plan, make the sweep's folder; list, show and stop sweeps."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands import ablate_board, ablate_json
from trainer.commands import ablate_text as text
from trainer.commands.ablate_drive import go
from trainer.commands.output import age, json_line, line, note, number, plural, table
from trainer.errors import EXIT_OK, ConfigError, Problem, RunError, TraindeckError, nearest
from trainer.start import LeavingAtOnce

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.plan import Mode, Plan

_PLANNING = (
    "one_at_a_time", "paired", "seeds", "metric", "goal", "name", "tags", "dry_run", "clamp",
)  # fmt: skip


def ablate(
    *,
    overrides: tuple[str, ...],
    resume: str | None,
    status: str | None,
    leaderboard: str | None,
    diagnostics: str | None,
    publish: str | None,
    stop: str | None,
    list_them: bool,
    runs_dir: Path,
    as_json: bool,
    **options: Any,
) -> int:
    """Do what the options ask for; see `traindeck ablate --help`."""
    given = {
        "--resume": resume,
        "--status": status,
        "--leaderboard": leaderboard,
        "--diagnostics": diagnostics,
        "--publish": publish,
        "--stop": stop,
        "--list": list_them,
    }
    _check_together([name for name, value in given.items() if value], overrides, options)
    if list_them:
        return list_sweeps(runs_dir, as_json)
    from trainer.sweeps.folder import find

    if status:
        return show(_as_asked(find(runs_dir, status), options), as_json)
    if leaderboard:
        return ablate_board.show(_as_asked(find(runs_dir, leaderboard), options), as_json)
    if diagnostics:
        return ablate_board.show_plots(_as_asked(find(runs_dir, diagnostics), options), as_json)
    if publish:
        return ablate_board.show_model(_as_asked(find(runs_dir, publish), options), as_json)
    if stop:
        return stop_sweep(find(runs_dir, stop))
    kept = ("parallel", "interval", "retry_failed", "detach", "fresh")
    driving = {name: options[name] for name in kept}
    if resume:
        from trainer.runs.again import need_training_packages

        sweep = find(runs_dir, resume)
        need_training_packages()
        return go(sweep, as_json=as_json, resumed=True, **driving)
    options.pop("retry_failed")
    return sweep_over(overrides, runs_dir=runs_dir, as_json=as_json, **options)


def sweep_over(
    overrides: tuple[str, ...],
    *,
    runs_dir: Path,
    as_json: bool,
    one_at_a_time: bool = False,
    paired: bool = False,
    seeds: str | None = None,
    parallel: int | None = None,
    metric: str | None = None,
    goal: Any = None,
    name: str | None = None,
    tags: tuple[str, ...] = (),
    dry_run: bool = False,
    detach: bool = False,
    fresh: bool = False,
    interval: float | None = None,
    config_file: Path | None = None,
    profiles_dir: Path | None = None,
    default_profile: bool = True,
    clamp: bool = False,
    multirun: bool = True,
) -> int:
    """Plan a sweep and drive it."""
    mode: Mode = "one_at_a_time" if one_at_a_time else "paired" if paired else "product"
    with LeavingAtOnce():
        from trainer.runs.again import need_training_packages
        from trainer.runs.layout import runs_dir_words
        from trainer.runs.plan import untold
        from trainer.sweeps import plan as planning
        from trainer.sweeps.clamped import NOTE
        from trainer.sweeps.clamped import lines as clamped_lines
        from trainer.sweeps.folder import create

        plan = planning.make(
            overrides,
            mode=mode,
            seeds=_seeds(seeds),
            name=name or "",
            metric=metric,
            goal=goal,
            parallel=parallel,
            config_file=config_file,
            profiles_dir=profiles_dir,
            default_profile=default_profile,
            clamp=clamp,
        )
        plan, first = planning.check(plan)
    options = {
        "--seeds": seeds,
        "--metric": metric,
        "--goal": goal,
        "--name": name,
        "--config": config_file,
        "--profiles-dir": profiles_dir,
        "--runs-dir": "".join(runs_dir_words(runs_dir)[1:]) or None,
    }
    notes = [*plan.notes]
    if first:
        others = (each for each in first[0].notes if not each.startswith(NOTE))
        notes += filter(None, (untold(first[0]), *others))
    if dry_run:
        return _dry_run(plan, notes, as_json)
    for each in notes:
        note(f"note: {each}")
    for each in clamped_lines(plan.trials):
        note(each)
    for composed in first:
        need_training_packages(composed.config)
    named = [tag for tag in tags if tag.strip()]
    sweep = create(
        plan,
        runs_dir=runs_dir,
        name=name or plan.title,
        tags=named,
        command=_command(overrides, plan, options, named),
    )
    return go(
        sweep,
        as_json=as_json,
        detach=detach,
        fresh=fresh,
        parallel=parallel,
        interval=interval,
    )


def list_sweeps(runs_dir: Path, as_json: bool) -> int:
    """List the sweeps."""
    from trainer.sweeps import results
    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.folder import list_sweeps as folders
    from trainer.sweeps.told import sweep_state

    rows, found = [], []
    for path in folders(runs_dir):
        try:
            sweep = Sweep.load(path)
        except RunError as error:
            note(f"traindeck: {error}")
            continue
        trials = sweep.trials()
        if as_json:
            found.append(ablate_json.sweep_row(sweep, trials))
            continue
        best = results.table(sweep, trials).best
        rows.append(
            [
                sweep_state(sweep, trials),
                sweep.id,
                sweep.name[:40],
                f"{sum(trial.done for trial in trials)}/{len(trials)}",
                str(sum(trial.state in results.FAILED for trial in trials) or ""),
                f"{sweep.metric} {number(best.value)}" if best and best.value is not None else "",
                age(time.time() - sweep.created),
            ]
        )
    if as_json:
        json_line(found)
    elif rows:
        headers = ["STATE", "ID", "NAME", "DONE", "FAILED", "BEST", "AGE"]
        table(headers, rows, right=(3, 4, 6), expendable=(6, 5))
    else:
        note(f"no sweeps in {runs_dir}")
    return EXIT_OK


def show(sweep: Sweep, as_json: bool) -> int:
    """Show the trials of a sweep and its results."""
    trials = sweep.trials()
    if as_json:
        json_line(
            {**ablate_json.sweep_row(sweep, trials), **ablate_json.results_row(sweep, trials)}
        )
        return EXIT_OK
    line(f"{sweep.id}  {sweep.name}")
    for label, value in text.facts(sweep, trials):
        line(f"  {label:<10}{value}")
    line("")
    text.trials_table(sweep, trials)
    line("")
    text.results_table(sweep, trials)
    return EXIT_OK


def stop_sweep(sweep: Sweep) -> int:
    """Ask the driver of a sweep to stop it, or its trials if nobody drives it.

    Raises:
        RunError: A trial cannot be asked; the others have been.
    """
    from trainer.runs import control
    from trainer.runs.layout import RunFolder
    from trainer.runs.manage import request_stop
    from trainer.runs.status import read_status
    from trainer.sweeps.lock import driver

    who = driver(sweep.path)
    if who is not None and who.alive:
        control.request(sweep.path, "stop")
        line(f"asked process {who.pid} on {who.host} to stop the sweep {sweep.id}")
        return EXIT_OK
    asked, refused = 0, None
    for trial in sweep.trials():
        if trial.run is None or not trial.live:
            continue
        try:
            request_stop(RunFolder(trial.run), after="step", reason="its sweep was stopped")
            asked += 1
        except RunError as error:
            # It has just ended, or its disk is full: the others are asked all the same.
            refused = refused if read_status(trial.run).terminal else error
    line(f"nobody drives the sweep {sweep.id}; asked {plural(asked, 'trial')} to stop")
    if refused is not None:
        raise refused
    return EXIT_OK


def _check_together(
    given: Sequence[str], overrides: Sequence[str], options: Mapping[str, Any]
) -> None:
    """Refuse options that mean different things."""
    problem = None
    if len(given) > 1:
        problem = Problem(f"{' and '.join(given)} cannot be given together.", "ablate")
    elif given and overrides:
        problem = Problem(
            f"{given[0]} takes no overrides: the sweep keeps those that it began with.",
            "ablate",
            "Start a new sweep for others.",
        )
    elif given and (name := _settled(given[0], options)):
        option = {"tags": "--tag"}.get(name, f"--{name.replace('_', '-')}")
        problem = Problem(
            f"{option} is settled when a sweep begins, not with {given[0]}.", "ablate"
        )
    elif options.get("retry_failed") and given != ["--resume"]:
        problem = Problem("--retry-failed belongs to --resume SWEEP.", "ablate")
    elif options.get("one_at_a_time") and options.get("paired"):
        problem = Problem("--one-at-a-time and --paired cannot be given together.", "ablate")
    if problem is not None:
        raise TraindeckError(problem)


def _settled(given: str, options: Mapping[str, Any]) -> str:
    """Name an option that only a sweep that begins can have; empty if there is none."""
    reading = given in ("--status", "--leaderboard", "--diagnostics", "--publish")
    free = ("metric", "goal") if reading else ()
    return next((name for name in _PLANNING if options.get(name) and name not in free), "")


def _as_asked(sweep: Sweep, options: Mapping[str, Any]) -> Sweep:
    """Give a sweep by the metric that is asked for.

    Raises:
        RunError: Trials have come to their end and none has told of it: a slip, and no table
            without values is written over a good one.
    """
    metric, goal = options["metric"], options["goal"]
    if not metric and not goal:
        return sweep
    asked = type(sweep).load(sweep.path, metric, goal)
    trials = asked.trials()
    names = {name for trial in trials for name in (*trial.metrics_last, *trial.metrics_best)}
    if not metric or metric in names or not any(trial.done for trial in trials):
        return asked
    there = ", ".join(text.main_names(names))
    remedy = nearest(metric, sorted(names)) or (there and f"There are {there}.")
    raise RunError(Problem(f"no trial of {sweep.id} has told of '{metric}'.", "--metric", remedy))


def _seeds(words: str | None) -> tuple[int, ...]:
    from trainer.sweeps.axes import is_seed

    if words is None:
        return ()
    found = []
    for word in words.split(","):
        if not re.fullmatch(r"\s*\d{1,10}\s*", word) or not is_seed(int(word)):
            raise ConfigError(
                Problem(
                    f"'{word.strip()}' is no seed.",
                    "--seeds",
                    "Seeds are whole numbers from 0 to 4294967295, separated by commas.",
                    "seed",
                )
            )
        found.append(int(word))
    return tuple(found)


def _command(
    overrides: Sequence[str], plan: Plan, options: Mapping[str, Any], tags: Sequence[str]
) -> list[str]:
    """Give the command that sweeps so."""
    words = ["traindeck", "ablate", "-m", *overrides]
    if plan.mode != "product":
        words.append(f"--{plan.mode.replace('_', '-')}")
    words += ["--parallel", str(plan.parallel)] if plan.parallel > 1 else []
    words += ["--clamp"] if plan.clamp else []
    for option, value in options.items():
        words += [option, str(value)] if value is not None else []
    for tag in tags:
        words += ["--tag", tag]
    return words


def _dry_run(plan: Plan, notes: Sequence[str], as_json: bool) -> int:
    if as_json:
        json_line(ablate_json.plan_row(plan, notes))
        return EXIT_OK
    text.plan_table(plan)
    for each in notes:
        line(f"note: {each}")
    return EXIT_OK
