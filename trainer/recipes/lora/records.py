"""Files of instructions: one JSON object a line, with `instruction`, `output` and perhaps `input`."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.config.samples import BOM, LISTED, SCORES, sample_of
from trainer.errors import ConfigError, Problem


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


class Kept:
    """The samples of a file that are used, read again from it when asked for: texts take much memory.

    Args:
        path: The file.
        places: Where in it their lines begin, bytes, rising.
    """

    def __init__(self, path: Path, places: array[int]) -> None:
        self._path = path
        self._places = places

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self._places)

    def __getitem__(self, number: int) -> Record:
        """Read one.

        Raises:
            ConfigError: The file has been changed since it was read first.
        """
        return next(self._read(self._places[number : number + 1]))

    def __iter__(self) -> Iterator[Record]:
        """Read one after the other."""
        return self._read(self._places)

    def _read(self, places: array[int]) -> Iterator[Record]:
        try:
            with self._path.open("rb") as file:
                for place in places:
                    file.seek(place)
                    sample, wrong = sample_of(file.readline())
                    if wrong:
                        raise ConfigError(
                            Problem(
                                "The file has been changed while it was in use.",
                                str(self._path),
                                key="data.root",
                            )
                        )
                    yield _record(sample)
        except OSError as error:
            raise _unreadable(self._path, error) from error


@dataclass(frozen=True, slots=True)
class Records:
    """The samples of a file that are used.

    Attributes:
        kept: These.
        read: How many there are.
        low: How many are left out for their quality.
        other: How many for their domain.
        domains: How many of the kept ones are of each domain.
        others: How many of those left out for it are of each.
    """

    kept: Kept
    read: int
    low: int
    other: int
    domains: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)


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
    places, named, elsewhere = array("q"), Counter[str](), Counter[str]()
    problems: list[Problem] = []
    count = low = wrong = place = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                begins, place = place, place + len(line)
                if not line.removeprefix(BOM).strip():
                    continue
                count += 1
                sample, what = sample_of(line)
                if what:
                    wrong += 1
                    if len(problems) < LISTED:
                        problems.append(Problem(what, f"{path}:{number}", key="data.root"))
                    continue
                score = next((s for s in map(sample.get, SCORES) if s is not None), None)
                domain = str(sample.get("domain") or "")
                if (
                    quality_threshold is not None
                    and score is not None
                    and score < quality_threshold
                ):
                    low += 1
                elif domains and domain and domain not in domains:
                    elsewhere[domain] += 1
                elif max_items is None or len(places) < max_items:
                    places.append(begins)
                    named.update([domain] if domain else [])
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
    except OSError as error:
        raise _unreadable(path, error) from error
    if problems:
        if wrong > len(problems):
            more = wrong - len(problems)
            problems.append(Problem(f"{more} more lines are no samples.", str(path)))
        raise ConfigError(*problems)
    used, unused = (dict(sorted(each.items())) for each in (named, elsewhere))
    return Records(Kept(path, places), count, low, elsewhere.total(), used, unused)


def _record(sample: Mapping[str, Any]) -> Record:
    domain = str(sample.get("domain") or "")
    return Record(sample["instruction"], sample.get("input") or "", sample["output"], domain)


def _unreadable(path: Path, error: OSError) -> ConfigError:
    told = error.strerror or error
    return ConfigError(Problem(f"cannot be read: {told}.", str(path), key="data.root"))
