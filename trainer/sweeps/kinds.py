"""The words that a sweep's plan chooses from. Light: what only reads sweeps composes no config."""

from __future__ import annotations

from typing import Any, Literal

Mode = Literal["product", "one_at_a_time", "paired"]
MODES: tuple[Mode, ...] = ("product", "one_at_a_time", "paired")
Goal = Literal["min", "max"]
FORMATS: tuple[str, ...] = ("md", "html")
"""The formats of a leaderboard, as `ablation.leaderboard` names them."""
PICTURES: tuple[str, ...] = ("png", "svg")
"""The formats of plots, as `ablation.diagnostics` names them."""
PUBLISH: tuple[str, ...] = ("best", "all", "none")
"""Whose model a sweep publishes, as `ablation.publish` names it; what is usual comes first."""


def formats(wanted: Any, known: tuple[str, ...] = FORMATS) -> tuple[str, ...]:
    """Pick the formats that are known out of a list; all of them if there is no list."""
    listed = wanted if isinstance(wanted, list | tuple) else known
    return tuple(name for name in known if name in listed)


def known_or_first(wanted: Any, known: tuple[str, ...]) -> str:
    """Give a word if it is known, else the first of those that are."""
    return wanted if isinstance(wanted, str) and wanted in known else known[0]
