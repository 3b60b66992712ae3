"""The trials of a sweep: from what varies to a list of configs that are all known to be right."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

from trainer.config.compose import Composed, compose
from trainer.config.tables import RECIPE
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem
from trainer.sweeps import clamped
from trainer.sweeps.axes import MOST_VALUES, SEED, Axis, Parsed, element, parse_axes
from trainer.sweeps.combine import Setting, settings, trials
from trainer.sweeps.combine import overrides as overrides_of
from trainer.sweeps.kinds import (
    FORMATS,
    MODES,
    PICTURES,
    PUBLISH,
    Goal,
    Mode,
    formats,
    known_or_first,
)
from trainer.sweeps.trial import Trial

__all__ = [
    "FORMATS",
    "MODES",
    "PICTURES",
    "PUBLISH",
    "Goal",
    "Mode",
    "Plan",
    "Trial",
    "check",
    "default_name",
    "formats",
    "known_or_first",
    "make",
]

PROFILE = "ablation"
"""The profile of `trainer` that a sweep takes where nobody chose another."""


@dataclass(frozen=True)
class Plan:
    """What a sweep will run.

    Attributes:
        mode: How axes are combined.
        axes: What varies.
        base: The overrides of the baseline.
        seeds: Seeds that every trial is repeated with; empty for the config's own.
        trials: The trials in order.
        title: The sweep's name.
        metric: What they are compared by.
        goal: Whether less or more of it is better.
        parallel: How many train at the same time.
        warm_workers: Whether trials are forked from one process that has everything loaded.
        leaderboard: The formats that its leaderboard is written in.
        diagnostics: The formats that its plots are written in.
        publish: Which trials' models come to the folder of models.
        clamp: Whether each trial is lowered to what its hardware profile allows.
        notes: What a person should know.
        where: `config_file`, `profiles_dir` and `cwd` to compose with.
    """

    mode: Mode
    axes: tuple[Axis, ...]
    base: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: tuple[Trial, ...]
    title: str = "sweep"
    metric: str = "val/loss"
    goal: Goal = "min"
    parallel: int = 1
    warm_workers: bool = True
    leaderboard: tuple[str, ...] = FORMATS
    diagnostics: tuple[str, ...] = PICTURES
    publish: str = PUBLISH[0]
    clamp: bool = False
    notes: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Give what is planned, but for the trials, as plain data: for files and for `--json`."""
        return {
            "mode": self.mode,
            "axes": [
                {"key": axis.key, "values": [value.plain for value in axis.values]}
                for axis in self.axes
            ],
            "overrides": list(self.base),
            "seeds": list(self.seeds),
            "parallel": self.parallel,
            "metric": self.metric,
            "goal": self.goal,
            "warm_workers": self.warm_workers,
            "leaderboard": list(self.leaderboard),
            "diagnostics": list(self.diagnostics),
            "publish": self.publish,
            "clamp": self.clamp,
        }


def make(
    base_overrides: Sequence[str],
    sweep_overrides: Sequence[str] = (),
    mode: Mode = "product",
    seeds: Sequence[int] = (),
    *,
    name: str = "",
    metric: str | None = None,
    goal: Goal | None = None,
    parallel: int | None = None,
    config_file: Path | None = None,
    profiles_dir: Path | None = None,
    cwd: Path | None = None,
    default_profile: bool = True,
    clamp: bool = False,
) -> Plan:
    """Plan a sweep; its trials are not composed yet, see `check`.

    Args:
        base_overrides: What every trial has. Those with several values are axes as well.
        sweep_overrides: What varies. Where nothing does, `ablation.sweep` of the config.
        mode: All combinations, each value against the baseline, or all axes in step.
        seeds: Seeds to repeat each trial with.
        name: The sweep's name, with which the names of its runs begin; its preset's or profile's
            if empty.
        metric: What to compare by; `trainer.monitor` of the baseline if None.
        goal: Whether less or more is better; `trainer.monitor_mode` if None.
        parallel: Trials at the same time; `ablation.parallel_runs` if None.
        config_file: As for `compose`.
        profiles_dir: As for `compose`.
        cwd: As for `compose`.
        default_profile: Whether `trainer=ablation` is taken where nothing chooses a trainer.
        clamp: Lower each trial to what its hardware profile allows, in place of refusing it.

    Raises:
        ConfigError: What varies is wrong; holds every problem found.
    """
    where: dict[str, Any] = {"config_file": config_file, "profiles_dir": profiles_dir, "cwd": cwd}
    parsed, problems = _parts([*base_overrides, *sweep_overrides], seeds, where)
    base, notes = parsed.base, []
    if default_profile and _only_fine_tuned(parsed):
        base = (RECIPE, *base)
        notes.append(f"preset {RECIPE}, as an expert or an adapter is trained")
    if default_profile and not _chosen(base, parsed.axes, where):
        base = (f"trainer={PROFILE}", *base)
        notes.append(f"trainer={PROFILE}, as no trainer is chosen")
    baseline = compose(base, check=False, **where)
    section = baseline.config.get("ablation") or {}
    if not parsed.axes and not problems and not notes:
        # The list of a profile that somebody chose; nobody means hundreds of trials by one word.
        listed = [str(text) for text in section.get("sweep") or [] if isinstance(text, str)]
        parsed, problems = _parts([*base, *listed], parsed.seeds, where)
        base = parsed.base
    if not problems:
        problems = _wrong(parsed, mode)
    if problems:
        raise ConfigError(*problems)
    title = name or default_name(baseline)
    combined = settings(parsed.axes, mode, lambda values: _plain(base, values, where))
    monitor = baseline.config.get("trainer") or {}
    return Plan(
        mode=mode,
        axes=parsed.axes,
        base=base,
        seeds=parsed.seeds,
        trials=tuple(trials(title, base, parsed, combined, mode)),
        title=title,
        metric=metric or str(monitor.get("monitor") or "val/loss"),
        goal=goal or ("max" if monitor.get("monitor_mode") == "max" else "min"),
        parallel=parallel or _whole(section.get("parallel_runs")),
        warm_workers=section.get("warm_workers") is not False,
        leaderboard=formats(section.get("leaderboard")),
        diagnostics=formats(section.get("diagnostics"), PICTURES),
        publish=known_or_first(section.get("publish"), PUBLISH),
        clamp=clamp,
        notes=tuple(notes),
        where=where,
    )


def check(
    plan: Plan, told: Callable[[int], None] | None = None
) -> tuple[Plan, tuple[Composed, ...]]:
    """Compose every trial, before any of them starts.

    Args:
        plan: From `make`.
        told: Called with the number of trials composed so far.

    Returns:
        The plan with the hashes of its configs, and the first trial's config for notes.

    Raises:
        ConfigError: Some config is wrong. Holds all problems of all trials; each names its trials.
    """
    found: list[Trial] = []
    texts: list[str] = []
    first: list[Composed] = []
    said: dict[str, list[Trial]] = {}
    problems: dict[tuple[str, str, str], tuple[Problem, list[Trial]]] = {}
    for done, trial in enumerate(plan.trials, 1):
        composed = compose(trial.overrides, check=False, clamp=plan.clamp, **plan.where)
        for problem in composed.problems:
            same = (problem.what, problem.where, problem.remedy)
            of = problems.setdefault(same, (problem, []))[1]
            if trial not in of[-1:]:
                of.append(trial)
        lowered = clamped.lowered(composed)
        trial_hash = "" if composed.problems else composed.hash
        found.append(replace(trial, config_hash=trial_hash, clamped=lowered))
        texts += [_text(composed)] if plan.clamp else []
        for note in composed.notes:
            if note.startswith(clamped.NOTE):
                said.setdefault(note, []).append(found[-1])
        first = first or [composed]
        if told is not None:
            told(done)
    if problems:
        total = len(plan.trials)
        raise ConfigError(*(_named(problem, of, total) for problem, of in problems.values()))
    if plan.clamp:
        return _clamped(plan, found, texts, said), tuple(first)
    return replace(plan, trials=tuple(found)), tuple(first)


def _clamped(
    plan: Plan, found: list[Trial], texts: list[str], said: Mapping[str, Sequence[Trial]]
) -> Plan:
    """Put trials together that clamping has made the same, and say what it does.

    Raises:
        ConfigError: They all are the same now.
    """
    keys = [axis.key for axis in plan.axes]
    kept = clamped.merged(plan.title, found, texts, keys, plan.mode)
    if problem := clamped.nothing_left(kept):
        raise ConfigError(problem)
    now = {trial.overrides: trial.number for trial in kept}
    numbers = {
        note: [now[trial.overrides] for trial in of if trial.overrides in now]
        for note, of in said.items()
    }
    notes = clamped.notes(kept, {note: of for note, of in numbers.items() if of})
    return replace(plan, trials=tuple(kept), notes=(*plan.notes, *notes))


def default_name(composed: Composed) -> str:
    """Name a sweep after its preset, or the trainer profile where there is none."""
    from trainer.runs.plan import default_name as name_of

    return name_of(composed)


def _parts(
    overrides: Sequence[str], seeds: Sequence[int], where: Mapping[str, Any]
) -> tuple[Parsed, list[Problem]]:
    parsed, problems = parse_axes(overrides, **where)
    if seeds and parsed.seeds:
        twice = Problem("The seeds are given twice.", "--seeds", "Leave out one of them.", SEED)
        problems.append(twice)
    elif seeds:
        parsed = replace(parsed, seeds=tuple(dict.fromkeys(seeds)))
    return parsed, problems


def _chosen(base: Sequence[str], axes: Sequence[Axis], where: Mapping[str, Any]) -> bool:
    """Tell whether the person chose a trainer, or a preset or file that may."""
    from trainer.config.primary import primary
    from trainer.config.sources import is_toml, search_path

    keys = {axis.key for axis in axes} | {element(text) for text in base}
    file, cwd = where["config_file"], where["cwd"] or Path.cwd()
    if _presets(base) or keys & {"trainer", "preset"}:
        return True
    if file is not None and not is_toml(file):
        return True
    sources = search_path(where["profiles_dir"], cwd, file)
    own = primary(sources, file, cwd).shown
    if own and not is_toml(Path(own)):
        return True
    # Of a file of tables only what settles a trainer counts: it has other things to say as well.
    return any(
        "trainer" in toml.values or any(_settles(entry.group) for entry in toml.defaults or ())
        for toml in sources.toml_files()
    )


def _only_fine_tuned(parsed: Parsed) -> bool:
    """Tell whether experts or adapters are named, and no preset that says what trains them."""
    keys = {axis.key for axis in parsed.axes} | {element(text) for text in parsed.base}
    return bool(keys & {"expert", "lora"}) and not _presets(parsed.base) and "preset" not in keys


def _settles(group: str | None) -> bool:
    return (group or "").removeprefix("/") in ("trainer", "preset")


def _presets(base: Sequence[str]) -> bool:
    return any("=" not in text and not text.startswith("~") for text in base)


def _wrong(parsed: Parsed, mode: Mode) -> list[Problem]:
    """Find what is wrong with the axes together."""
    axes = parsed.axes
    if not axes and not parsed.seeds:
        return [
            Problem(
                "Nothing varies.",
                "ablate",
                "Give a key with several values (-m loss.composite.smoothness.weight=0.0,0.05,0.1),"
                " --seeds 0,1,2, or a profile that lists them (trainer=ablation).",
            )
        ]
    lengths = {axis.key: len(axis.values) for axis in axes}
    if mode == "paired" and len(set(lengths.values())) > 1:
        listed = ", ".join(f"{clean(key)} has {length}" for key, length in lengths.items())
        return [
            Problem(
                f"Paired axes need as many values each: {listed}.",
                "--paired",
                "Give all of them the same number of values.",
            )
        ]
    sizes = lengths.values()
    combined = (
        prod(sizes)
        if mode == "product"
        else 1 + sum(sizes)
        if mode == "one_at_a_time"
        else max(sizes, default=1)
    )
    count = combined * max(1, len(parsed.seeds))
    if count > MOST_VALUES:
        factors = " x ".join(
            str(size) for size in [*sizes, *([len(parsed.seeds)] * bool(parsed.seeds))]
        )
        return [
            Problem(
                f"That makes {count} trials ({factors}); one sweep holds at most {MOST_VALUES}.",
                "ablate",
                "Give fewer values, or try each against the baseline with --one-at-a-time.",
            )
        ]
    return []


def _plain(base: Sequence[str], values: Setting, where: Mapping[str, Any]) -> str:
    """Give the whole config of a setting as one text, to compare it by."""
    composed = compose(overrides_of(base, values, None), check=False, **where)
    if composed.problems:
        # Told by `check`; until then it is like no other.
        return repr([(axis.key, value.text) for axis, value in values])
    return _text(composed)


def _text(composed: Composed) -> str:
    return json.dumps(composed.config, sort_keys=True, default=str)


def _named(problem: Problem, trials: Sequence[Trial], total: int) -> Problem:
    """Say which trials have a problem; what all of them have is said as for one run."""
    if len(trials) == total:
        return problem
    if len(trials) == 1:
        place = f"trial {clean(trials[0].name)}"
    else:
        place = f"trials {clamped.ranges(trial.number for trial in trials)}"
    return replace(problem, where=f"{place}: {problem.where}" if problem.where else place)


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 1
