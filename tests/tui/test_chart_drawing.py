"""Charts lose no value, move as little as they can, and take anything."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from itertools import product
from math import exp, inf, nan

import pytest
from chartlab import draw, envelope, lines, plot
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.events.envelope import Bins, Grid
from tui.glyphs import ASCII, UNICODE, Glyphs
from tui.widgets.chart import Curve, Level, Mark, Plot, smooth
from tui.widgets.chart.drawing import Drawing, thinned
from tui.widgets.chart.signs import CURVES, RAW, SMOOTH, UNDER

ANY = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(min_value=-1e6, max_value=1e6)
DOTS = {(0, 0): 1, (0, 1): 2, (0, 2): 4, (1, 0): 8, (1, 1): 16, (1, 2): 32, (0, 3): 64, (1, 3): 128}


def dot(text: list[str], drawing: Drawing, x: float, y: float) -> bool:
    """Whether the dot of a place and a value is set, by plain arithmetic."""
    scale = drawing.scale
    assert scale is not None
    low, high = drawing.x_range
    margin = drawing.width - drawing.columns
    right = (x - low) / (high - low) * (drawing.columns * 2 - 1) + 0.5
    down = (scale.high - y) / (scale.high - scale.low) * (scale.dots - 1) + 0.5
    # Halves may be rounded either way.
    for i, j in product((-1e-9, 0.0, 1e-9), repeat=2):
        column, row = int(right + i), int(down + j)
        sign = text[row // 4][margin + column // 2]
        if sign == "•" or ord(sign) - 0x2800 & DOTS[column % 2, row % 4]:
            return True
    return False


def fresh(drawing: Drawing) -> Drawing:
    """The same drawing with nothing remembered but the limits of its axes."""
    other = copy.deepcopy(drawing)
    other._tracks, other._seen, other._frame = {}, [], None
    return other


@given(
    st.lists(st.one_of(st.none(), FINITE), min_size=1, max_size=300),
    st.integers(1, 7),
    st.integers(1, 9),
    st.integers(20, 120),
    st.integers(5, 24),
)
@settings(max_examples=150, deadline=None)
def test_every_value_is_drawn(
    values: list[float | None], width: int, every: int, columns: int, rows: int
) -> None:
    bins = envelope(values, width=width, every=every)
    drawing = Drawing(UNICODE)
    drawing.draw(Plot((Curve("a", bins),)), columns, rows)
    text = lines(drawing)
    for number, value in enumerate(values):
        if value is not None:
            b = number * every // width
            x = min(b * width + (width - 1) / 2, drawing.x_range[1])
            assert dot(text, drawing, x, value), (number, value)


def test_that_a_chart_is_sampled_is_seen_over_any_curve() -> None:
    full = [1.0 if step % 2 else 0.0 for step in range(1000)]
    assert "sampled…" in draw(plot(full, approximate=True))[0]
    assert "sampled" not in "".join(draw(plot(full)))


def test_one_spike_in_a_million_steps_is_seen() -> None:
    grid, bins = Grid(0, 1000, 1024), Bins(1024)
    for b in range(1000):
        bins.group(b, 1000, (1.0, 0.9, 100.0 if b == 543 else 1.1, 1.0))
    text = draw(Plot((Curve("a", bins.picture(grid, 0, 1000, None, exact=True)),)), 120, 20)
    spiked = {x for line in text[1:15] for x, sign in enumerate(line[6:]) if sign != " "}
    assert len(spiked) == 1


def test_sparse_points_are_joined_and_seen() -> None:
    values = [1.0 + i / 500 if i % 50 == 0 else None for i in range(1000)]
    text = draw(plot(values), 100, 12)
    assert sum(line.count("•") for line in text) == 20
    columns = {x for line in text[:-2] for x, sign in enumerate(line) if x > 5 and sign != " "}
    assert len(columns) == max(columns) - min(columns) + 1


def test_a_hole_in_dense_data_stays_a_hole() -> None:
    values = [1.0 if not 400 <= i < 700 else None for i in range(1000)]
    text = draw(plot(values), 100, 12)
    row = next(
        line for line in text[:-2] if "⠉" in line or "⠒" in line or "⣀" in line or "⠤" in line
    )
    assert " " * 20 in row.strip()


def test_nan_breaks_the_line_and_is_marked() -> None:
    values = [1.0] * 100
    values[50] = nan
    values[20], values[80] = inf, -inf
    text = draw(plot(values), 110, 12)
    assert text[-2].count("×") == 1
    assert text[0].count("↑") == 1
    assert text[-3].count("↓") == 1
    plain = draw(plot(values), 110, 12, ASCII)
    assert "x" in plain[-2]
    assert "^" in plain[0]
    assert "v" in plain[-3]


def test_values_a_log_axis_cannot_show_are_marked() -> None:
    values = [10.0 ** (i % 5) for i in range(100)]
    values[40] = -3.0
    text = draw(plot(values, log=True), 100, 16)
    assert text[-2].count("↓") == 1
    assert any("10k" in line or "1e4" in line for line in text)


def test_what_happened_stands_on_the_axis() -> None:
    marks = (
        Mark(10, "checkpoint"),
        Mark(30, "best", "best 0.4"),
        Mark(50, "restart"),
        Mark(70, "alert"),
        Mark(5000, "alert"),
    )
    text = draw(plot([float(i) for i in range(100)], marks=marks), 100, 12)
    assert [text[-2].count(sign) for sign in "◆★↻!"] == [1, 1, 1, 1]
    assert "best 0.4" in text[0]
    plain = draw(plot([float(i) for i in range(100)], marks=marks), 100, 12, ASCII)
    assert [plain[-2].count(sign) for sign in "c*R!"] == [1, 1, 1, 1]
    assert all(line.isascii() for line in plain)


def test_many_checkpoints_leave_the_axis_to_be_seen() -> None:
    assert thinned([]) == []
    assert thinned([3]) == [3]
    assert thinned([3, 4]) == [3, 4]
    assert thinned([0, 1, 2, 3, 4, 9, 10]) == [0, 2, 4, 10]
    marks = tuple(Mark(float(x), "checkpoint") for x in range(100))
    text = draw(plot([float(i) for i in range(100)], marks=marks), 60, 12)
    assert "◆◆◆" not in text[-2]
    assert text[-2].count("◆") > 10


def test_levels_are_lines_with_names_and_seldom_stretch_the_axis() -> None:
    values = [0.5 + i / 200 for i in range(100)]
    text = draw(plot(values, levels=(Level(1.2, "clip"), Level(500.0, "far"))), 90, 16)
    line = next(line for line in text if "clip" in line)
    assert line.count("┄") > 40
    assert not any("far" in line for line in text)


def test_a_name_loses_no_letter_to_a_curve() -> None:
    clip = (Level(1.0, "clip"),)
    beside = draw(plot([1.0] * 100, levels=clip, window=(0.0, 99.0)), 60, 16)
    assert sum("clip" in line for line in beside) == 1
    full = draw(plot([0.0, 2.0] * 50, levels=clip, window=(0.0, 99.0)), 60, 16)
    assert not any(sign in line for line in full for sign in "clip")


def test_the_cursor_is_a_column() -> None:
    drawing = Drawing(UNICODE)
    shown = plot([float(i % 9) for i in range(100)])
    drawing.draw(shown, 90, 16)
    spans = drawing.draw(replace(shown, cursor=40.0), 90, 16)
    assert {span.end - span.begin for span in spans} == {1}
    assert len({span.begin for span in spans}) == 1
    x = spans[0].begin
    styles = [drawing._grid.styles[y][x] for y in range(14)]
    assert all(style >= UNDER for style in styles)


def test_smooth_values_lie_over_the_raw_ones() -> None:
    dice = random.Random(1)
    raw = envelope([dice.random() for _ in range(400)])
    drawing = Drawing(UNICODE)
    drawing.draw(Plot((Curve("a", raw, 3, smooth=smooth(raw, 0.9)),)), 100, 20)
    styles = {style for row in drawing._grid.styles for style in row}
    assert {RAW + 3, SMOOTH + 3} <= styles
    assert CURVES + 3 not in styles
    raw_cells = sum(row.count(RAW + 3) for row in drawing._grid.styles)
    assert raw_cells > 4 * sum(row.count(SMOOTH + 3) for row in drawing._grid.styles)


def test_the_first_curve_is_on_top() -> None:
    drawing = Drawing(UNICODE)
    values = [float(i % 17) for i in range(300)]
    drawing.draw(plot(values, values), 80, 16)
    styles = {style for row in drawing._grid.styles for style in row if style >= CURVES}
    assert styles == {CURVES}


def test_new_data_change_few_cells() -> None:
    grid, bins = Grid(0, 16, 1024), Bins(1024)
    dice = random.Random(5)
    drawing = Drawing(UNICODE)
    changed = []
    for step in range(12_000):
        bins.point(grid.bin(step), 2 * exp(-step / 3000) + dice.random() / 10)
        if step >= 2000 and step % 20 == 0:
            shown = bins.picture(grid, 0, grid.bin(step) + 1, None, exact=True)
            spans = drawing.draw(Plot((Curve("a", shown),)), 120, 20)
            changed.append(sum(span.end - span.begin for span in spans))
    changed.sort()
    assert changed[len(changed) // 2] <= 4
    assert changed[len(changed) * 95 // 100] <= 24
    assert drawing.draw(Plot((Curve("a", shown),)), 120, 20) == []


def test_folding_the_bins_moves_no_value_far() -> None:
    grid, bins = Grid(0, 1, 1024), Bins(1024)
    for step in range(1024):
        bins.point(step, exp(-step / 300))
    drawing = Drawing(UNICODE)
    drawing.draw(Plot((Curve("a", bins.picture(grid, 0, 1024, None, exact=True)),)), 120, 20)
    before = drawing.x_range, drawing.scale
    bins.fold()
    grid.width = 2
    spans = drawing.draw(Plot((Curve("a", bins.picture(grid, 0, 512, None, exact=True)),)), 120, 20)
    assert (drawing.x_range, drawing.scale) == before
    assert sum(span.end - span.begin for span in spans) < 150


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_what_is_drawn_in_steps_is_what_is_drawn_at_once(data: st.DataObject) -> None:
    drawing = Drawing(UNICODE)
    width, height = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 18))
    log = data.draw(st.booleans())
    window = data.draw(st.sampled_from([None, (5.0, 60.0), (-30.0, 20.0)]))
    value = st.one_of(st.none(), FINITE, st.just(1.0), st.sampled_from([nan, inf, -inf, 0.0]))
    values: list[float | None] = []
    for _ in range(data.draw(st.integers(1, 6))):
        del values[data.draw(st.integers(0, len(values))) :]
        values += data.draw(st.lists(value, min_size=1, max_size=60))
        bins = envelope(values, width=data.draw(st.sampled_from([1, 2])))
        more = data.draw(st.booleans())
        smoothed = smooth(bins, 0.8) if more else None
        places = None
        if data.draw(st.booleans()):
            places = [float(i % 40) * 2 for i in range(len(bins))]
        curve = Curve("a", bins, 1, left=places, right=places, smooth=smoothed)
        shown = Plot((curve, Curve("b", bins, 2)), log=log, window=window)
        once = fresh(drawing)
        before = copy.deepcopy((drawing._grid.text, drawing._grid.styles))
        sized = (drawing.width, drawing.height) == (width, height)
        spans = drawing.draw(shown, width, height)
        once.draw(shown, width, height)
        assert lines(drawing) == lines(once)
        assert drawing._grid.styles == once._grid.styles
        if sized:
            for span in spans:
                for x in range(span.begin, span.end):
                    before[0][span.row][x] = drawing._grid.text[span.row][x]
                    before[1][span.row][x] = drawing._grid.styles[span.row][x]
            assert before == (drawing._grid.text, drawing._grid.styles)


@given(
    st.lists(st.lists(st.one_of(st.none(), ANY), max_size=40), max_size=3),
    st.integers(0, 60),
    st.integers(0, 20),
    st.booleans(),
    st.one_of(st.none(), st.tuples(ANY, ANY)),
    st.sampled_from(["step", "epoch", "time"]),
    st.one_of(st.none(), st.lists(ANY, max_size=40)),
    st.sampled_from([UNICODE, ASCII]),
    ANY,
)
@settings(max_examples=300, deadline=None)
def test_anything_is_drawn(
    curves: list[list[float | None]],
    width: int,
    height: int,
    log: bool,
    window: tuple[float, float] | None,
    kind: str,
    places: list[float] | None,
    glyphs: Glyphs,
    other: float,
) -> None:
    shown = Plot(
        tuple(
            Curve("é漢", bins := envelope(v), i, places, places, smooth(bins, 0.5))
            for i, v in enumerate(curves)
        ),
        (Mark(other, "best", "漢字\x1b[31m"), Mark(3.0, "alert")),
        (Level(other, "ü漢"),),
        kind,  # type: ignore[arg-type]
        window,
        log,
        other,
        approximate=True,
    )
    drawing = Drawing(glyphs)
    drawing.draw(shown, width, height)
    text = lines(drawing)
    assert all(len(line) == width for line in text)
    assert not any("\x1b" in line for line in text)
    assert drawing.draw(shown, width, height) == []
    low, high = drawing.x_range
    assert low < high


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0],
        [nan],
        [inf, -inf],
        [2.5] * 30,
        [0.0] * 30,
        [1e308, -1e308],
        [1.7976931348623157e308, -1.7976931348623157e308],
        [5e-324, 1e-323],
        [1e9, 1e9 + 1e-3],
        [-5.0, -7.0],
        [1e-300, 1e300],
    ],
)
@pytest.mark.parametrize("log", [False, True])
def test_hard_values_get_sensible_labels(values: list[float], log: bool) -> None:
    text = draw(plot(values, log=log), 80, 20)
    labels = [label for line in text[:-2] if "┤" in line and (label := line.split("┤")[0].strip())]
    assert 1 <= len(labels) <= 9
    assert len(set(labels)) == len(labels)
    assert all(len(label) <= 12 for label in labels)


@pytest.mark.parametrize(("width", "height"), [(20, 4), (20, 3), (10, 2), (1, 1), (15, 5)])
def test_small_charts_keep_the_curve(width: int, height: int) -> None:
    text = draw(plot([float(i % 7) for i in range(200)]), width, height)
    assert any(0x2800 < ord(sign) <= 0x28FF for line in text for sign in line)


def test_nothing_to_draw_is_said() -> None:
    assert any("no data yet" in line for line in draw(Plot(), 60, 10))
    assert any("soon" in line for line in draw(plot([], empty="soon"), 60, 10))
    assert not any("no data" in line for line in draw(plot([1.0]), 60, 10))
    assert any("no value that can be drawn" in line for line in draw(plot([nan]), 60, 10))
    assert any(
        "no value that can be drawn" in line for line in draw(plot([-1.0], log=True), 60, 10)
    )


def test_a_window_beside_the_data_is_empty() -> None:
    text = draw(plot([1.0] * 100, window=(500.0, 600.0)), 60, 10)
    assert not any(0x2800 < ord(sign) <= 0x28FF for line in text for sign in line)
    assert "500" in text[-1]
    assert any("no data in sight" in line for line in text)


def test_lines_lead_out_of_the_window() -> None:
    values = [float(i) if i % 100 == 0 else None for i in range(1001)]
    text = draw(plot(values, window=(410.0, 490.0)), 60, 12)
    assert "no data" not in "".join(text)


def test_places_by_time_are_labelled_by_the_clock() -> None:
    start = 1772366400.0
    bins = envelope([float(i % 5) for i in range(120)])
    places = [start + 60.0 * i for i in range(120)]
    text = draw(Plot((Curve("a", bins, 0, places, places),), x="time"), 80, 12)
    assert "12:30" in text[-1]


def test_places_by_epoch_are_labelled_with_fractions() -> None:
    bins = envelope([float(i % 5) for i in range(100)])
    places = [i / 40 for i in range(100)]
    text = draw(Plot((Curve("a", bins, 0, places, places),), x="epoch"), 80, 12)
    assert "0.5" in text[-1]
    assert "2.0" in text[-1]


def test_a_restart_that_goes_back_draws_no_line_back() -> None:
    bins = envelope([1.0] * 40 + [2.0] * 40)
    places = [float(i) for i in range(40)] + [float(i) for i in range(10, 50)]
    text = draw(Plot((Curve("a", bins, 0, places, places),), x="epoch"), 80, 20)
    drawn = [line for line in text[:-2] if any(0x2800 < ord(sign) <= 0x28FF for sign in line)]
    assert len(drawn) == 2


@pytest.mark.parametrize("apart", range(1, 12))
def test_names_of_neighbours_do_not_run_into_each_other(apart: int) -> None:
    marks = (Mark(50.0, "restart", "restart"), Mark(50.0 + apart, "best", "best"))
    text = draw(plot([0.0, *[1.0] * 99, 9.0], marks=marks), 106, 10)[0]
    letters = "".join(sign for sign in text if sign.isalpha())
    assert letters in ("restart", "restartbest", "bestrestart")
