"""The Sweep screen by keyboard: the matrix fills, trials open, the sweep is stopped and resumed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nightlab import TWO_AXES, drive, make_sweep, make_trial
from textual.pilot import Pilot
from tuilab import context, make_run

from trainer.runs import control
from trainer.sweeps.folder import Sweep
from tui.app import Deck
from tui.glyphs import ASCII
from tui.screens.base import DeckScreen
from tui.screens.compare import CompareScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.runs import RunsScreen
from tui.screens.sweep import SweepScreen, SweepsScreen, WriteSweepScreen, deeds
from tui.screens.sweep.board import BoardRows
from tui.screens.sweep.matrix import Matrix
from tui.screens.sweep.trials import TrialRows
from tui.widgets.dialogs import Confirm, Pick

SIZES = [(80, 24), (120, 40), (200, 60)]
THREE = (*TWO_AXES, "trainer.max_epochs=1,2")


async def settle(pilot: Pilot[Any]) -> None:
    for _ in range(3):
        await pilot.pause()
        # A deed waits for the answer to its question.
        while not isinstance(pilot.app.screen, Confirm) and pilot.app.workers:
            await pilot.pause(0.01)
        await pilot.pause()


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)


@asynccontextmanager
async def watch(
    sweep: Sweep, size: tuple[int, int] = (80, 24), **more: Any
) -> AsyncIterator[tuple[Pilot[Any], SweepScreen]]:
    app = Deck(context(sweep.runs_dir, **more), first=DeckScreen)
    async with app.run_test(size=size) as pilot:
        app.open_sweep(sweep.path)
        await settle(pilot)
        assert isinstance(app.screen, SweepScreen)
        yield pilot, app.screen


async def look(pilot: Pilot[Any], screen: SweepScreen) -> str:
    screen.look_anew()
    await settle(pilot)
    return shown(screen)


def shown(screen: Any) -> str:
    return "\n".join(
        "".join(segment.text for segment in strip) for strip in screen._compositor.render_strips()
    )


def said(app: Any) -> str:
    return "\n".join(str(note.message) for note in app._notifications)


@pytest.fixture
def night(runs_dir: Path) -> Sweep:
    """Three learning rates x two dropouts x two seeds, half done."""
    sweep = make_sweep(runs_dir, seeds=(0, 1))
    for number in range(1, 7):
        make_trial(sweep, number, value=0.4 + number / 100)
    make_trial(sweep, 7, "failed", None, reason="loss became NaN at step 812")
    make_trial(sweep, 8, "running", 0.47, step=45)
    drive(sweep)
    return sweep


@pytest.mark.parametrize("size", SIZES)
async def test_the_matrix_tells_states_progress_and_values(
    night: Sweep, size: tuple[int, int]
) -> None:
    async with watch(night, size) as (_, screen):
        text = shown(screen)
        assert "▶ running   6/12 done" in text
        assert "best val/loss 0.41 (trial 1)" in text
        for word in ("✓ 2 completed", "✗ 1 of 2 failed", "· 2 waiting", "100%", "72%"):
            assert word in text
        assert "* 0.415 ± 0.007071" in text
        assert "dropout" in text
        assert "0.003" in text
        assert screen.query_one(Matrix).has_focus
        # What stands beside or below it needs room.
        assert ("marginal effects" in text) == (size != (80, 24))


async def test_the_matrix_fills(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    async with watch(sweep) as (pilot, screen):
        assert shown(screen).count("· waiting") == 7  # six cells, and the line below
        make_trial(sweep, 1, "running", 0.7, step=30)
        drive(sweep)
        text = await look(pilot, screen)
        assert "▶ running" in text
        assert "30%" in text
        assert "* 0.7" not in text
        make_trial(sweep, 2, value=0.6)
        text = await look(pilot, screen)
        assert "✓ completed" in text
        assert "* 0.6" in text


async def test_a_trial_opens_in_monitor_and_comes_back(night: Sweep) -> None:
    async with watch(night) as (pilot, screen):
        await press(pilot, "down", "right", "enter")
        assert isinstance(pilot.app.screen, Pick)
        await press(pilot, "down", "enter")
        monitor = pilot.app.screen
        assert isinstance(monitor, MonitorScreen)
        assert "night-8" in shown(monitor)
        await press(pilot, "escape")
        assert pilot.app.screen is screen
        assert screen.query_one(Matrix).cursor == (1, 1)


async def test_a_trial_that_has_not_begun_is_said_to(night: Sweep) -> None:
    async with watch(night) as (pilot, screen):
        await press(pilot, "end", "enter")
        assert pilot.app.screen is screen
        assert "has not begun" in said(pilot.app)


async def test_three_factors_are_a_list_with_reasons(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir, *THREE)
    make_trial(sweep, 1, value=0.3)
    make_trial(sweep, 2, "failed", None, reason="loss became NaN at step 812")
    async with watch(sweep) as (pilot, screen):
        text = shown(screen)
        assert screen.query_one(TrialRows).has_focus
        for word in ("LR", "DROPOUT", "MAX_EPOCHS", "✓ completed", "✗ failed", "loss became NaN"):
            assert word in text
        assert "1 trial failed" not in text  # what is missing matters more
        assert "10 trials missing: R goes on" in text
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, MonitorScreen)


async def test_the_matrix_can_be_a_list_and_a_list_no_matrix(night: Sweep, runs_dir: Path) -> None:
    async with watch(night) as (pilot, screen):
        await press(pilot, "m")
        assert screen.query_one(TrialRows).has_focus
        assert "loss became NaN at step 812" in shown(screen)
        await press(pilot, "m")
        assert screen.query_one(Matrix).has_focus
    async with watch(make_sweep(runs_dir, *THREE)) as (pilot, screen):
        await press(pilot, "m")
        assert "a matrix shows" in said(pilot.app)


async def test_the_leaderboard_follows(night: Sweep) -> None:
    async with watch(night) as (pilot, screen):
        await press(pilot, "2")
        board = screen.query_one(BoardRows)
        assert board.has_focus
        lines = board.text.splitlines()
        assert lines[2].split()[:6] == ["1", "0.001", "0.0", "0.415", "±", "0.007071"]
        assert "2/2" in lines[2]
        assert "dropout" in board.text
        assert "pooled (3 degrees of freedom)" in board.text
        make_trial(night, 9, value=0.1)
        make_trial(night, 10, value=0.2)
        await look(pilot, screen)
        assert board.text.splitlines()[2].split()[:4] == ["1", "0.01", "0.0", "0.15"]
        await press(pilot, "home", "down", "down", "enter")
        assert isinstance(pilot.app.screen, Pick)


async def test_the_mouse_goes_to_a_cell_and_opens_it(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    make_trial(sweep, 4, value=0.3)
    async with watch(sweep) as (pilot, screen):
        matrix = screen.query_one(Matrix)
        region = matrix._region((1, 1))
        assert region is not None
        await pilot.click(Matrix, offset=(region.x + 2, region.y), times=2)
        await settle(pilot)
        assert matrix.cursor == (1, 1)
        assert isinstance(pilot.app.screen, MonitorScreen)


async def test_a_matrix_larger_than_the_screen_scrolls_with_the_cursor(runs_dir: Path) -> None:
    rates = ",".join(f"{n}e-3" for n in range(1, 21))
    drops = ",".join(f"0.{n}" for n in range(9))
    sweep = make_sweep(
        runs_dir, "quickstart", f"optimizer.config.lr={rates}", f"model.dropout={drops}"
    )
    make_trial(sweep, 180, value=0.3)
    async with watch(sweep) as (pilot, screen):
        assert "(1 to 3 of 9)" in shown(screen)
        await press(pilot, "end")
        text = shown(screen)
        assert "(7 to 9 of 9)" in text
        assert "0.02" in text
        assert "* 0.3" in text
        assert "trial 180" in text


async def test_stop_asks_and_then_asks_the_driver(night: Sweep) -> None:
    async with watch(night) as (pilot, _screen):
        await press(pilot, "s")
        assert isinstance(pilot.app.screen, Confirm)
        await press(pilot, "n")
        assert not control.pending(night.path)
        await press(pilot, "s", "y")
        assert [request.kind for request in control.pending(night.path)] == ["stop"]
        assert "asked to stop" in said(pilot.app)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would be run."""
    found: list[list[str]] = []

    def run(words: list[str], cwd: Path) -> deeds.Done:
        found.append(list(words))
        return deeds.Done("abc")

    monkeypatch.setattr(deeds, "run", run)
    return found


async def test_resume_and_retry_say_what_they_will_do(
    runs_dir: Path, done: list[list[str]]
) -> None:
    sweep = make_sweep(runs_dir)
    make_trial(sweep, 1, "failed", None, reason="loss became NaN")
    async with watch(sweep) as (pilot, screen):
        assert "R resume" in shown(screen)
        assert "s stop" not in shown(screen)
        await press(pilot, "R")
        assert "5 trials missing" in shown(pilot.app.screen)
        await press(pilot, "y")
        tail = [str(sweep.path), "--detach", "--runs-dir", str(runs_dir)]
        assert done == [["traindeck", "ablate", "--resume", *tail]]
        await press(pilot, "F")
        assert "loss became NaN" in shown(pilot.app.screen)
        await press(pilot, "y")
        assert "--retry-failed" in done[1]
        await press(pilot, "s")
        assert "cannot stop: nothing of it runs" in said(pilot.app)
        drive(sweep)
        await look(pilot, screen)
        await press(pilot, "R")
        assert "cannot resume: it runs already" in said(pilot.app)
        assert len(done) == 2


async def test_what_goes_wrong_is_told(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = deeds.Done(problem="the sweep is being driven [red]by process 3[/red]")
    monkeypatch.setattr(deeds, "run", lambda words, cwd: wrong)
    async with watch(make_sweep(runs_dir)) as (pilot, _screen):
        await press(pilot, "R", "y")
        assert "[red]by process 3[/red]" in said(pilot.app)


async def test_the_best_trials_are_compared(night: Sweep) -> None:
    async with watch(night) as (pilot, _screen):
        await press(pilot, "v")
        assert isinstance(pilot.app.screen, CompareScreen)


async def test_text_from_sweeps_is_only_text(runs_dir: Path) -> None:
    evil = "[red]x[/red]\x1b]52;c;aGk=\x07"
    sweep = make_sweep(
        runs_dir, "quickstart", "run.name='[b]one',two", "seed=0,1", name="[blink]n[/blink]"
    )
    make_trial(sweep, 1, "failed", None, reason=evil)
    async with watch(sweep) as (pilot, screen):
        text = shown(screen)
        assert "[b]one" in text
        assert "[blink]n[/blink]" in text
        assert "[red]x[/red]" in text
        assert "\x1b" not in text
        await press(pilot, "2")
        assert "\x1b" not in shown(screen)


async def test_ascii_draws_no_other_sign(night: Sweep) -> None:
    for size in SIZES:
        async with watch(night, size, glyphs=ASCII) as (pilot, screen):
            assert shown(screen).replace("\n", "").isascii()
            await press(pilot, "m")
            assert shown(screen).replace("\n", "").isascii()
            assert "x failed" in shown(screen)


async def test_a_sweep_that_is_gone_is_said_and_can_be_left(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    (sweep.path / "sweep.json").write_text("{")
    async with watch(sweep) as (pilot, screen):
        assert "cannot be read" in shown(screen)
        await press(pilot, "enter", "m", "s", "R", "v", "c", "n")
        assert pilot.app.screen is screen
        await press(pilot, "escape")
        assert type(pilot.app.screen) is DeckScreen


# ── the list, and the ways there ─────────────────────────────────────────────────────────────────


async def test_the_list_of_sweeps_opens_one(night: Sweep) -> None:
    make_sweep(night.runs_dir, "quickstart", "seed=0,1", name="older")
    app = Deck(context(night.runs_dir), first=DeckScreen)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_sweeps()
        await settle(pilot)
        text = shown(app.screen)
        assert "2 sweeps · 1 running" in text
        assert "6/12" in text
        assert "■ unfinished" in text
        place = next(i for i, line in enumerate(text.splitlines()[2:]) if "night" in line)
        await press(pilot, *["down"] * place, "enter")
        assert isinstance(app.screen, SweepScreen)
        assert app.screen.source.path == night.path
        await press(pilot, "escape", "n")
        assert isinstance(app.screen, WriteSweepScreen)


async def test_an_empty_list_says_what_to_do(runs_dir: Path) -> None:
    app = Deck(context(runs_dir), first=DeckScreen)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_sweeps()
        await settle(pilot)
        assert "n writes one" in shown(app.screen)
        await press(pilot, "enter")


async def test_runs_leads_to_the_sweep_of_a_trial(night: Sweep) -> None:
    app = Deck(context(night.runs_dir), first=RunsScreen)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "w")
        assert isinstance(app.screen, SweepScreen)
        assert app.screen.source.path == night.path


async def test_runs_leads_to_the_list_from_other_runs(runs_dir: Path) -> None:
    make_run(runs_dir, "alone")
    app = Deck(context(runs_dir), first=RunsScreen)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "w")
        assert isinstance(app.screen, SweepsScreen)
