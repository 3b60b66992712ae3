"""Two runs side by side: what went in, and whether the same came out, bit for bit."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.runs import environment
from trainer.runs.layout import RunFolder
from trainer.runs.repro.facts import Facts, commit_of, files_of, mapping
from trainer.runs.rows import merged_rows
from trainer.runs.values import printable

PARTS = ("config", "code", "environment", "data")
#: Metrics under these names measure the machine, and are never the same twice.
MEASURES = ("perf/", "gpu/", "memory/", "time/")


@dataclass(frozen=True)
class Part:
    """One of the hashes of two runs.

    Attributes:
        name: "config", "code", "environment" or "data".
        same: Whether they are the same; None if one of them is not known.
        words: In what they differ.
    """

    name: str
    same: bool | None
    words: str


@dataclass(frozen=True)
class Outcome:
    """What the figures of two runs say.

    Attributes:
        steps: How many steps both have figures of.
        last: The last of these steps; None if there is none.
        metrics: The metrics that were compared.
        parted: The first step at which a figure differs; None if none does.
        differing: What differs there: metric, value in one, value in the other.
        only: Steps that only one of them has: how many in one, how many in the other.
    """

    steps: int
    last: int | None
    metrics: tuple[str, ...]
    parted: int | None
    differing: tuple[tuple[str, Any, Any], ...]
    only: tuple[int, int]

    @property
    def equal(self) -> bool:
        """Whether both have figures in common, and all of them are the same to the last bit."""
        return self.steps > 0 and self.parted is None


def compare_parts(one: Facts, other: Facts) -> list[Part]:
    """Compare the hashes of two runs, and say in what they differ."""
    return [_part(name, one, other) for name in PARTS]


def compare_figures(
    one: RunFolder, other: RunFolder, *, first: int | None = None, up_to: int | None = None
) -> Outcome:
    """Compare every metric that both runs have, step by step, by its bits.

    Metrics of speed and memory are left out. After a resume the later value of a step counts.

    Args:
        one: A run.
        other: Another one.
        first: Compare from this step on; from the first if None.
        up_to: Compare no later step.
    """
    sides = [_figures(run) for run in (one, other)]
    for side in sides:
        for step in [s for s in side if not (first or 0) <= s <= (s if up_to is None else up_to)]:
            del side[step]
    both = sorted(sides[0].keys() & sides[1].keys())
    metrics: set[str] = set()
    compared = 0
    last = parted = None
    differing: tuple[tuple[str, Any, Any], ...] = ()
    for step in both:
        a, b = sides[0][step], sides[1][step]
        names = sorted(a.keys() & b.keys())
        if not names:
            continue
        compared, last = compared + 1, step
        metrics.update(names)
        if parted is None:
            apart = tuple((n, a[n], b[n]) for n in names if _bits(a[n]) != _bits(b[n]))
            if apart:
                parted, differing = step, apart
    only = (len(sides[0].keys() - sides[1].keys()), len(sides[1].keys() - sides[0].keys()))
    return Outcome(compared, last, tuple(sorted(metrics)), parted, differing, only)


def outcome_words(outcome: Outcome) -> str:
    """Say in a line what came out."""
    if not outcome.steps:
        return "they have no step in common"
    if outcome.parted is None:
        told = f"the same to the last bit at {outcome.steps} steps, up to step {outcome.last}"
        left = max(outcome.only)
        return f"{told}; {left} more steps are in one run only" if left else told
    shown = [f"{name} {a!r} and {b!r}" for name, a, b in _losses_first(outcome.differing)]
    return printable(f"they part at step {outcome.parted}: {environment.several(shown, 2)}")


def _losses_first(differing: tuple[tuple[str, Any, Any], ...]) -> list[tuple[str, Any, Any]]:
    return sorted(differing, key=lambda each: "loss" not in each[0])


def _figures(run: RunFolder) -> dict[int, dict[str, Any]]:
    return {
        row["step"]: {n: v for n, v in row["metrics"].items() if not str(n).startswith(MEASURES)}
        for row in merged_rows(run)
    }


def _bits(value: object) -> object:
    """Give what tells two values apart to the last bit; 1 and 1.0 are the same number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return struct.pack("<d", value)
    except OverflowError:
        return value


def _part(name: str, one: Facts, other: Facts) -> Part:
    first, second = (side.summary.get(name) for side in (one, other))
    if name == "data" and first is None and second is None and one.summary and other.summary:
        return Part(name, True, "neither names any")
    hashes = [mapping(side).get("hash") for side in (first, second)]
    known = all(isinstance(each, str) for each in hashes)
    if not known and not (name == "data" and one.summary and other.summary):
        return Part(name, None, "the hash of one of them is not known")
    if hashes[0] == hashes[1]:
        return Part(name, True, "")
    told = _differences(name, mapping(first), mapping(second), one, other)
    return Part(name, False, printable(told))


def _differences(
    name: str, first: Mapping[str, Any], second: Mapping[str, Any], one: Facts, other: Facts
) -> str:
    if name == "config":
        return environment.several(_keys_apart(one.config, other.config, ""))
    if name == "environment":
        whole = one.locked and other.locked
        sides = (one.locked, other.locked) if whole else (first, second)
        return environment.several(environment.differences(*sides))
    if name == "data":
        return f"{files_of(first)} → {files_of(second)}"
    told = []
    if first.get("project") != second.get("project"):
        told.append(f"{commit_of(first.get('project'))} → {commit_of(second.get('project'))}")
    if first.get("traindeck") != second.get("traindeck"):
        told.append("traindeck itself is another one")
    return ", ".join(told)


def _keys_apart(one: Mapping[str, Any], other: Mapping[str, Any], above: str) -> list[str]:
    """List the keys whose values differ, but for those of the `run` section, which count not."""
    found = []
    for name in sorted({*map(str, one), *map(str, other)}):
        key = f"{above}.{name}" if above else name
        a, b = one.get(name), other.get(name)
        if key == "run" or a == b:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _keys_apart(a, b, key)
        else:
            found.append(f"{key} {str(a)[:80]} → {str(b)[:80]}")
    return found
