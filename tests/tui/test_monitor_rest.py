"""The Monitor rests while it is hidden, and goes on behind a dialog, where it can be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tuilab import context, make_run, training, write_events

from tui.app import Deck
from tui.screens.help import HelpScreen
from tui.screens.monitor.screen import MonitorScreen
from tui.sources.follow import Source
from tui.widgets.dialogs import TypeToConfirm


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to pass")


async def test_it_goes_on_behind_a_dialog_and_rests_behind_a_screen(runs_dir: Path) -> None:
    run = make_run(runs_dir, state="running", events=training(20))
    source = Source.of_run(run)
    app = Deck(context(runs_dir, live=True), lambda: MonitorScreen(source))
    async with app.run_test() as pilot:
        screen = app.screen
        assert isinstance(screen, MonitorScreen)
        await until(lambda: screen._shown.step == 20)
        await pilot.press("K")
        await until(lambda: isinstance(app.screen, TypeToConfirm))
        write_events(run, training(5, start=21, begin=False))
        await until(lambda: screen._shown.step == 25)
        await pilot.press("escape")
        await until(lambda: app.screen is screen)
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, HelpScreen))
        await pilot.pause()
        write_events(run, training(5, start=26, begin=False))
        await asyncio.sleep(1.5)
        assert screen._shown.step == 25
        await pilot.press("escape")
        await until(lambda: screen._shown.step == 30)
