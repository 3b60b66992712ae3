"""One run of a sweep, as planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trainer.sweeps.kinds import Mode
from trainer.sweeps.names import labels, shown

_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Lowered:
    """A value that `--clamp` changes in a trial.

    Attributes:
        key: The canonical key.
        old: What was asked for.
        new: What the hardware profile allows.
        why: Which limit asks for it.
    """

    key: str
    old: Any
    new: Any
    why: str = ""


@dataclass(frozen=True)
class Trial:
    """One run of a sweep, as planned.

    Attributes:
        number: Counted from 1.
        name: The run's name.
        overrides: All that its config is composed from.
        factors: What varies, by key, with its value here. With one at a time only what differs from
            the baseline, which has none.
        seed: Its seed, if the sweep repeats with seeds.
        config_hash: Hash of its config once it has been composed.
        clamped: What `--clamp` changes in it.
        stands_for: The factors of trials that clamping makes the same as this one; they are not
            trained.
    """

    number: int
    name: str
    overrides: tuple[str, ...]
    factors: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    config_hash: str = ""
    clamped: tuple[Lowered, ...] = ()
    stands_for: tuple[dict[str, Any], ...] = ()


def numbered(title: str, found: Sequence[Trial], keys: Sequence[str], mode: Mode) -> list[Trial]:
    """Number trials from 1 on, and name them.

    Args:
        title: The sweep's name.
        found: The trials, in order.
        keys: The keys that vary.
        mode: How they are combined.
    """
    width, short = len(str(len(found))), labels(keys)
    named = []
    for number, trial in enumerate(found, 1):
        words = [f"{short[key]}={shown(value)}" for key, value in trial.factors.items()]
        if mode == "one_at_a_time" and not trial.factors:
            words = ["baseline"]
        words += [f"seed={trial.seed}"] if trial.seed is not None else []
        name = " ".join([f"{title}-{number:0{width}}", *words])[:_LONGEST]
        named.append(replace(trial, number=number, name=name))
    return named
