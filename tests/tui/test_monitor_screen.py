"""The Monitor from the keyboard, over the real reader."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from monitorlab import metrics, monitor, order, panels, press, settle, text
from tuilab import NOW, FakeClock, make_run, training, work_done, write_events

from tui import memory
from tui.glyphs import ASCII, UNICODE
from tui.screens.monitor.header import Header
from tui.screens.monitor.panels import Panels
from tui.sources.follow import Source
from tui.widgets.dialogs import Dialog


def live(runs_dir: Path, steps: int = 400, **more: Any) -> Any:
    """A run that goes on, a second a step, at 400 of 1,000 steps."""
    return make_run(
        runs_dir,
        state="running",
        created=NOW - steps - 10,
        step=steps,
        total_steps=1000,
        rate=2.0,
        events=training(steps, total=1000, ts=NOW - steps, **more),
    )


# ── what stands on the screen ────────────────────────────────────────────────────────────────


async def test_all_that_matters_fits_into_80x24(runs_dir: Path) -> None:
    run = live(runs_dir)
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
    run = live(runs_dir)
    counts = []
    for size in ((80, 24), (120, 40), (200, 60)):
        async with monitor(run, runs_dir, size=size) as (screen, _):
            counts.append(len(panels(screen)))
    assert counts == sorted(counts)
    assert counts[0] == 3
    assert counts[1] == counts[2] == 8


async def test_the_wall_clock_limit_counts_down(runs_dir: Path) -> None:
    run = live(runs_dir)
    identity = run.identity() | {"limits": {"wall_clock_s": 3600}}
    run.run_json.write_text(__import__("json").dumps(identity))
    async with monitor(run, runs_dir) as (screen, pilot):
        # It started a second after it was made, 410 seconds ago.
        assert "limit 53:11 left" in text(pilot)
        assert isinstance(screen.context.clock, FakeClock)
        screen.context.clock.move(11)
        await settle(pilot)
        assert "limit 53:00 left" in text(pilot)


@pytest.mark.parametrize(
    ("state", "reason", "checkpoint", "expected"),
    [
        ("completed", "max_steps reached", True, "next: traindeck show {id}"),
        ("stopped", "asked to stop", True, "next: R  ·  traindeck resume {id}"),
        ("timeout", "wall-clock limit", True, "next: R  ·  traindeck resume {id}"),
        ("failed", "ValueError: no", False, "next: traindeck logs {id}"),
        ("failed", "ValueError: no", True, "next: R  ·  traindeck resume {id}"),
        ("killed", "killed on request", False, "next: traindeck rerun {id}"),
        ("lost", "no heartbeat", False, "next: traindeck rerun {id}"),
        ("out_of_memory", "over the limit", False, "next: traindeck rerun {id}"),
    ],
)
async def test_an_ended_run_says_how_and_what_to_do(
    runs_dir: Path, state: str, reason: str, checkpoint: bool, expected: str
) -> None:
    run = make_run(runs_dir, state=state, reason=reason, events=training(20, end=state))
    if checkpoint:
        import zipfile

        with zipfile.ZipFile(run.checkpoints / "last.ckpt", "w") as file:
            file.writestr("a", b"a")
    async with monitor(run, runs_dir) as (screen, pilot):
        await work_done(screen.app)
        await settle(pilot)
        first, second = text(pilot).splitlines()[:2]
    assert state.replace("_", " ") in first
    assert second.strip().startswith(reason)
    assert expected.format(id=run.id) in second
    assert "ETA" not in first


async def test_a_failed_run_says_its_trouble_first(runs_dir: Path) -> None:
    run = make_run(runs_dir, state="failed", reason="loss became NaN", events=training(20))
    alert = {
        "ts": NOW, "event": "alert", "level": "error", "kind": "nan", "step": 20,
        "message": "train/loss became NaN", "advice": "lower the learning rate",
    }  # fmt: skip
    write_events(run, [alert])
    async with monitor(run, runs_dir) as (_, pilot):
        third = text(pilot).splitlines()[2]
    assert third.strip() == "train/loss became NaN · lower the learning rate"


async def test_values_that_are_no_numbers_are_marked(runs_dir: Path) -> None:
    run = live(runs_dir, loss=lambda step: float("nan") if 200 <= step < 210 else 2 / step)
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
    run = live(runs_dir)
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
    async with monitor(live(runs_dir), runs_dir) as (screen, pilot):
        for size in ((20, 5), (200, 60), (40, 8), (1, 1), (80, 24)):
            await pilot.resize_terminal(*size)
            await settle(pilot)
            assert len(text(pilot).splitlines()) <= size[1]
        assert len(panels(screen)) == 3


# ── zoom, pan, cursor ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("steps", [400, 5000])
async def test_values_at_the_cursor_are_those_of_the_file(runs_dir: Path, steps: int) -> None:
    run = live(runs_dir, steps)
    truth = metrics(run.events)
    async with monitor(run, runs_dir, size=(160, 40)) as (screen, pilot):
        for keys in (
            ["left"],
            ["left", "left", "comma"],
            ["home"],
            ["right", "full_stop"],
            ["end"],
        ):
            await press(pilot, *keys)
            title = panels(screen)["loss"].text
            step = int(re.search(r"step ([\d ]+?)  ", title).group(1).replace(" ", ""))  # type: ignore[union-attr]
            value = float(re.search(r"train ([\d.e-]+)", title).group(1))  # type: ignore[union-attr]
            assert value == pytest.approx(truth[step]["train/loss"], rel=1e-7)
            norm = float(panels(screen)["grad_norm"].text.split()[2])
            assert norm == pytest.approx(truth[step]["grad_norm"], rel=1e-7)
        assert step == steps
        assert "epoch" in title


async def test_the_cursor_goes_from_value_to_value_when_zoomed(runs_dir: Path) -> None:
    run = live(runs_dir, 5000)
    truth = metrics(run.events)
    async with monitor(run, runs_dir, size=(120, 40)) as (screen, pilot):
        await press(pilot, "end", *["plus"] * 10)
        low, high = panels(screen)["loss"].chart.x_range
        assert high - low < 30
        envelope = panels(screen)["loss"].chart.plot.curves[-1].envelope
        assert envelope.width == 1
        for place, count in enumerate(envelope.count):
            step = envelope.start + place
            if count and step in truth:
                assert envelope.first[place] == pytest.approx(truth[step]["train/loss"])
        await press(pilot, "left", "left", "left")
        title = panels(screen)["loss"].text
        assert "step 4 997 " in title
        # Validation was every fifty steps: its last value is shown with its own step.
        assert "@ 4 950" in title


async def test_the_cursor_finds_each_value_of_a_metric_that_is_rare(runs_dir: Path) -> None:
    path = runs_dir / "rare.jsonl"
    write_events(
        path,
        [
            {"ts": NOW + step, "event": "metrics", "step": step,
             "metrics": {"loss": 1.0, **({"score": step / 1000} if step % 200 == 0 else {})}}
            for step in range(1, 3001)
        ],
    )  # fmt: skip
    async with monitor(path, runs_dir) as (screen, pilot):
        await press(pilot, "tab", "f", "end")
        for step in range(3000, 2000, -200):
            title = panels(screen)["score"].text
            assert f" {step / 1000:.8g} " in f"{title} "
            await press(pilot, "left")
            while f" {step / 1000:.8g} " in f"{panels(screen)['score'].text} ":
                await press(pilot, "left")


async def test_zoom_and_pan(runs_dir: Path) -> None:
    async with monitor(live(runs_dir), runs_dir) as (screen, pilot):

        def window() -> tuple[float, float] | None:
            return panels(screen)["loss"].chart.plot.window

        assert window() is None
        await press(pilot, "plus")
        assert window() == pytest.approx((200.5, 400))
        assert "zoomed" in text(pilot)
        await press(pilot, "shift+left")
        assert window() == pytest.approx((200.5 - 199.5 / 4, 400 - 199.5 / 4))
        await press(pilot, "greater_than_sign")
        assert window() == pytest.approx((200.5, 400))
        await press(pilot, "minus")
        assert window() is None
        await press(pilot, "plus", "plus", "equals_sign")
        assert window() is None
        await press(pilot, "plus", "0")
        assert window() is None


async def test_a_zoomed_window_goes_on_with_the_run_in_quarters(runs_dir: Path) -> None:
    run = live(runs_dir)
    async with monitor(run, runs_dir) as (screen, pilot):
        await press(pilot, "plus", "plus")
        low, high = panels(screen)["loss"].chart.plot.window or (0, 0)
        write_events(run, training(10, start=401, begin=False, ts=NOW - 400))
        await settle(pilot)
        width = high - low
        assert panels(screen)["loss"].chart.plot.window == pytest.approx(
            (low + width / 4, high + width / 4)
        )


async def test_escape_takes_one_step_back_at_a_time(runs_dir: Path) -> None:
    async with monitor(live(runs_dir), runs_dir) as (screen, pilot):
        await press(pilot, "left", "f")
        assert len(panels(screen)) == 1
        await press(pilot, "escape")
        assert len(panels(screen)) == 3
        assert panels(screen)["loss"].chart.plot.cursor is not None
        await press(pilot, "escape")
        assert panels(screen)["loss"].chart.plot.cursor is None


# ── toggles, and what is remembered ──────────────────────────────────────────────────────────


async def test_log_axis_smoothing(runs_dir: Path) -> None:
    async with monitor(live(runs_dir), runs_dir) as (screen, pilot):
        await press(pilot, "l")
        assert panels(screen)["loss"].chart.plot.log
        assert not panels(screen)["grad_norm"].chart.plot.log
        assert "log  x:step" in text(pilot)
        await press(pilot, "x")
        assert {panel.chart.plot.x for panel in panels(screen).values()} == {"epoch"}
        assert "x:epoch" in text(pilot)
        await press(pilot, "x")
        assert panels(screen)["loss"].chart.plot.x == "time"
        assert panels(screen)["loss"].chart.plot.curves[0].left is not None
        await press(pilot, "w")
        curve = panels(screen)["loss"].chart.plot.curves[-1]
        assert curve.smooth is not None
        assert len(curve.smooth) == len(curve.envelope)
        assert "≈5" in text(pilot)
        await press(pilot, "w", "w", "w", "x", "l")
        plot = panels(screen)["loss"].chart.plot
        assert (plot.x, plot.log, plot.curves[0].smooth) == ("step", False, None)


async def test_the_window_stays_where_it_is_when_the_axis_changes(runs_dir: Path) -> None:
    async with monitor(live(runs_dir), runs_dir) as (screen, pilot):
        await press(pilot, "plus", "shift+left", "x", "x", "x")
        assert panels(screen)["loss"].chart.plot.window == pytest.approx((150.6, 350.1), abs=1.5)


async def test_the_layout_is_remembered_for_the_recipe(runs_dir: Path) -> None:
    run = live(runs_dir)
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
    async with monitor(live(runs_dir), runs_dir) as (screen, pilot):
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
    run = live(runs_dir)
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


async def test_leaving_a_live_run_says_that_it_goes_on(runs_dir: Path) -> None:
    run = live(runs_dir)
    async with monitor(run, runs_dir, launched=True) as (screen, pilot):
        deck = screen.deck
        await pilot.press("q")
        await pilot.pause()
    assert deck.last_words == [f"the run goes on: traindeck watch {run.id}"]
    assert deck.return_value == 0


@pytest.mark.parametrize(
    ("state", "launched", "code"),
    [("failed", True, 1), ("failed", False, 0), ("timeout", True, 3), ("completed", True, 0)],
)
async def test_leaving_after_the_end(runs_dir: Path, state: str, launched: bool, code: int) -> None:
    run = make_run(runs_dir, state=state, reason="so it was", events=training(5))
    async with monitor(run, runs_dir, launched=launched) as (screen, pilot):
        deck = screen.deck
        await pilot.press("ctrl+q")
        await pilot.pause()
    assert deck.return_value == code
    assert "so it was" in deck.last_words[0]
    more = [f"what it did: traindeck show {run.id}"] if launched else []
    assert deck.last_words[1:] == more


async def test_a_pipe_is_read_to_its_end(runs_dir: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"v":1,"event":"metrics","step":1,"metrics":{"loss":2}}\n')
    source = Source(None, None, reading, "standard input")
    async with monitor(source, runs_dir) as (screen, pilot):
        await settle(pilot)
        assert order(screen) == ["loss"]
        os.close(writing)
        for _ in range(50):
            await settle(pilot)
            if screen.follower.picture.closed:
                break
        assert "stream ended" in text(pilot)
        deck = screen.deck
        await pilot.press("q")
    assert deck.last_words == ["standard input stream ended"]


async def test_over_the_list_of_runs_it_goes_back_to_it(runs_dir: Path) -> None:
    run = live(runs_dir)
    async with monitor(run, runs_dir) as (screen, pilot):
        screen.deck.open_monitor(Source.of_run(run))
        await settle(pilot)
        second = pilot.app.screen
        await pilot.press("q")
        await settle(pilot)
        assert pilot.app.screen is screen is not second
        assert screen.deck.last_words == []


# ── restraint ────────────────────────────────────────────────────────────────────────────────


async def test_nothing_is_drawn_when_nothing_has_changed(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textual.widget import Widget

    run = live(runs_dir)
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


async def test_an_ended_run_needs_no_clock(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(50, end="completed"))
    async with monitor(run, runs_dir, live=True) as (screen, pilot):
        for _ in range(100):
            await pilot.pause(0.02)
            if screen._resting:
                break
        assert screen._resting
        assert "loss" in text(pilot)


async def test_a_restart_is_marked(runs_dir: Path) -> None:
    run = live(runs_dir)
    write_events(run, [{"ts": NOW, "event": "run_started", "step": 300, "total_steps": 1000}])
    write_events(run, training(50, start=301, begin=False, ts=NOW - 290))
    async with monitor(run, runs_dir) as (screen, _):
        plot = panels(screen)["loss"].chart.plot
        assert [(mark.kind, mark.x) for mark in plot.marks] == [("restart", 300)]
        assert [mark.kind for mark in panels(screen)["grad_norm"].chart.plot.marks] == ["restart"]


async def test_a_restart_stands_at_its_own_time(runs_dir: Path) -> None:
    events = training(100, ts=NOW - 1000)
    run = make_run(runs_dir, state="running", events=events)
    # Forty steps were done twice, and nobody trained in between.
    write_events(run, [{"ts": NOW - 500, "event": "run_started", "step": 60, "total_steps": 200}])
    write_events(run, training(50, start=61, begin=False, ts=NOW - 500))
    async with monitor(run, runs_dir) as (screen, pilot):
        await press(pilot, "x", "x")
        axis = screen._sight.axis
        assert axis.kind == "time"
        (mark,) = panels(screen)["loss"].chart.plot.marks
        assert mark.kind == "restart"
        assert axis.place(60) < mark.x <= axis.place(61)
        assert mark.x == pytest.approx(500, abs=2)


async def test_metrics_beyond_what_is_kept_are_told_of(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.events.fast.MAX_METRICS", 3)
    run = make_run(runs_dir, events=training(20))
    async with monitor(run, runs_dir) as (_, pilot):
        assert "3 more metrics not kept" in text(pilot)


async def test_checkpoints_and_the_clip_threshold_are_shown(runs_dir: Path) -> None:
    events = training(100)
    events[0]["metrics"]["grad_norm"] = {"threshold": 1.0}
    events += [
        {"ts": NOW, "event": "checkpoint", "kind": kind, "step": step, "path": f"{kind}.ckpt"}
        for kind, step in (("best", 20), ("last", 30), ("best", 50))
    ]
    run = make_run(runs_dir, events=events)
    async with monitor(run, runs_dir) as (screen, _):
        marks = panels(screen)["loss"].chart.plot.marks
        assert [(mark.kind, mark.x) for mark in marks] == [("checkpoint", 30), ("best", 50)]
        levels = panels(screen)["grad_norm"].chart.plot.levels
        assert [(level.value, level.label) for level in levels] == [(1.0, "clip")]
