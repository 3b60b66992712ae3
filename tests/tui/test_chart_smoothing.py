"""Smoothed curves and sparklines tell the truth about the bins they are made of."""

from __future__ import annotations

from math import inf, isnan, nan

import pytest
from chartlab import envelope

from tui.glyphs import ASCII, UNICODE
from tui.widgets.chart import smooth, sparkline


def test_a_constant_stays_what_it_is() -> None:
    assert smooth(envelope([3.0] * 40), 0.9) == pytest.approx([3.0] * 40)


def test_the_beginning_is_not_pulled_to_zero() -> None:
    values = smooth(envelope([10.0, 12.0, 11.0]), 0.99)
    assert values[0] == pytest.approx(10.0)
    assert 10.9 < values[1] < 11.1


def test_no_strength_changes_nothing() -> None:
    assert smooth(envelope([1.0, 5.0, 2.0]), 0.0) == pytest.approx([1.0, 5.0, 2.0])


def test_empty_bins_have_no_value_and_do_not_decay() -> None:
    values = smooth(envelope([4.0, None, nan, 6.0]), 0.5)
    assert isnan(values[1])
    assert isnan(values[2])
    assert values[3] == pytest.approx((0.25 * 4 + 0.5 * 6) / 0.75)


def test_a_bin_just_begun_weighs_less() -> None:
    full = smooth(envelope([0.0] * 8 + [8.0] * 8, width=8), 0.9)[-1]
    begun = smooth(envelope([0.0] * 8 + [8.0], width=8), 0.9)[-1]
    assert begun < full / 2


def test_largest_values_do_not_overflow() -> None:
    assert smooth(envelope([1.7e308, 1.7e308]), 0.5) == pytest.approx([1.7e308, 1.7e308])


@pytest.mark.parametrize("strength", [nan, -1.0, 2.0, inf])
def test_any_strength_is_taken(strength: float) -> None:
    assert len(smooth(envelope([1.0, 2.0]), strength)) == 2


def test_a_sparkline_falls_with_its_values() -> None:
    line = sparkline([8.0 - i for i in range(8)], 8, UNICODE)
    assert line == "█▇▆▅▄▃▂▁"
    assert sparkline([8.0 - i for i in range(8)], 8, ASCII) == "#%*+=-._"


def test_a_value_that_is_no_number_is_a_cross() -> None:
    assert sparkline([1.0, 2.0, nan], 12, UNICODE).endswith("×")
    assert sparkline(envelope([1.0, 2.0, inf, 1.0]), 12, ASCII)[2] == "x"


def test_a_sparkline_of_many_bins_keeps_the_one_nan() -> None:
    values = [1.0] * 1000
    values[617] = nan
    assert sparkline(envelope(values), 12, UNICODE).count("×") == 1


@pytest.mark.parametrize("values", [[], [1.0], [nan], [2.0, 2.0], [-1.7e308, 1.7e308], [5e-324, 0]])
def test_any_values_make_a_sparkline(values: list[float]) -> None:
    for width in (-1, 0, 1, 12):
        assert len(sparkline(values, width, UNICODE)) <= max(0, width)
        assert len(sparkline(envelope(values), width, ASCII)) <= max(0, width)
