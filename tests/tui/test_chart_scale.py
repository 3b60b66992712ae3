"""Axes hold every value, change seldom, and have readable ticks."""

from __future__ import annotations

from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.widgets.chart.scale import Scale, adjust, grown, limits, window
from tui.widgets.chart.ticks import compact, place_label, place_ticks, value_ticks

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=5e-324, max_value=1.7976931348623157e308)


@given(FINITE, FINITE, st.integers(1, 6))
def test_limits_hold_the_values(a: float, b: float, ticks: int) -> None:
    low, high = limits(min(a, b), max(a, b), ticks)
    assert low <= min(a, b) <= max(a, b) <= high
    assert low < high
    assert isfinite(low)
    assert isfinite(high)
    rows = Scale(low, high, 72).rows((low, a, b, high))
    assert rows[0] == 71
    assert rows[-1] == 0
    assert all(0 <= row < 72 for row in rows)


@given(POSITIVE, POSITIVE, st.integers(1, 6))
def test_log_limits_hold_the_values(a: float, b: float, ticks: int) -> None:
    low, high = limits(min(a, b), max(a, b), ticks, log=True)
    assert 0 < low <= min(a, b) <= max(a, b) <= high
    assert low < high
    scale = Scale(low, high, 72, True)
    assert all(0 <= row < 72 for row in scale.rows((a, b, 0.0, -1.0)))
    assert value_ticks(scale, ticks) is not None


@given(FINITE, FINITE, st.integers(1, 6))
def test_ticks_lie_inside_and_are_few(a: float, b: float, wanted: int) -> None:
    low, high = limits(min(a, b), max(a, b), wanted)
    ticks = value_ticks(Scale(low, high, 72), wanted)
    assert len(ticks) <= 3 * wanted + 3
    slack = (high / 4 - low / 4) * 1e-6
    assert all(low / 4 - slack <= value / 4 <= high / 4 + slack for value, _ in ticks)


def test_the_axis_grows_at_once_and_shrinks_late() -> None:
    scale = adjust(None, 0.3, 3.5, 72, 5, log=False)
    assert adjust(scale, 0.3, 3.0, 72, 5, log=False) == scale
    assert adjust(scale, 0.3, 2.2, 72, 5, log=False) == scale
    assert adjust(scale, 0.3, 5.0, 72, 5, log=False).high >= 5
    assert adjust(scale, 0.3, 0.9, 72, 5, log=False).high <= 1


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_x_axis_is_not_much_longer_than_the_data(start: float, span: float) -> None:
    low, high = grown(start, start + span, 8.0)
    assert low == start
    assert high >= start + span
    assert high - low <= 1.26 * max(span, 8.0) + 1e-6 * start


def test_the_x_axis_grows_seldom() -> None:
    ends = [grown(0.0, float(end), 8.0)[1] for end in range(1, 100_000)]
    assert ends == sorted(ends)
    assert len(set(ends)) < 60


@given(st.floats(), st.floats())
def test_any_window_is_made_one(a: float, b: float) -> None:
    low, high = window(a, b)
    assert low < high
    assert isfinite(high - low)
    for kind in ("step", "epoch", "time"):
        for cells in (1, 20, 120):
            ticks = place_ticks(low, high, cells, kind)  # type: ignore[arg-type]
            assert len(ticks) <= 24


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0.0, 0.5, "0"),
        (0.25, 0.05, "0.25"),
        (1300.0, 100.0, "1.3k"),
        (2e6, 1e6, "2M"),
        (2e-5, 1e-5, "2e-5"),
        (-0.5, 0.5, "-0.5"),
        (1e20, 1e20, "1e20"),
        (1.5e-7, 5e-8, "1.5e-7"),
    ],
)
def test_values_are_written_short(value: float, step: float, text: str) -> None:
    assert compact(value, step) == text


@pytest.mark.parametrize(
    ("value", "step", "kind", "text"),
    [
        (3550.0, 50.0, "step", "3 550"),
        (2.5, 0.5, "epoch", "2.5"),
        (1772366400.0 + 300, 300.0, "time", "12:05"),
        (1772366405.0, 5.0, "time", "12:00:05"),
        (1772366400.0, 86400.0, "time", "01 Mar"),
        (3700.0, 60.0, "time", "1:01:40"),
    ],
)
def test_places_are_written_in_their_own_way(
    value: float, step: float, kind: str, text: str
) -> None:
    assert place_label(value, step, kind) == text  # type: ignore[arg-type]


def test_labels_of_places_do_not_touch() -> None:
    for high in (7.0, 99.0, 12_345.0, 1e6, 3e9):
        for cells in range(4, 150, 7):
            ticks = place_ticks(0.0, high, cells, "step")
            spots = [value / high * (cells - 1) for value, _ in ticks]
            for left, right, (_, text) in zip(spots, spots[1:], ticks, strict=False):
                assert right - left >= len(text) + 1


def test_ticks_within_a_second_are_told_apart() -> None:
    for span in (0.5, 0.03, 0.002):
        texts = [text for _, text in place_ticks(7.4, 7.4 + span, 80, "time")]
        assert len(texts) >= 3
        assert len(set(texts)) == len(texts)
