"""A sweep with `--clamp`: what it changes in which trial, and which trials become one by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainer.config.text import clean
from trainer.display import aligned, plural
from trainer.errors import Problem
from trainer.sweeps.kinds import Mode
from trainer.sweeps.names import labels, shown, with_factors
from trainer.sweeps.trial import Lowered, Trial, numbered

if TYPE_CHECKING:
    from trainer.config.compose import Composed

NOTE = "--clamp: "
"""How a note begins that tells of a config what does not stay the same."""
_MOST_TOLD = 10


def lowered(composed: Composed) -> tuple[Lowered, ...]:
    """List what clamping has changed in a config."""
    return tuple(
        Lowered(change.key, change.old, change.new, change.origin.text if change.origin else "")
        for change in composed.clamped
    )


def merged(
    title: str, trials: Sequence[Trial], texts: Sequence[str], keys: Sequence[str], mode: Mode
) -> list[Trial]:
    """Let one trial stand for all that clamping has made the same.

    Of equal ones the baseline stays, else the first of those that clamping changes least. Trials that were the same before are left as they are: somebody wanted them so.

    Args:
        title: The sweep's name.
        trials: The trials, with what was clamped.
        texts: The whole config of each as one text, to compare it by.
        keys: The keys that vary.
        mode: How they are combined.
    """
    same: dict[str, list[Trial]] = {}
    for trial, text in zip(trials, texts, strict=True):
        same.setdefault(text, []).append(trial)
    stands: dict[int, Trial] = {}
    for group in same.values():
        if not any(trial.clamped for trial in group):
            stands |= {trial.number: trial for trial in group}
            continue
        kept = min(
            group,
            key=lambda trial: (
                not (mode == "one_at_a_time" and not trial.factors),
                len(trial.clamped),
            ),
        )
        others = tuple(trial.factors for trial in group if trial is not kept)
        stands[kept.number] = replace(kept, stands_for=others)
    if len(stands) == len(trials):
        return list(trials)
    return numbered(title, [stands[number] for number in sorted(stands)], keys, mode)


def nothing_left(trials: Sequence[Trial]) -> Problem | None:
    """Refuse a sweep whose trials have all become the same but for their seeds."""
    several = {repr(trial.factors) for trial in trials}
    if len(several) > 1 or not any(trial.stands_for for trial in trials):
        return None
    return Problem(
        "All trials are the same once they are clamped to the hardware: nothing varies.",
        "--clamp",
        "Give values below the limits, or choose hardware that takes these.",
    )


def notes(trials: Sequence[Trial], said: Mapping[str, Sequence[int]]) -> list[str]:
    """Say what clamping does to a sweep.

    Args:
        trials: The trials as they are to be trained.
        said: What does not stay the same by clamping, each with the numbers of its trials.
    """
    found = []
    changed = [trial for trial in trials if trial.clamped]
    if changed:
        numbers = ranges(trial.number for trial in changed)
        found.append(
            f"--clamp lowers {plural(len(changed), 'trial')} of {len(trials)} to the hardware's "
            f"limits: {numbers}"
        )
    standing: dict[str, list[int]] = {}
    for trial in trials:
        if trial.stands_for:
            others = "; ".join(with_factors(factors) for factors in trial.stands_for)
            standing.setdefault(others, []).append(trial.number)
    for others, numbers_of in list(standing.items())[:_MOST_TOLD]:
        one = len(numbers_of) == 1
        who = f"trial {numbers_of[0]} stands" if one else f"trials {ranges(numbers_of)} stand"
        found.append(f"{who} for {others} as well: clamped they are the same")
    for text, those in list(said.items())[:_MOST_TOLD]:
        who = "" if len(those) == len(trials) else f" (trials {ranges(those)})"
        found.append(f"{text}{who}")
    return found


def lines(trials: Sequence[Trial]) -> list[str]:
    """Write what clamping changes, trial by trial, as a diff; empty if it changes nothing."""
    rows = [
        [str(trial.number), "~", clean(each.key), f"{shown(each.old)} → {shown(each.new)}",
         clean(each.why)]
        for trial in trials
        for each in trial.clamped
    ]  # fmt: skip
    return aligned([["TRIAL", " ", "KEY", "VALUE", "FROM"], *rows]) if rows else []


def mark(clamped: Sequence[Lowered], stands_for: Sequence[dict[str, Any]]) -> str:
    """Say in a few words what was clamped; empty if nothing was."""
    short = labels(each.key for each in clamped)
    parts = [f"{clean(short[each.key])} {shown(each.old)} → {shown(each.new)}" for each in clamped]
    said = ", ".join(parts)
    if stands_for:
        others = "; ".join(with_factors(factors) for factors in stands_for)
        said += ("; " if said else "") + f"also stands for {others}"
    return said


def ranges(numbers: Iterable[int]) -> str:
    """Write numbers in short: `1, 3-6, 9`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = []
    for run in runs:
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(number) for number in run]
    return ", ".join(parts)
