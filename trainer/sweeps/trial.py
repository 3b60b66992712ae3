"""One run of a sweep, as planned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
