"""The foot of the Monitor names what makes sense now, and `g` leads to a step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from monitorlab import monitor, press, settle, text
from tuilab import NOW, make_run, training

from trainer.runs.layout import write_json_atomic
from tui.screens.monitor.chartkeys import step_in


@pytest.mark.parametrize(
    ("state", "named", "left_out"),
    [
        ("running", ("s stop", "c ckpt", "v val"), ("R resume", "K kill")),
        ("stopping", ("K kill",), ("s stop", "c ckpt", "R resume")),
        ("killed", ("R resume", "←→ cursor"), ("s stop", "c ckpt", "v val", "K kill")),
        ("completed", ("←→ cursor",), ("s stop", "R resume")),
    ],
)
async def test_the_foot_names_what_makes_sense_for_a_run(
    runs_dir: Path,
    state: str,
    named: tuple[str, ...],
    left_out: tuple[str, ...],
    whole_checkpoint: Callable[[Path], None],
) -> None:
    run = make_run(runs_dir, state=state, events=training(20))
    whole_checkpoint(run.checkpoints / "last.ckpt")
    async with monitor(run, runs_dir) as (_, pilot):
        foot = text(pilot).splitlines()[-1]
    for part in ("? help", "tab panel", "1-6 tabs", "f full", "m metrics", "q back", *named):
        assert part in foot
    for part in left_out:
        assert part not in foot


async def test_the_foot_of_events_without_a_run_offers_no_steering(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(20))
    async with monitor(run.events, runs_dir) as (_, pilot):
        foot = text(pilot).splitlines()[-1]
        assert "q back  ←→ cursor  +/- zoom" in foot
        assert not any(word in foot for word in ("stop", "ckpt", "resume"))


async def test_the_foot_changes_when_the_run_ends_and_the_key_says_why(runs_dir: Path) -> None:
    run = make_run(runs_dir, state="running", created=NOW - 60, events=training(20))
    async with monitor(run, runs_dir) as (_, pilot):
        assert "s stop" in text(pilot).splitlines()[-1]
        status = run.path / "status.json"
        write_json_atomic(status, json.loads(status.read_text()) | {"state": "completed"})
        await settle(pilot)
        assert "s stop" not in text(pilot).splitlines()[-1]
        await press(pilot, "s")
        said = [note.message for note in pilot.app._notifications]
        assert any("already completed" in message for message in said)


async def test_g_sets_the_cursor_to_a_step_and_moves_the_window_there(runs_dir: Path) -> None:
    run = make_run(runs_dir, state="completed", events=training(400))
    async with monitor(run, runs_dir) as (screen, pilot):
        await press(pilot, "g")
        assert "steps 1 to 400" in text(pilot)
        await press(pilot, *"12x", "enter")
        assert "not a number" in text(pilot)
        await press(pilot, "backspace", "3", "enter")
        assert screen._sight.cursor == 123
        assert "step 123" in text(pilot)
        await press(pilot, "plus", "plus", "g", *"9999", "enter")
        assert screen._sight.cursor == 400
        window = screen._sight.window
        assert not window.whole
        assert window.low < 400 <= window.high
        await press(pilot, "g", "enter")
        assert screen._sight.cursor == 400


@pytest.mark.parametrize(
    ("text", "step"), [("1 200", 1200), ("1,200", 1200), ("-1", None), ("²", None), ("", None)]
)
def test_steps_are_read_as_people_write_them(text: str, step: int | None) -> None:
    assert step_in(text) == step


async def test_the_help_explains_the_signs_of_the_charts(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(20))
    async with monitor(run, runs_dir, size=(80, 90)) as (_, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        shown = text(pilot)
    assert "Signs in the charts" in shown
    assert "the newest best checkpoint" in shown
