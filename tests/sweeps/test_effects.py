"""Marginal effects against sums written out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainer.runs.status import State
from trainer.sweeps.effects import Effects, marginal
from trainer.sweeps.results import Row, Table, _group


def tabled(*cells: tuple[dict[str, Any], list[float | None]]) -> Table:
    """Make a table of combinations with the values of their seeds."""
    rows: list[Row] = []
    groups = []
    for factors, values in cells:
        own = [
            Row(
                len(rows) + place,
                factors,
                place,
                value,
                10,
                1.0,
                State.FAILED if value is None else State.COMPLETED,
                "",
                None,
            )
            for place, value in enumerate(values, 1)
        ]
        rows += own
        groups.append(_group(own))
    keys = list(dict.fromkeys(key for factors, _ in cells for key in factors))
    return Table("val/loss", "min", keys, rows, groups[::-1])


def effects(found: Effects) -> dict[tuple[str, Any], tuple[float, float | None]]:
    return {(row.key, row.value): (row.effect, row.error) for row in found.rows}


def test_effects_of_a_full_product_with_seeds() -> None:
    found = marginal(
        tabled(
            ({"a": 1, "b": True}, [1.0, 3.0]),
            ({"a": 1, "b": False}, [5.0, 7.0]),
            ({"a": 2, "b": True}, [2.0, 2.0]),
            ({"a": 2, "b": False}, [8.0, 10.0]),
        ),
        "product",
    )
    # Cells are 2, 6, 2, 9; their mean is 4.75. Within them s^2 = (2 + 2 + 0 + 2) / 4 = 1.5, and
    # every weight is 1/4 or -1/4 over two seeds each: 1.5 * 4 * (1/16) / 2.
    error = pytest.approx(math.sqrt(1.5 / 8))
    assert found.reference == 4.75
    assert effects(found) == {
        ("a", 1): (-0.75, error),
        ("a", 2): (0.75, error),
        ("b", True): (-2.75, error),
        ("b", False): (2.75, error),
    }
    assert "4 degrees of freedom" in found.source
    assert found.notes == ()


def test_without_seeds_the_error_is_what_effects_leave_unexplained() -> None:
    cells = [({"a": a, "b": b}, [10.0 * a + b + (a == b == 1)]) for a in (0, 1) for b in (0, 1)]
    found = marginal(tabled(*cells), "product")
    # The interaction leaves 0.25 in each cell: 4 * 0.0625 over one degree of freedom.
    assert effects(found)["a", 1] == (5.25, pytest.approx(math.sqrt(0.25 / 4)))
    assert "interactions count as noise" in found.source


def test_what_cannot_be_told_is_said() -> None:
    alone = marginal(tabled(({"a": 1}, [1.0]), ({"a": 2}, [3.0])), "product")
    assert effects(alone) == {("a", 1): (-1.0, None), ("a", 2): (1.0, None)}
    assert any("--seeds" in note for note in alone.notes)

    single = marginal(tabled(({"a": 1}, [1.0, 2.0])), "product")
    assert effects(single) == {("a", 1): (0.0, None)}
    assert any(note.startswith("a: one value only") for note in single.notes)

    holes = marginal(
        tabled(
            ({"a": 1, "b": 1}, [1.0]),
            ({"a": 1, "b": 2}, [None]),
            ({"a": 2, "b": 1}, [3.0]),
            ({"a": 2, "b": 2}, [4.0]),
        ),
        "product",
    )
    assert any("Not every combination" in note for note in holes.notes)
    assert all(error is None for _, error in effects(holes).values())

    paired = marginal(tabled(({"a": 1, "b": 1}, [1.0]), ({"a": 2, "b": 2}, [3.0])), "paired")
    assert any("in step" in note for note in paired.notes)
    assert marginal(tabled(({"a": 1}, [None])), "product") == Effects()


def test_one_at_a_time_counts_from_the_baseline() -> None:
    cells = [({}, [1.0, 3.0]), ({"a": 2}, [4.0, 6.0]), ({"b": [1]}, [0.0, 0.0])]
    found = marginal(tabled(*cells), "one_at_a_time")
    # s^2 = (2 + 2 + 0) / 3, and two cells of two seeds stand against each other.
    assert [(row.key, row.effect) for row in found.rows] == [("a", 3.0), ("b", -2.0)]
    assert [row.error for row in found.rows] == [pytest.approx(math.sqrt(4 / 3))] * 2
    lost = marginal(tabled(({}, [None]), ({"a": 2}, [4.0])), "one_at_a_time")
    assert (lost.rows, len(lost.notes)) == ((), 1)


def test_great_values_do_not_end_it() -> None:
    found = marginal(tabled(*[({"a": a}, [1e300 * a, -1e300]) for a in (1, 2)]), "product")
    assert [row.value for row in found.rows] == [1, 2]
