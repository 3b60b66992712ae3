"""Files of instructions: one JSON object a line, with `instruction`, `output` and perhaps `input`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError, Problem

# What a sample may call its score.
_SCORES = ("quality_score", "quality")
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Record:
    """One sample.

    Attributes:
        instruction: What to do.
        given: What to do it with; empty for nothing.
        output: The answer.
        domain: What it is about; empty if it does not say.
    """

    instruction: str
    given: str
    output: str
    domain: str


@dataclass(frozen=True, slots=True)
class Records:
    """The samples of a file that are used.

    Attributes:
        kept: These.
        read: How many there are.
        low: How many are left out for their quality.
        other: How many for their domain.
        domains: How many of the kept ones are of each domain.
    """

    kept: list[Record]
    read: int
    low: int
    other: int
    domains: dict[str, int] = field(default_factory=dict)


def read(
    path: Path,
    *,
    quality_threshold: float | None = None,
    domains: Collection[str] | None = None,
    max_items: int | None = None,
) -> Records:
    """Read a file of samples.

    Args:
        path: The file; blank lines are skipped.
        quality_threshold: Least score of a sample that is used; one without a score counts as good.
        domains: Those that are used, and samples that name none; None or empty for all.
        max_items: Most samples that are used, the first ones; None for all.

    Raises:
        ConfigError: The file cannot be read, or lines are no samples; names the first of them.
    """
    kept: list[Record] = []
    problems: list[Problem] = []
    count = low = other = wrong = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                count += 1
                sample, what = _sample(line)
                if what:
                    wrong += 1
                    if len(problems) < _LISTED:
                        problems.append(Problem(what, f"{path}:{number}", key="data.root"))
                    continue
                score = next((s for s in map(sample.get, _SCORES) if s is not None), None)
                domain = str(sample.get("domain") or "")
                if (
                    quality_threshold is not None
                    and score is not None
                    and score < quality_threshold
                ):
                    low += 1
                elif domains and domain and domain not in domains:
                    other += 1
                else:
                    kept.append(
                        Record(
                            sample["instruction"],
                            sample.get("input") or "",
                            sample["output"],
                            domain,
                        )
                    )
    except FileNotFoundError as error:
        raise ConfigError(
            Problem(
                "There is no such file of samples.",
                str(path),
                "Set data.root to its folder and data.train_split, val_split and test_split to the "
                "names of the files; `traindeck data make-instruct FOLDER` makes a set.",
                "data.root",
            )
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        told = getattr(error, "strerror", None) or error
        raise ConfigError(
            Problem(f"cannot be read: {told}.", str(path), key="data.root")
        ) from error
    if problems:
        if wrong > len(problems):
            more = wrong - len(problems)
            problems.append(Problem(f"{more} more lines are no samples.", str(path)))
        raise ConfigError(*problems)
    kept = kept[:max_items]
    counted = Counter(each.domain for each in kept if each.domain)
    return Records(kept, count, low, other, dict(sorted(counted.items())))


def _sample(line: str) -> tuple[Mapping[str, Any], str]:
    """Read one line; gives what is wrong with it instead, if anything is."""
    try:
        sample = json.loads(line)
    except ValueError as error:
        return {}, f"The line is no JSON: {error}."
    if not isinstance(sample, dict):
        return {}, "The line is no JSON object."
    for name, needed in (("instruction", True), ("output", True), ("input", False)):
        value = sample.get(name)
        if (value is None and needed) or not isinstance(value, str | None):
            is_what = "lacks" if value is None else "has no text as"
            return {}, f"The sample {is_what} '{name}'."
    for name in _SCORES:
        value = sample.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            return {}, f"The sample's '{name}' is no number: {value!r}."
    return sample, ""
