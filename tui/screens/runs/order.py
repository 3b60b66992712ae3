"""The order of the list of runs."""

from __future__ import annotations

import math
from collections.abc import Iterable

from trainer.runs.summary import UNREADABLE, RunSummary
from tui import memory
from tui.screens.runs import fields
from tui.screens.runs.columns import BY_KEY

#: How the list is sorted unless told otherwise: what is at work, what waits, then the newest.
ACTIVITY = "activity"

_MEMORY = "runs"

_AT_WORK = frozenset({"running", "starting", "stopping"})
_OVER = frozenset({*fields.GROUPS["over"], UNREADABLE})


def arrange(runs: Iterable[RunSummary], key: str, reverse: bool, now: float) -> list[RunSummary]:
    """Sort runs; those that have nothing to sort by come last in either direction.

    Args:
        runs: The runs, newest first; equals stay in this order.
        key: A column, or `ACTIVITY`.
        reverse: Whether to turn the column's own direction round.
        now: Unix seconds.
    """
    runs = list(runs)
    if key == ACTIVITY:
        ranks: tuple[list[RunSummary], ...] = ([], [], [])
        for run in runs:
            state = run.state
            ranks[0 if state in _AT_WORK else 2 if state in _OVER else 1].append(run)
        ordered = [*ranks[0], *ranks[1], *ranks[2]]
        return ordered[::-1] if reverse else ordered
    column = BY_KEY[key]
    keyed: list[tuple[float | str, RunSummary]] = []
    without: list[RunSummary] = []
    for run in runs:
        value = column.order(run, now)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            without.append(run)
        else:
            keyed.append((value, run))
    keyed.sort(key=_first, reverse=column.downwards != reverse)
    return [run for _, run in keyed] + without


def _first(pair: tuple[float | str, RunSummary]) -> float | str:
    return pair[0]


def remember(key: str, reverse: bool) -> None:
    """Keep an order for the next time that the list is opened."""
    memory.remember(_MEMORY, {"sort": key, "reverse": reverse})


def remembered() -> tuple[str, bool]:
    """Give the order of the last time, or by activity where none is known."""
    found = memory.recall(_MEMORY)
    key = found.get("sort")
    known = isinstance(key, str) and key in BY_KEY
    return (str(key) if known else ACTIVITY, found.get("reverse") is True)
