"""What a sweep varies: overrides with several values, read with Hydra's own parser.

`k=a,b`, `choice(…)`, `range(…)`, `glob(…)` over the profiles of a group, `shuffle(…)` and `sort(…)`
are Hydra's. `interval(…)` has no end of values and is refused. `seed=0,1` is no axis: the trials are
repeated with each seed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from trainer.config.aliases import canonical_key
from trainer.config.overrides import Override, parse, parse_sweep
from trainer.config.sources import Sources, options_of, search_path
from trainer.config.text import clean
from trainer.errors import Problem, nearest

MOST_VALUES = 2000
"""So many values of one axis, and so many trials of one sweep."""
SEED = "seed"
# A group's name and a pattern of names, in Hydra's words.
_WILD = re.compile(r"(\w+)=([\w*?-]*[*?][\w*?-]*)")


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an axis.

    Attributes:
        text: As it stands behind `=` in an override.
        plain: The value itself: a number, text, list or the like.
    """

    text: str
    plain: Any


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that varies.

    Attributes:
        key: What a person calls it: the key as typed, without a prefix.
        prefix: `+` or `++` where it adds a key, else empty.
        values: Its values in order, each once.
        text: The override as typed.
    """

    key: str
    prefix: str
    values: tuple[Value, ...]
    text: str

    @property
    def canonical(self) -> str:
        """The canonical spelling of the key, by which two axes are the same."""
        return canonical_key(self.key)

    def override(self, value: Value) -> str:
        """Write the override that sets one value."""
        return f"{self.prefix}{self.key}={value.text}"


@dataclass(frozen=True)
class Parsed:
    """What a person typed, taken apart.

    Attributes:
        base: Overrides with one value, which every trial has.
        axes: What varies.
        seeds: Seeds to repeat every trial with; empty for the config's own.
    """

    base: tuple[str, ...]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]


def parse_axes(
    overrides: Sequence[str],
    *,
    profiles_dir: Path | None = None,
    cwd: Path | None = None,
    config_file: Path | None = None,
) -> tuple[Parsed, list[Problem]]:
    """Part overrides into those with one value and those with several.

    Args:
        overrides: As typed, in any order.
        profiles_dir: The project's profiles, for `glob(…)`.
        cwd: The project's folder.
        config_file: As for `compose`: the tables of a TOML file are profiles, too.

    Returns:
        The parts, and everything that is wrong with those that have several values. What is wrong
        with the others shows when the trials are composed.
    """
    base: list[str] = []
    axes: list[Axis] = []
    seeds: tuple[int, ...] = ()
    problems: list[Problem] = []
    groups = _Groups(profiles_dir, cwd, config_file)
    for text in overrides:
        found = parse_sweep(groups.spelt_out(text))
        if found is None:
            base.append(text)
            continue
        if isinstance(found, Problem):
            problems.append(found)
            continue
        axis = _axis(text, found, groups)
        if isinstance(axis, Problem):
            problems.append(axis)
        elif axis.canonical == SEED:
            seeds, wrong = _seeds(axis, seeds)
            problems += wrong
        else:
            axes.append(axis)
    problems += _twice(axes)
    return Parsed(tuple(base), tuple(axes), seeds), problems


def element(text: str) -> str | None:
    """Name what an override of one value sets; None for a bare word or what cannot be read."""
    found = parse(text)
    if not isinstance(found, Override) or "=" not in text:
        return None
    return canonical_key(found.element)


class _Groups:
    """The groups of profiles, looked for once somebody asks."""

    def __init__(
        self, profiles_dir: Path | None, cwd: Path | None, config_file: Path | None
    ) -> None:
        self._where = (profiles_dir, cwd, config_file)
        self._sources: Sources | None = None

    @property
    def sources(self) -> Sources:
        """The search path."""
        if self._sources is None:
            self._sources = search_path(*self._where)
        return self._sources

    def spelt_out(self, text: str) -> str:
        """Write `lora=*` as `lora=glob(*)`: no option of a group is called so."""
        found = _WILD.fullmatch(text)
        if found is None or not self.sources.is_group(found[1]):
            return text
        return f"{found[1]}=glob({found[2]})"

    def matching(self, group: str, glob: Any, where: str) -> list[str] | Problem:
        """Name the options of a group that fit a pattern."""
        names = [option.name for option in options_of(self.sources, group)]
        if not names:
            hint = nearest(group, self.sources.groups())
            return Problem(
                f"'{clean(group)}' is no group of profiles, and glob(…) chooses among these.",
                where,
                hint or "`traindeck profiles` lists the groups.",
                group,
            )
        found: list[str] = glob.filter(names)
        if not found:
            listed = ", ".join(names)
            return Problem(f"No profile of '{group}' fits.", where, f"There are {listed}.", group)
        return found


def _axis(text: str, found: Any, groups: _Groups) -> Axis | Problem:
    from hydra.core.override_parser.types import Glob
    from hydra.errors import HydraException

    where = f"override {clean(text)}"
    name: str = found.key_or_group
    prefix = "++" if found.is_force_add() else "+" if found.is_add() else ""
    key = name if found.package is None else f"{name}@{found.package}"
    if found.is_delete():
        return Problem("What is deleted has no values to try.", where, f"Write {name}=A,B.", name)
    if found.is_interval_sweep():
        return Problem(
            "'interval(…)' has no end of values between its bounds; a sweep tries each of a list.",
            where,
            f"Give a list ({name}=0.1,0.2) or steps ({name}=range(0,1,0.1)).",
            name,
        )
    try:
        if isinstance(found.value(), Glob):
            texts = groups.matching(name, found.value(), where)
            if isinstance(texts, Problem):
                return texts
        else:
            texts = list(islice(found.sweep_string_iterator(), MOST_VALUES + 1))
    except (HydraException, ValueError, ArithmeticError) as error:
        return Problem(f"The values cannot be listed: {clean(str(error))}.", where, "", name)
    if not texts:
        return Problem("It has no values at all.", where, f"Write {name}=A,B.", name)
    if len(texts) > MOST_VALUES:
        return Problem(f"It has more than {MOST_VALUES} values.", where, "", name)
    values: dict[str, Value] = {}
    for each in texts:
        read = parse(f"{prefix}{key}={each}")
        if isinstance(read, Problem):
            return Problem(read.what, where, read.remedy, read.key)
        # Hydra writes True.
        spelt = each.lower() if isinstance(read.value, bool) else each
        values.setdefault(repr(read.value), Value(spelt, read.value))
    return Axis(key, prefix, tuple(values.values()), text)


def _seeds(axis: Axis, before: tuple[int, ...]) -> tuple[tuple[int, ...], list[Problem]]:
    where = f"override {clean(axis.text)}"
    if before:
        return before, [Problem("The seeds are given twice.", where, "", SEED)]
    wrong = [value for value in axis.values if not is_seed(value.plain)]
    if wrong:
        what = f"'{clean(wrong[0].text)}' is no seed."
        return (), [Problem(what, where, "Seeds are whole numbers from 0 to 4294967295.", SEED)]
    return tuple(value.plain for value in axis.values), []


def is_seed(value: object) -> bool:
    """Tell whether a value can be a seed."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32


def _twice(axes: Sequence[Axis]) -> list[Problem]:
    seen: dict[str, Axis] = {}
    problems = []
    for axis in axes:
        first = seen.setdefault(axis.canonical, axis)
        if first is not axis:
            problems.append(
                Problem(
                    f"'{clean(axis.key)}' varies twice, also in '{clean(first.text)}'.",
                    f"override {clean(axis.text)}",
                    "Give all its values in one override.",
                    axis.canonical,
                )
            )
    return problems
