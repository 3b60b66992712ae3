"""The Monitor at its end: leaving it, and what it says of a run that is over."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from monitorlab import going, monitor, order, settle, text
from tuilab import NOW, make_run, training, work_done, write_events

from tui.sources.follow import Source


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


async def test_leaving_a_live_run_says_that_it_goes_on(runs_dir: Path) -> None:
    run = going(runs_dir)
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
    run = going(runs_dir)
    async with monitor(run, runs_dir) as (screen, pilot):
        screen.deck.open_monitor(Source.of_run(run))
        await settle(pilot)
        second = pilot.app.screen
        await pilot.press("q")
        await settle(pilot)
        assert pilot.app.screen is screen is not second
        assert screen.deck.last_words == []


async def test_an_ended_run_needs_no_clock(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(50, end="completed"))
    async with monitor(run, runs_dir, live=True) as (screen, pilot):
        for _ in range(100):
            await pilot.pause(0.02)
            if screen._resting:
                break
        assert screen._resting
        assert "loss" in text(pilot)
