"""A run that is a trial tells its sweep, and a key opens it."""

from __future__ import annotations

import shutil
from pathlib import Path

from monitorlab import monitor, settle
from nightlab import make_sweep, make_trial
from tuilab import make_run, shown

from trainer.runs.index import RunIndex
from trainer.runs.layout import RunFolder
from tui.glyphs import UNICODE
from tui.screens.runs.detail import lines_of
from tui.screens.sweep.listing import SweepsScreen
from tui.screens.sweep.screen import SweepScreen
from tui.screens.sweepof import sweep_of


async def test_the_monitor_of_a_trial_tells_its_sweep_and_opens_it(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    run = RunFolder(make_trial(sweep, 2))
    async with monitor(run, runs_dir, size=(130, 45)) as (screen, pilot):
        assert f"sweep {sweep.id} trial 2 (W)" in shown(screen)
        await pilot.press("W")
        await screen.workers.wait_for_complete()
        await pilot.pause()
        opened = pilot.app.screen
        assert isinstance(opened, SweepScreen)


async def test_a_sweep_that_is_gone_is_said(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    run = RunFolder(make_trial(sweep, 1))
    shutil.rmtree(sweep.path)
    async with monitor(run, runs_dir) as (screen, pilot):
        await pilot.press("W")
        await screen.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(pilot.app.screen, SweepsScreen)


async def test_any_other_run_says_that_it_is_no_trial(runs_dir: Path) -> None:
    run = make_run(runs_dir, "alone", run_id="a1one00", state="completed", created=1.0)
    async with monitor(run, runs_dir) as (screen, pilot):
        assert "sweep" not in shown(screen)
        await pilot.press("W")
        await settle(pilot)
        assert pilot.app.screen is screen


def test_the_list_of_runs_tells_the_sweep_of_the_run_under_the_cursor(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    make_trial(sweep, 2)
    (run,) = [each for each in RunIndex(runs_dir).list() if each.parent]
    first, _ = lines_of(run, 120, UNICODE, "/")
    assert f"sweep {sweep.id} trial 2" in "".join(text for text, _ in first)
    assert sweep_of({"resume": "abc"}) == sweep_of(None) == ""
    assert sweep_of({"sweep": "abc"}) == "abc"
