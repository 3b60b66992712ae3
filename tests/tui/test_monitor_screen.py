"""The Monitor from the keyboard, over the real reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from monitorlab import going, monitor, order, panels, press, settle, text
from tuilab import NOW, FakeClock, make_run, training, write_events

from tui import memory
from tui.glyphs import ASCII, UNICODE
from tui.screens.monitor.header import Header
from tui.screens.monitor.panels import Panels
from tui.widgets.dialogs import Dialog

# ── what stands on the screen ────────────────────────────────────────────────────────────────


async def test_all_that_matters_fits_into_80x24(runs_dir: Path) -> None:
    run = going(runs_dir)
    write_events(run, [{"ts": NOW, "event": "log", "level": "info", "message": "epoch 3 done"}])
    async with monitor(run, runs_dir) as (_, pilot):
        shown = text(pilot)
    head = shown.splitlines()[0]
    for part in ("quick", "▶ running", "epoch 2/2", "400/1 000", "ETA 5:00", "40%"):
        assert part in head
    assert "elapsed" in shown.splitlines()[1]
    assert "━" in shown.splitlines()[1]
    for part in ("loss", "train 1.0", "val 1.1", "best 1.1", "x:step", "grad norm", "clip 4 %",
                 "throughput", "step 50 ms", "wait 4 %", "lr ", "mem 500 MB", "epoch 3 done",
                 "1-6 tabs", "tab panel", "s stop", "c ckpt", "v val", "f full", "m metrics",
                 "q back"):  # fmt: skip
        assert part in shown, part
    assert re.search("[⠁-⣿]", shown)
    assert len(shown.splitlines()) == 24


async def test_larger_terminals_show_more_panels(runs_dir: Path) -> None:
    run = going(runs_dir)
    counts = []
    for size in ((80, 24), (120, 40), (200, 60)):
        async with monitor(run, runs_dir, size=size) as (screen, _):
            counts.append(len(panels(screen)))
    assert counts == sorted(counts)
    assert counts[0] == 3
    assert counts[1] == counts[2] == 8


async def test_the_wall_clock_limit_counts_down(runs_dir: Path) -> None:
    run = going(runs_dir)
    identity = run.identity() | {"limits": {"wall_clock_s": 3600}}
    run.run_json.write_text(json.dumps(identity))
    async with monitor(run, runs_dir) as (screen, pilot):
        # It started a second after it was made, 410 seconds ago.
        assert "limit 53:11 left" in text(pilot)
        assert isinstance(screen.context.clock, FakeClock)
        screen.context.clock.move(11)
        await settle(pilot)
        assert "limit 53:00 left" in text(pilot)


async def test_values_that_are_no_numbers_are_marked(runs_dir: Path) -> None:
    run = going(runs_dir, loss=lambda step: float("nan") if 200 <= step < 210 else 2 / step)
    async with monitor(run, runs_dir) as (_, pilot):
        shown = text(pilot)
    title = next(line for line in shown.splitlines() if "loss" in line)
    # Ten of training and one of validation.
    assert "11 NaN/inf" in title
    assert "×" in shown


async def test_events_without_a_run_folder(runs_dir: Path) -> None:
    path = runs_dir / "mine.jsonl"
    write_events(
        path,
        [{"ts": NOW - 100 + n, "event": "metrics", "step": n, "metrics": {"acc": n / 100}}
         for n in range(100)],
    )  # fmt: skip
    async with monitor(path, runs_dir) as (screen, pilot):
        first = text(pilot).splitlines()[0]
        assert "mine.jsonl  ▶ running" in first
        assert order(screen) == ["acc"]
        await pilot.press("s")
        await pilot.pause()
        assert any("no run folder" in n.message for n in pilot.app._notifications)
        assert isinstance(screen.context.clock, FakeClock)
        screen.context.clock.move(300)
        await settle(pilot)
        assert "silent for 5m" in text(pilot)
        assert "ETA" not in text(pilot)
        write_events(path, [{"ts": NOW, "event": "run_finished", "status": "completed",
                             "reason": "all done", "exit_code": 0}])  # fmt: skip
        await settle(pilot)
        first, second = text(pilot).splitlines()[:2]
        assert "✓ completed" in first
        assert "all done" in second


async def test_nothing_at_all(runs_dir: Path) -> None:
    path = runs_dir / "empty.jsonl"
    path.touch()
    async with monitor(path, runs_dir) as (_, pilot):
        assert "no metrics yet" in text(pilot)
        # No key may stumble over it.
        await press(pilot, *"+-0lxwmfh[],.<>", "left", "home", "end", "tab", "pageup", "pagedown")
        await press(pilot, *"1")
        write_events(path, [{"ts": NOW, "event": "metrics", "step": 1, "metrics": {"a": 1.0}}])
        await settle(pilot)
        assert "no metrics yet" not in text(pilot)


HOSTILE = {
    "[red]x[/]": 1.0,
    "\x1b]52;c;aGk=\x07clip": 2.0,
    "\x1b[31mred\x1b[0m": 3.0,
    "日本語の損失": 4.0,
    "e\u0301" * 300: 5.0,
    "": 6.0,
    "huge": 1e308,
    "tiny": -1e-308,
    "nan": "NaN",
    "inf": "Infinity",
}


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (20, 5), (1, 1), (300, 7)])
async def test_hostile_names_and_values(runs_dir: Path, size: tuple[int, int]) -> None:
    path = runs_dir / "evil.jsonl"
    events: list[dict[str, Any]] = [
        {"ts": NOW + n, "event": "metrics", "step": n, "metrics": HOSTILE} for n in range(5)
    ]
    events += [
        {"ts": 1e300, "event": "log", "level": 7, "message": ["x"]},
        {"event": "alert", "step": "x", "message": None, "kind": {}},
        {"event": "checkpoint", "step": 1e400, "bytes": "x", "path": 3},
        {"event": "run_started", "step": True, "metrics": {"": 3, "huge": {"threshold": "x"}},
         "total_steps": -4, "total_epochs": 0, "name": "\x1b]0;t\x07[b]n[/b]"},
        {"event": "run_finished", "status": "[x]", "reason": 4, "exit_code": "x"},
    ]  # fmt: skip
    write_events(path, events)
    async with monitor(path, runs_dir, size=size) as (screen, pilot):
        await press(
            pilot, "left", "+", "x", "x", "x", "l", "w", "tab", "f", "m", "escape", "2", "1"
        )
        shown = text(pilot)
        assert "\x1b" not in shown
        assert "\x07" not in shown
        if size == (80, 24):
            assert "[b]n[/b]" in screen.query_one(Header).text


@pytest.mark.parametrize("glyphs", [ASCII, UNICODE])
async def test_without_colours_or_beside_sixteen(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, glyphs: Any
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run = going(runs_dir)
    async with monitor(run, runs_dir, glyphs=glyphs) as (screen, pilot):
        pilot.app.theme = "ansi-dark"
        await press(pilot, "left", "plus", "w", "l", "2", "1", "m", "escape")
        shown = text(pilot)
        assert "running" in shown
        assert all(segment.style is not None
                   for strip in screen._compositor.render_strips() for segment in strip)  # fmt: skip
        if glyphs.plain:
            assert not re.search("[⠁-⣿≈█━…▸]", shown)


async def test_three_hundred_metrics_in_pages(runs_dir: Path) -> None:
    path = runs_dir / "many.jsonl"
    names = [f"grp{n % 20}/metric_{n}" for n in range(300)]
    write_events(
        path, [{"ts": NOW, "event": "metrics", "step": 1, "metrics": dict.fromkeys(names, 1.0)}]
    )
    async with monitor(path, runs_dir) as (screen, pilot):
        assert len(order(screen)) == 300
        seen = set(panels(screen))
        pages = screen.query_one(Panels).page[1]
        for _ in range(pages - 1):
            await press(pilot, "pagedown")
            assert len(panels(screen)) <= 4
            seen |= set(panels(screen))
        assert len(seen) == 300
        assert f"page {pages}/{pages}" in text(pilot)


async def test_it_can_be_made_smaller_and_larger(runs_dir: Path) -> None:
    async with monitor(going(runs_dir), runs_dir) as (screen, pilot):
        for size in ((20, 5), (200, 60), (40, 8), (1, 1), (80, 24)):
            await pilot.resize_terminal(*size)
            await settle(pilot)
            assert len(text(pilot).splitlines()) <= size[1]
        assert len(panels(screen)) == 3


# ── what is remembered ──────────────────────────────────────────────────────────────────────


async def test_the_layout_is_remembered_for_the_recipe(runs_dir: Path) -> None:
    run = going(runs_dir)
    async with monitor(run, runs_dir) as (screen, pilot):
        assert order(screen)[:3] == ["loss", "grad_norm", "perf/samples_per_sec"]
        await press(pilot, "tab", "right_square_bracket", "l", "w", "x")
        assert order(screen)[:3] == ["loss", "perf/samples_per_sec", "grad_norm"]
        await press(pilot, "tab", "h")
        assert "lr" not in order(screen)
        assert "1 panel hidden" in text(pilot)
        kept = order(screen)
    assert memory.recall("monitor-text")
    async with monitor(run, runs_dir) as (screen, _):
        assert order(screen) == kept
        plot = panels(screen)["loss"].chart.plot
        assert plot.x == "epoch"
        assert plot.curves[0].smooth is not None
        assert panels(screen)["grad_norm"].chart.plot.log
    other = make_run(runs_dir, "other", recipe="audio", events=training(20))
    async with monitor(other, runs_dir) as (screen, _):
        assert "lr" in order(screen)


async def test_the_list_of_metrics_finds_pins_hides_and_goes(runs_dir: Path) -> None:
    async with monitor(going(runs_dir), runs_dir) as (screen, pilot):
        await pilot.press("m")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Dialog)
        shown = text(pilot)
        assert "9 metrics" in shown
        assert re.search(r"train/loss +1\.0", shown)
        await pilot.press(*"rss", "tab")
        await pilot.pause()
        assert "pinned" in text(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert order(screen)[:2] == ["loss", "memory"]
        assert screen.query_one(Panels).focus_key == "memory"
        await pilot.press("m", *"data_wait", "shift+tab")
        await pilot.pause()
        assert "hidden" in text(pilot)
        await pilot.press("escape")
        await settle(pilot)
        assert "perf/data_wait_sec" not in order(screen)
        await pilot.press("m", *"data_wait", "enter")
        await settle(pilot)
        assert "perf/data_wait_sec" in panels(screen)


# ── tabs, leaving ────────────────────────────────────────────────────────────────────────────


async def test_tabs_take_the_place_of_the_charts(runs_dir: Path) -> None:
    run = going(runs_dir)
    write_events(run, [{"ts": NOW, "event": "log", "level": "info", "message": "hello there"}])
    async with monitor(run, runs_dir) as (screen, pilot):
        for key in "23456":
            await press(pilot, key)
            assert not screen.query_one("#charts").display
            # Keys of the charts are the tab's now.
            assert screen.check_action("zoom", (1,)) is False
        await press(pilot, "2")
        assert "hello there" in text(pilot)
        await press(pilot, "escape")
        assert screen.query_one("#charts").display
        assert "grad norm" in text(pilot)
        assert screen.focused is None


# ── restraint ────────────────────────────────────────────────────────────────────────────────


async def test_nothing_is_drawn_when_nothing_has_changed(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textual.widget import Widget

    run = going(runs_dir)
    async with monitor(run, runs_dir, size=(120, 40)) as (screen, pilot):
        drawn: list[tuple[str, tuple[Any, ...]]] = []
        refresh = Widget.refresh

        def spy(self: Widget, *regions: Any, **options: Any) -> Widget:
            drawn.append((type(self).__name__, regions))
            return refresh(self, *regions, **options)

        monkeypatch.setattr(Widget, "refresh", spy)
        for _ in range(3):
            screen.follower.step()
            screen.tick()
            await pilot.pause()
        assert drawn == []
        # A second later only the cells of the clock are new.
        assert isinstance(screen.context.clock, FakeClock)
        screen.context.clock.move(1)
        screen.tick()
        await pilot.pause()
        assert [name for name, _ in drawn] == ["Header"]
        assert sum(region.area for _, regions in drawn for region in regions) <= 3


async def test_metrics_beyond_what_is_kept_are_told_of(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.events.fast.MAX_METRICS", 3)
    run = make_run(runs_dir, events=training(20))
    async with monitor(run, runs_dir) as (_, pilot):
        assert "3 more metrics not kept" in text(pilot)
