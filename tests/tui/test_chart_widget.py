"""The chart inside an app: it sends what changed, in every theme, without colour and in any size."""

from __future__ import annotations

import random
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import pytest
from chartlab import envelope, plot
from rich.color import Color, ColorSystem
from textual.app import ComposeResult
from textual.geometry import Region
from textual.screen import Screen
from tuilab import context

from tui.app import Deck
from tui.glyphs import ASCII
from tui.widgets.chart import Chart, Curve, Plot, smooth
from tui.widgets.chart.signs import COLORS, CURVES


class Charts(Screen[None]):
    def compose(self) -> ComposeResult:
        yield Chart()


class Spy(Chart):
    """A chart that notes what it asks to be sent."""

    asked: list[tuple[Region, ...]]

    def refresh(self, *regions: Region, **more: bool) -> Spy:  # type: ignore[override]
        self.__dict__.setdefault("asked", []).append(regions)
        super().refresh(*regions, **more)
        return self


class Spied(Screen[None]):
    def compose(self) -> ComposeResult:
        yield Spy()


def screen_text(app: Deck) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips()]


async def test_a_plot_is_shown(runs_dir: Path) -> None:
    app = Deck(context(runs_dir), Charts)
    async with app.run_test(size=(80, 16)) as pilot:
        chart = app.screen.query_one(Chart)
        chart.show(plot([float(i % 11) for i in range(200)]))
        await pilot.pause()
        text = screen_text(app)
        assert any("⡇" in line or "⢸" in line for line in text)
        assert chart.x_range == (0.0, 224.0)
        assert chart.plot_width == 75


async def test_a_plot_given_before_there_is_room_is_shown_later(runs_dir: Path) -> None:
    class Early(Screen[None]):
        def compose(self) -> ComposeResult:
            chart = Chart()
            chart.show(plot([1.0, 2.0, 3.0]))
            yield chart

    app = Deck(context(runs_dir), Early)
    async with app.run_test(size=(40, 10)):
        assert any("┤" in line for line in screen_text(app))
        assert not any("no data" in line for line in screen_text(app))


async def test_only_changed_spans_are_asked_for(runs_dir: Path) -> None:
    app = Deck(context(runs_dir), Spied)
    async with app.run_test(size=(100, 20)) as pilot:
        chart = app.screen.query_one(Spy)
        dice = random.Random(2)
        values = [dice.random() for _ in range(900)]
        chart.show(plot(values))
        await pilot.pause()
        before = screen_text(app)
        chart.asked.clear()
        chart.show(plot(values))
        assert chart.asked == []
        chart.show(plot([*values, 0.5, 0.7]))
        (regions,) = chart.asked
        assert regions
        assert sum(region.area for region in regions) < 30
        await pilot.pause()
        after = screen_text(app)
        for y, (old, new) in enumerate(zip(before, after, strict=True)):
            for x, (a, b) in enumerate(zip(old, new, strict=True)):
                if a != b:
                    assert any(region.contains(x, y) for region in regions)


async def test_every_segment_has_a_style_and_none_is_needed_without_colour(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Deck(context(runs_dir), Charts)
    async with app.run_test(size=(60, 14)) as pilot:
        chart = app.screen.query_one(Chart)
        raw = envelope([1.0, 2.0, nan, 3.0] * 40)
        curves = (Curve("a", raw, 0, smooth=smooth(raw, 0.5)), Curve("b", raw, 1))
        chart.show(Plot(curves, cursor=20.0))
        await pilot.pause()
        assert any("×" in line for line in screen_text(app))
        for y in range(14):
            assert all(segment.style is not None for segment in chart.render_line(y))


async def test_ascii_where_the_terminal_lacks_braille(runs_dir: Path) -> None:
    app = Deck(context(runs_dir, glyphs=ASCII), Charts)
    async with app.run_test(size=(60, 14)) as pilot:
        app.screen.query_one(Chart).show(plot([float(i % 11) for i in range(200)]))
        await pilot.pause()
        assert all(line.isascii() for line in screen_text(app))


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark", "nord"])
async def test_curves_differ_in_every_theme_and_in_sixteen_colours(
    runs_dir: Path, theme: str
) -> None:
    app = Deck(context(runs_dir), Charts)
    async with app.run_test(size=(60, 14)) as pilot:
        app.theme = theme
        await pilot.pause()
        chart = app.screen.query_one(Chart)
        looks = [chart._look(CURVES + number).color for number in range(COLORS)]
        assert len({str(look) for look in looks}) == COLORS
        few = [look.downgrade(ColorSystem.STANDARD) for look in looks if isinstance(look, Color)]
        assert len({color.number for color in few[:4]}) == 4


async def test_another_theme_colours_everything_anew(runs_dir: Path) -> None:
    app = Deck(context(runs_dir), Charts)
    async with app.run_test(size=(60, 14)) as pilot:
        app.theme = "textual-dark"
        chart = app.screen.query_one(Chart)
        chart.show(plot([float(i) for i in range(50)]))
        await pilot.pause()
        dark = [segment.style for segment in chart.render_line(3)]
        app.theme = "textual-light"
        await pilot.pause()
        assert [segment.style for segment in chart.render_line(3)] != dark


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (20, 4), (7, 3), (200, 60)])
async def test_any_size_works(runs_dir: Path, size: tuple[int, int]) -> None:
    app = Deck(context(runs_dir), Charts)
    async with app.run_test(size=(80, 20)) as pilot:
        chart = app.screen.query_one(Chart)
        shown = plot([float(i % 5) for i in range(100)], cursor=50.0)
        chart.show(shown)
        await pilot.resize_terminal(*size)
        chart.show(replace(shown, window=(10.0, 40.0)))
        await pilot.pause()
        assert [len(line) for line in screen_text(app)] == [size[0]] * size[1]


async def test_a_hidden_chart_takes_plots(runs_dir: Path) -> None:
    app = Deck(context(runs_dir), Charts)
    async with app.run_test(size=(60, 12)) as pilot:
        chart = app.screen.query_one(Chart)
        chart.display = False
        await pilot.pause()
        chart.show(plot([1.0, 5.0]))
        chart.display = True
        await pilot.pause()
        assert not any("no data" in line for line in screen_text(app))


def test_values_under_the_cursor() -> None:
    chart = Chart()
    sparse = [float(i) if i % 10 == 0 else None for i in range(100)]
    chart.show(
        Plot(
            (
                Curve("train", envelope([float(i) for i in range(100)])),
                Curve("val", envelope(sparse)),
                Curve("none", envelope([nan, nan])),
            )
        )
    )
    values = dict(chart.values_at(57.0))
    assert values["train"] == 57.0
    assert values["val"] == 50.0
    assert isnan(values["none"])
    assert dict(chart.values_at(-5.0))["train"] == 0.0
    assert dict(chart.values_at(1e9))["train"] == 99.0
    assert isnan(dict(chart.values_at(nan))["train"])


def test_values_by_time_are_those_of_the_newest_bin_that_had_begun() -> None:
    chart = Chart()
    times = [0.0, 10.0, 20.0, 12.0, 30.0]
    chart.show(Plot((Curve("a", envelope([1.0, 2.0, 3.0, 4.0, 5.0]), 0, times, times),), x="time"))
    assert chart.values_at(13.0) == [("a", 4.0)]
    assert chart.values_at(25.0) == [("a", 3.0)]
    assert chart.values_at(-1.0) == [("a", 1.0)]
