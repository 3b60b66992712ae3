"""Compare: runs over each other, exact values, who is best, and what was different."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from tuilab import NOW, FakeClock, context, make_run, shown, training, work_done, write_events

from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.glyphs import ASCII
from tui.screens.compare import CompareScreen
from tui.screens.compare.charts import ComparePanel
from tui.screens.compare.configs import Configs, differences
from tui.screens.compare.lens import Lens, winners
from tui.screens.compare.table import Table
from tui.screens.monitor import MonitorScreen


def loss(number: int) -> Any:
    return lambda step: 2.0 * math.exp(-step / (100 + 50 * number)) + 0.4 + 0.05 * number


def some_runs(runs_dir: Path, count: int, **more: Any) -> list[RunFolder]:
    return [
        make_run(
            runs_dir,
            f"spectra-{n}",
            created=NOW - 3600 - n,
            events=training(400 - 20 * n, loss=loss(n), end="completed"),
            **more,
        )
        for n in range(count)
    ]


@asynccontextmanager
async def comparing(
    runs_dir: Path, runs: list[RunFolder], size: tuple[int, int] = (80, 24), **more: Any
) -> AsyncIterator[tuple[CompareScreen, Pilot[int]]]:
    screen = CompareScreen([run.path for run in runs])
    app = Deck(context(runs_dir, **more), lambda: screen)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await settle(screen, pilot)
        yield screen, pilot


async def settle(screen: CompareScreen, pilot: Pilot[int]) -> None:
    """Let the readers answer, and the screen show it."""
    for _ in range(3):
        for entry in screen.lens.entries:
            entry.follower.step()
        screen.tick()
        await pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_it_shows_every_run_and_the_metrics_that_matter(
    size: tuple[int, int], runs_dir: Path
) -> None:
    async with comparing(runs_dir, some_runs(runs_dir, 3), size) as (screen, _pilot):
        text = shown(screen.deck.screen)
        for letter, name in zip("ABC", ("spectra-0", "spectra-1", "spectra-2"), strict=True):
            assert f"{letter} ── {name}" in text
        assert screen.metric == "train/loss"
        panels = [panel.metric for panel in screen.query(ComparePanel)]
        assert panels[:2] == ["train/loss", "val/loss"]
        for panel in screen.query(ComparePanel):
            assert panel.chart.plot_width > 20
            assert len(panel.chart.plot.curves) == 3


async def test_the_best_is_marked_by_a_sign(runs_dir: Path) -> None:
    async with comparing(runs_dir, some_runs(runs_dir, 3)) as (screen, pilot):
        await pilot.press("t")
        await pilot.pause()
        rows = {row.name: row.values for row in screen.query_one(Table).rows}
        last = [loss(n)(400 - 20 * n) for n in range(3)]
        assert [float(text.rstrip("* ")) for text in rows["train/loss"]] == [
            pytest.approx(value, rel=1e-3) for value in last
        ]
        assert [text.endswith("*") for text in rows["train/loss"]] == [True, False, False]
        assert not any("*" in text for text in rows["lr"]), "nobody knows which rate is best"
        assert "train/loss" in shown(screen.deck.screen)


def test_winners() -> None:
    assert winners([1.0, 2.0, None], "min") == {0}
    assert winners([1.0, 2.0, None], "max") == {1}
    assert winners([1.0, 1.0], "min") == {0, 1}
    assert winners([1.0, None], "min") == set()
    assert winners([1.0, 2.0], "") == set()
    assert winners([math.nan, 2.0, 3.0], "min") == {1}


async def test_a_goal_of_max_counts(runs_dir: Path) -> None:
    runs = []
    for n in range(2):
        started = {"ts": NOW, "event": "run_started", "metrics": {"val/acc": {"goal": "max"}}}
        events = [started] + [
            {"ts": NOW + s, "event": "metrics", "step": s, "metrics": {"val/acc": value}}
            for s, value in enumerate((0.1, 0.5 + 0.1 * n, 0.4))
        ]
        runs.append(make_run(runs_dir, f"r{n}", created=NOW - n, events=events))
    async with comparing(runs_dir, runs) as (screen, pilot):
        await pilot.press("t")
        rows = {row.name: row.values for row in screen.query_one(Table).rows}
        assert rows["  best (max)"] == ("0.5 ", "0.6*")


async def test_the_cursor_gives_exact_values(runs_dir: Path) -> None:
    async with comparing(runs_dir, some_runs(runs_dir, 2)) as (screen, pilot):
        screen.lens.set_cursor(150.0)
        screen._show_all()
        await settle(screen, pilot)
        for n, entry in enumerate(screen.lens.entries):
            found = screen.lens.at_cursor(entry, "train/loss")
            assert found is not None
            assert found.exact
            assert found.high == pytest.approx(loss(n)(150))
        assert "step 150" in shown(screen.deck.screen)
        await pilot.press("right")
        assert screen.lens.cursor is not None
        assert screen.lens.cursor > 150
        screen.lens.set_cursor(400.0)
        assert screen.lens.at_cursor(screen.lens.entries[1], "train/loss") is None, "it has ended"
        await pilot.press("escape")
        assert screen.lens.cursor is None


async def test_long_runs_are_exact_at_the_cursor_too(runs_dir: Path) -> None:
    runs = [
        make_run(
            runs_dir,
            f"long-{n}",
            created=NOW - n,
            events=training(5000, loss=lambda step, n=n: 1.0 + n + step / 1e5, every_val=500),
        )
        for n in range(2)
    ]
    async with comparing(runs_dir, runs) as (screen, pilot):
        assert screen.lens.entries[0].picture.envelopes["train/loss"].width > 1
        screen.lens.set_cursor(1234.0)
        screen._show_all()
        await settle(screen, pilot)
        values = [screen.lens.at_cursor(each, "train/loss") for each in screen.lens.entries]
        assert [found.high for found in values if found] == [
            pytest.approx(1.01234),
            pytest.approx(2.01234),
        ]
        for _ in range(4):
            await pilot.press("plus")
        await settle(screen, pilot)
        low, high = screen.lens.window.range or (0, 0)
        assert low <= 1234 <= high
        assert high - low == pytest.approx(4999 / 16, rel=0.01)
        closer = screen.lens.entries[0].view.envelope("train/loss")
        assert closer is not None
        assert closer.width < screen.lens.entries[0].picture.envelopes["train/loss"].width
        await pilot.press("0")
        assert screen.lens.window.whole


async def test_runs_are_aligned_by_time_and_epoch(runs_dir: Path) -> None:
    runs = [
        make_run(
            runs_dir,
            f"r{n}",
            created=NOW - 9000 + n,
            events=training(300, ts=NOW - 5000 * (n + 1)),
        )
        for n in range(2)
    ]
    async with comparing(runs_dir, runs) as (screen, pilot):
        await pilot.press("x")
        assert screen.lens.layout.x == "epoch"
        await pilot.press("x")
        assert screen.lens.layout.x == "time"
        await settle(screen, pilot)
        assert screen.lens.bounds == pytest.approx((0.0, 300.0), abs=2)
        assert "by time" in shown(screen.deck.screen)
    async with comparing(runs_dir, runs) as (screen, pilot):
        assert screen.lens.layout.x == "time", "remembered"


async def test_a_run_without_epochs_is_left_out_and_said(runs_dir: Path) -> None:
    bare = [
        {"ts": NOW + s, "event": "metrics", "step": s, "metrics": {"train/loss": 1.0}}
        for s in range(20)
    ]
    runs = [some_runs(runs_dir, 1)[0], make_run(runs_dir, "bare", created=NOW - 9, events=bare)]
    async with comparing(runs_dir, runs) as (screen, pilot):
        await pilot.press("x")
        await pilot.pause()
        assert [each.letter for each in screen.lens.shown] == ["A"]
        assert "no epochs" in shown(screen.deck.screen)


async def test_runs_are_hidden_isolated_and_brought_back(runs_dir: Path) -> None:
    async with comparing(runs_dir, some_runs(runs_dir, 3)) as (screen, pilot):

        def letters() -> str:
            return "".join(
                curve.label for curve in screen.query(ComparePanel).first().chart.plot.curves
            )

        assert letters() == "ABC"
        await pilot.press("2")
        assert letters() == "AC"
        assert "hidden" in shown(screen.deck.screen)
        await pilot.press("2", "down", "i")
        assert letters() == "B"
        await pilot.press("i")
        assert letters() == "ABC"
        await pilot.press("space")
        assert letters() == "AC"
        await pilot.press("1", "3")
        await pilot.pause()
        assert letters() == ""
        await pilot.press("8", "plus", "left", "shift+right", "l", "w")
        await pilot.pause()


async def test_letters_stand_where_curves_end(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with comparing(runs_dir, some_runs(runs_dir, 8), (120, 40)) as (screen, pilot):
        await pilot.pause()
        first = screen.query(ComparePanel).first()
        lines = first.letters.text
        assert sorted("".join(lines)) == list("ABCDEFGH")
        row = {letter: y for y, line in enumerate(lines) for letter in line}
        assert row["A"] >= row["H"], "the lowest loss is at the bottom"
        await pilot.press("left", "plus", "plus", "plus", "plus")
        await settle(screen, pilot)
        # The others end before what is in sight.
        assert screen.lens.window.low > 360
        assert sorted("".join(first.letters.text)) == list("AB")


async def test_log_and_smoothing_and_metric(runs_dir: Path) -> None:
    async with comparing(runs_dir, some_runs(runs_dir, 2)) as (screen, pilot):
        chart = screen.query(ComparePanel).first().chart
        await pilot.press("l", "w")
        assert chart.plot.log
        assert chart.plot.curves[0].smooth is not None
        await pilot.press("m", *"grad_norm", "enter")
        await pilot.pause()
        assert screen.metric == "grad_norm"
        assert not chart.plot.log, "log holds for its metric alone"
        await pilot.press("tab")
        assert screen.metric != "grad_norm"
        await pilot.press("f")
        await pilot.pause()
        await pilot.pause()
        assert len(screen.query(ComparePanel)) == 1
        await pilot.press("escape")
        await pilot.pause()
        assert len(screen.query(ComparePanel)) == 2


async def test_just_the_keys_that_differ(runs_dir: Path) -> None:
    runs = [
        make_run(runs_dir, f"r{n}", created=NOW - n, overrides=["quickstart", *words])
        for n, words in enumerate((["seed=1"], ["seed=1"], ["seed=2", "run.tags=[abl]"]))
    ]
    async with comparing(runs_dir, runs) as (screen, pilot):
        await pilot.press("d")
        await work_done(screen.app)
        await pilot.pause()
        text = screen.query_one(Configs).text
        assert "seed\nAB  1\nC  2" in text
        assert "keys are the same" in text
        assert "max_steps" not in text
        keys = [
            each.key for each in differences([(e.letter, e.path) for e in screen.lens.entries]).keys
        ]
        assert keys[0] == "seed"
        assert all(key.startswith("run.") for key in keys[1:]), "the run's own keys come last"
        await pilot.press("d")
        await pilot.pause()
        assert screen.query(ComparePanel).first().display


async def test_configs_that_cannot_be_read_are_said(runs_dir: Path) -> None:
    runs = some_runs(runs_dir, 3)
    runs[0].config.write_text("a: [")
    runs[1].config.unlink()
    async with comparing(runs_dir, runs) as (screen, pilot):
        await pilot.press("d")
        await work_done(screen.app)
        await pilot.pause()
        lines = screen.query_one(Configs).text.splitlines()
        assert [line[:2] for line in lines[:2]] == ["A:", "B:"]


async def test_a_growing_run_is_followed(runs_dir: Path) -> None:
    live = make_run(runs_dir, "live", state="running", events=training(50, total=200))
    done = some_runs(runs_dir, 1)[0]
    clock = FakeClock()
    async with comparing(runs_dir, [live, done], clock=clock) as (screen, pilot):
        assert "50" in shown(screen.deck.screen)
        write_events(live, training(30, start=51, begin=False, loss=lambda step: 0.111))
        clock.move(1)
        await settle(screen, pilot)
        assert screen.lens.entries[0].picture.step == 80
        assert "0.111" in shown(screen.deck.screen)


async def test_nothing_is_drawn_when_nothing_is_new(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with comparing(runs_dir, some_runs(runs_dir, 2)) as (screen, _pilot):
        monkeypatch.setattr(CompareScreen, "_show_all", lambda self: pytest.fail("drawn"))
        screen.tick()


@pytest.mark.parametrize("glyphs", [None, ASCII])
async def test_whatever_lies_in_the_folders(runs_dir: Path, glyphs: Any) -> None:
    good = some_runs(runs_dir, 1)[0]
    evil = make_run(runs_dir, "evil", created=NOW - 7, events=training(5))
    identity = json.loads(evil.run_json.read_text())
    name = "[red]\x1b]52;c;aGk=\x07 \u202ename [/]"
    evil.run_json.write_text(json.dumps({**identity, "name": name}))
    with evil.events.open("a") as file:
        file.write(
            '{"v":1,"ts":1,"event":"metrics","step":6,"metrics":{"[bold]\x1b[2J":NaN}}\n{"v":'
        )
    gone = RunFolder(runs_dir / "gone")
    empty = RunFolder(runs_dir / "empty")
    empty.path.mkdir()
    more = {"glyphs": glyphs} if glyphs else {}
    async with comparing(runs_dir, [good, evil, gone, empty], **more) as (screen, pilot):
        text = shown(screen.deck.screen)
        assert "[red]" in text
        assert "\x1b" not in text
        await pilot.press("t", "t", "d", "d", "right", "plus", "x", "x", "x")
        await work_done(screen.app)
        await settle(screen, pilot)


async def test_no_runs_at_all(runs_dir: Path) -> None:
    async with comparing(runs_dir, []) as (_screen, pilot):
        await pilot.press("t", "d", "d", "m", "plus", "left", "i", "space", "1", "x", "f", "enter")
        await pilot.pause()


async def test_of_more_than_eight_the_first_are_shown(runs_dir: Path) -> None:
    async with comparing(runs_dir, some_runs(runs_dir, 9)) as (screen, _pilot):
        assert len(screen.lens.entries) == 8
        assert any("first 8" in said.message for said in screen.deck._notifications)


async def test_enter_opens_a_run(runs_dir: Path) -> None:
    async with comparing(runs_dir, some_runs(runs_dir, 2)) as (screen, pilot):
        await pilot.press("down", "enter")
        await pilot.pause()
        assert isinstance(screen.app.screen, MonitorScreen)


async def test_runs_of_one_name_are_told_apart(runs_dir: Path) -> None:
    runs = [make_run(runs_dir, "twin", created=NOW - n, run_id=f"id{n}") for n in range(2)]
    async with comparing(runs_dir, runs) as (screen, _pilot):
        text = shown(screen.deck.screen)
        assert "twin id0" in text
        assert "twin id1" in text


async def test_sixteen_colours(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLORTERM", "")
    async with comparing(runs_dir, some_runs(runs_dir, 8), (200, 60)) as (screen, pilot):
        await pilot.pause()
        sent = screen._compositor.render_update(full=True).render_segments(screen.app.console)  # type: ignore[union-attr]
        assert "[38;2" not in sent
        assert "[38;5" not in sent


def test_readers_are_made_for_eight_at_most(runs_dir: Path) -> None:
    assert len(Lens([runs_dir / str(n) for n in range(20)], FakeClock()).entries) == 8


async def test_new_panels_are_filled_though_nobody_tells_them_their_size(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine Textual loses these, as a new widget's place is asked for too early.
    post = ComparePanel.post_message

    def lossy(panel: ComparePanel, message: Any) -> bool:
        return True if isinstance(message, events.Resize) else post(panel, message)

    monkeypatch.setattr(ComparePanel, "post_message", lossy)
    async with comparing(runs_dir, some_runs(runs_dir, 2), (120, 40)) as (screen, _pilot):
        assert len(screen.query(ComparePanel)) > 3
        assert "no data" not in shown(screen.deck.screen)
