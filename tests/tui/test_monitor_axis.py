"""Steps, epochs and time on the x axis, the window and the cursor."""

from __future__ import annotations

from array import array
from math import nan
from typing import Any

import pytest

from trainer.events.envelope import Envelope
from tui.screens.monitor.axis import Window, axis_of
from tui.sources.follow import Picture, Times


def envelope(start: int, width: int, bins: int) -> Envelope:
    values = array("d", [1.0]) * bins
    nothing = array("q")
    return Envelope(
        start, width, values, values, values, values, array("q", [1]) * bins, nothing, nothing,
        nothing,
    )  # fmt: skip


def picture(bins: int = 10, width: int = 10, **more: Any) -> Picture:
    """Steps 0 to 99; a second a step; epochs of 40 steps."""
    edges = [number * width for number in range(bins)]
    times = Times(
        0,
        width,
        tuple(1000.0 + edge for edge in edges),
        tuple(1000.0 + edge + width - 1 for edge in edges),
        tuple(float(edge // 40) for edge in edges),
        tuple(float((edge + width - 1) // 40) for edge in edges),
    )
    fields: dict[str, Any] = {
        "envelopes": {"loss": envelope(0, width, bins)},
        "times": times,
        "step": bins * width - 1,
        **more,
    }
    return Picture(version=1, **fields)


def test_steps_are_their_own_places() -> None:
    axis = axis_of(picture(), "step")
    assert axis.whole == (0, 99)
    assert axis.place(7) == 7
    assert axis.edges(0, 10, 10) is None


def test_time_counts_from_the_first_line() -> None:
    axis = axis_of(picture(), "time")
    assert axis.kind == "time"
    assert axis.place(0) == 0
    assert axis.place(25) == pytest.approx(25)
    assert axis.step(25) == pytest.approx(25)
    edges = axis.edges(0, 10, 10)
    assert edges is not None
    assert edges[0][3] == pytest.approx(30)


def test_a_pause_widens_the_time_between_two_bins_only() -> None:
    made = picture()
    assert made.times is not None
    moved = Times(
        0,
        10,
        tuple(ts + (5000 if number >= 5 else 0) for number, ts in enumerate(made.times.ts_first)),
        tuple(ts + (5000 if number >= 5 else 0) for number, ts in enumerate(made.times.ts_last)),
        made.times.epoch_first,
        made.times.epoch_last,
    )
    axis = axis_of(picture(times=moved), "time")
    assert axis.place(49) == pytest.approx(49)
    assert axis.place(50) == pytest.approx(5050)


def test_a_clock_set_back_does_not_fold_the_axis() -> None:
    made = picture()
    assert made.times is not None
    back = Times(0, 10, tuple(reversed(made.times.ts_first)), tuple(reversed(made.times.ts_last)),
                 made.times.epoch_first, made.times.epoch_last)  # fmt: skip
    axis = axis_of(picture(times=back), "time")
    places = [axis.place(step) for step in range(100)]
    assert places == sorted(places)


def test_whole_epochs_are_spread_over_their_steps() -> None:
    axis = axis_of(picture(), "epoch")
    assert axis.place(0) == 0
    assert axis.place(20) == pytest.approx(0.5)
    assert axis.place(40) == 1
    assert axis.place(80) == 2
    # The last epoch has begun only: as long as those before.
    assert axis.place(99) == pytest.approx(2 + 19 / 40)
    assert axis.step(1.5) == pytest.approx(60)


def test_fractions_of_epochs_are_taken_as_they_are() -> None:
    made = picture()
    assert made.times is not None
    parts = tuple(number / 4 for number in range(10))
    times = Times(0, 10, made.times.ts_first, made.times.ts_last, parts, parts)
    assert axis_of(picture(times=times), "epoch").place(20) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["epoch", "time"])
def test_without_epochs_or_times_there_are_steps(kind: Any) -> None:
    nothing = (nan,) * 10
    times = Times(0, 10, nothing, nothing, nothing, nothing)
    assert axis_of(picture(times=times), kind).kind == "step"
    assert axis_of(Picture(), kind).kind == "step"


def test_zoom_keeps_the_cursor_in_place_and_ends_at_the_whole() -> None:
    bounds = (0.0, 100.0)
    near = Window().zoomed(0.5, bounds, 20.0)
    assert near.range == (10.0, 60.0)
    assert near.zoomed(0.5, bounds, 20.0).range == (15.0, 40.0)
    assert near.zoomed(2, bounds, 20.0).whole
    assert Window().zoomed(0.5, (3.0, 3.0), None).whole


def test_zoom_without_a_cursor_stays_with_the_newest() -> None:
    window = Window().zoomed(0.5, (0.0, 100.0), None)
    assert window.range == (50.0, 100.0)
    assert window.follows
    assert not window.panned(-0.25, (0.0, 100.0)).follows


def test_pan_in_quarters_inside_the_history() -> None:
    bounds = (0.0, 100.0)
    window = Window(40.0, 60.0, False)
    assert window.panned(0.25, bounds).range == (45.0, 65.0)
    assert window.panned(-5, bounds).range == (0.0, 20.0)
    assert window.panned(9, bounds).range == (80.0, 100.0)
    assert Window().panned(1, bounds).whole


def test_a_window_follows_a_growing_run_in_quarters() -> None:
    window = Window(60.0, 100.0, False, follows=True)
    assert window.following((0.0, 100.0)) is window
    assert window.following((0.0, 101.0)).range == (70.0, 110.0)
    assert window.following((0.0, 109.0)).following((0.0, 110.0)).range == (70.0, 110.0)
    still = Window(20.0, 40.0, False)
    assert still.following((0.0, 500.0)) is still
