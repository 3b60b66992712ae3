"""The charts of the Monitor from the keyboard: cursor, window, axes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from monitorlab import going, metrics, monitor, panels, press, settle, text
from tuilab import NOW, make_run, training, write_events


@pytest.mark.parametrize("steps", [400, 5000])
async def test_values_at_the_cursor_are_those_of_the_file(runs_dir: Path, steps: int) -> None:
    run = going(runs_dir, steps)
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
    run = going(runs_dir, 5000)
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
    async with monitor(going(runs_dir), runs_dir) as (screen, pilot):

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
    run = going(runs_dir)
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
    async with monitor(going(runs_dir), runs_dir) as (screen, pilot):
        await press(pilot, "left", "f")
        assert len(panels(screen)) == 1
        await press(pilot, "escape")
        assert len(panels(screen)) == 3
        assert panels(screen)["loss"].chart.plot.cursor is not None
        await press(pilot, "escape")
        assert panels(screen)["loss"].chart.plot.cursor is None


async def test_log_axis_smoothing(runs_dir: Path) -> None:
    async with monitor(going(runs_dir), runs_dir) as (screen, pilot):
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
    async with monitor(going(runs_dir), runs_dir) as (screen, pilot):
        await press(pilot, "plus", "shift+left", "x", "x", "x")
        assert panels(screen)["loss"].chart.plot.window == pytest.approx((150.6, 350.1), abs=1.5)


async def test_a_restart_is_marked(runs_dir: Path) -> None:
    run = going(runs_dir)
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
