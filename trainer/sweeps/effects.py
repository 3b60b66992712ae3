"""What each value of a factor does by itself, over all values of the others. Standard library.

A cell is one combination of values; its mean is over the seeds of the trials that have ended. Cells
count alike, however many seeds each has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from trainer.sweeps.clamped import ranges

if TYPE_CHECKING:
    from trainer.sweeps.kinds import Mode
    from trainer.sweeps.results import Group, Table


@dataclass(frozen=True)
class Effect:
    """The marginal effect of one value of a factor.

    Attributes:
        key: The factor.
        value: Its value.
        mean: Mean of the metric over the cells with that value.
        effect: That mean less the reference: the mean of all cells, or the baseline with one at a
            time.
        error: Standard error of the effect; None where nothing tells how much values scatter.
        cells: How many cells have that value.
    """

    key: str
    value: Any
    mean: float
    effect: float
    error: float | None
    cells: int


@dataclass(frozen=True)
class Effects:
    """The marginal effects of a sweep.

    Attributes:
        rows: By factor and value, in the order of the trials.
        reference: What effects are counted from; None without any value.
        source: Where the standard errors come from, in words; empty if there are none.
        notes: What a reader must know before trusting them.
    """

    rows: tuple[Effect, ...] = ()
    reference: float | None = None
    source: str = ""
    notes: tuple[str, ...] = ()


def marginal(table: Table, mode: Mode) -> Effects:
    r"""Reckon the marginal effects of all factors.

    With `y_c` the mean of cell c over its `n_c` seeds, `M` cells, of which `m` have value i of a
    factor, the effect of that value is

        effect_i = sum_{c has i} y_c / m  -  sum_c y_c / M  =  sum_c w_c y_c

    and its standard error `sqrt(s^2 * sum_c w_c^2 / n_c)` (Montgomery, Design and Analysis of
    Experiments, 8th ed., sections 3.5 on contrasts and 5.3 on factorial effects). `s^2` is the
    variance within cells, pooled over those with several seeds:
    `sum_c (n_c - 1) s_c^2 / sum_c (n_c - 1)`. A full product without repeats has none; there `s^2`
    is what the sum of all effects leaves unexplained, over its degrees of freedom (section 5.3.7),
    which takes interactions for noise and so errs upwards. Seeds count as independent: that cells
    share them is not used. With one at a time the reference is the baseline's cell, and
    `effect_i = y_i - y_baseline`.

    Args:
        table: The results.
        mode: How the axes were combined.
    """
    cells = [group for group in _in_order(table) if group.mean is not None]
    levels = _levels(table)
    if not cells or not levels:
        return Effects()
    alone = mode == "one_at_a_time"
    baseline = next((cell for cell in cells if not cell.factors), None)
    if alone and baseline is None:
        return Effects(notes=("The baseline has no value yet, so there is nothing to count from.",))
    full = not alone and len(cells) == prod(len(values) for values in levels.values())
    variance, source = _variance(cells, levels, full=full)
    means = [cell.mean or 0.0 for cell in cells]
    reference = (baseline.mean or 0.0) if alone and baseline else sum(means) / len(means)
    rows = []
    for key, values in levels.items():
        for name, value in values.items():
            having = [_has(cell, key, name) for cell in cells]
            many = sum(having)
            if not many:
                continue
            start = [float(cell is baseline) if alone else 1 / len(cells) for cell in cells]
            weights = [has / many - less for has, less in zip(having, start, strict=True)]
            mean = sum(y for y, has in zip(means, having, strict=True) if has) / many
            error = None
            if variance is not None and any(weights):
                spread = sum(w * w / cell.n for w, cell in zip(weights, cells, strict=True))
                error = math.sqrt(variance * spread)
            rows.append(Effect(key, value, mean, mean - reference, error, many))
    notes = _notes(levels, mode, full=full, error=bool(source))
    if lowered := [row.trial for row in table.rows if row.lowered]:
        notes += (
            f"Clamped to the hardware's limits: trials {ranges(lowered)}. An effect is of what was "
            "trained, and that need not be the value in the table.",
        )
    return Effects(tuple(rows), reference, source, notes)


def _level(value: Any) -> str:
    """Name a value so that equal values have equal names."""
    return json.dumps(value, sort_keys=True, default=str)


def _in_order(table: Table) -> list[Group]:
    """Give the combinations in the order of their first trials."""
    return sorted(table.groups, key=lambda group: group.rows[0].trial)


def _levels(table: Table) -> dict[str, dict[str, Any]]:
    """List the values of each factor, in the order of the trials."""
    found: dict[str, dict[str, Any]] = {key: {} for key in table.factors}
    for row in table.rows:
        for key, value in row.factors.items():
            found.setdefault(key, {}).setdefault(_level(value), value)
    return {key: values for key, values in found.items() if values}


def _has(cell: Group, key: str, name: str) -> bool:
    return key in cell.factors and _level(cell.factors[key]) == name


def _variance(
    cells: Sequence[Group], levels: dict[str, dict[str, Any]], *, full: bool
) -> tuple[float | None, str]:
    """Estimate how much a single value scatters, and say from what."""
    free = sum(cell.n - 1 for cell in cells)
    if free > 0:
        within = sum((cell.n - 1) * (cell.spread or 0.0) * (cell.spread or 0.0) for cell in cells)
        return within / free, f"the spread between seeds, pooled ({free} degrees of freedom)"
    free = len(cells) - 1 - sum(len(values) - 1 for values in levels.values())
    if not full or free <= 0:
        return None, ""
    means = [cell.mean or 0.0 for cell in cells]
    overall = sum(means) / len(means)
    fitted = [overall] * len(cells)
    for key, values in levels.items():
        for name in values:
            having = [i for i, cell in enumerate(cells) if _has(cell, key, name)]
            effect = sum(means[i] for i in having) / len(having) - overall
            for i in having:
                fitted[i] += effect
    left = sum((y - f) * (y - f) for y, f in zip(means, fitted, strict=True))
    return left / free, (
        f"what the effects together leave unexplained ({free} degrees of freedom): "
        "without seeds, interactions count as noise"
    )


def _notes(
    levels: dict[str, dict[str, Any]], mode: Mode, *, full: bool, error: bool
) -> tuple[str, ...]:
    found = []
    single = [key for key, values in levels.items() if len(values) == 1]
    if mode == "one_at_a_time":
        found.append("Each value is compared with the baseline alone; interactions are not seen.")
    else:
        if single:
            found.append(
                f"{', '.join(single)}: one value only, so there is nothing to compare it with."
            )
        if mode == "paired":
            found.append(
                "The factors varied in step: their effects cannot be told from each other."
            )
        elif not full:
            found.append(
                "Not every combination has a value: values of one factor met different values of "
                "the others, and part of an effect may be theirs."
            )
    if not error:
        found.append("Nothing tells how much values scatter; repeat with --seeds for errors.")
    return tuple(found)
