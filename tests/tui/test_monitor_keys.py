"""No key of a screen does harm, whatever there is to act on."""

from __future__ import annotations

from pathlib import Path

import pytest
from monitorlab import monitor, press
from textual.binding import Binding, BindingType
from tuilab import context, make_run, training

from tui.app import Deck
from tui.screens.compare import CompareScreen
from tui.screens.compare.keys import KEYS as COMPARE_KEYS
from tui.screens.monitor import layout as layouts
from tui.screens.monitor.groups import group
from tui.screens.monitor.keys import KEYS
from tui.screens.monitor.layout import Layout
from tui.screens.runs import RunsScreen

LEAVING = ("back", "leave", "runs", "escape", "app.leave")


def keys_of(bindings: list[BindingType]) -> list[str]:
    return [
        key
        for bound in bindings
        if isinstance(bound, Binding) and bound.action not in LEAVING
        for key in bound.key.split(",")
    ]


@pytest.mark.parametrize("there", ["nothing", "no metrics", "one value", "hidden"])
async def test_every_key_is_harmless_where_there_is_little(runs_dir: Path, there: str) -> None:
    events = {
        "nothing": [],
        "no metrics": training(1)[:1],
        "one value": [{"event": "metrics", "step": 0, "metrics": {"loss": "NaN"}}],
        "hidden": training(3),
    }[there]
    run = make_run(runs_dir, events=events)
    if there == "hidden":
        keys = frozenset(found.key for found in group(list(events[-1]["metrics"])))
        layouts.remember("text", Layout(hidden=keys))
    async with monitor(run, runs_dir) as (screen, pilot):
        for key in keys_of(KEYS):
            await press(pilot, key)
            while pilot.app.screen is not screen:
                await press(pilot, "escape")
        assert pilot.app.is_running


@pytest.mark.parametrize("there", ["nothing", "no metrics"])
async def test_so_is_every_key_of_a_comparison(runs_dir: Path, there: str) -> None:
    events = [] if there == "nothing" else training(1)[:1]
    runs = [make_run(runs_dir, name, events=events).path for name in ("one", "two")]
    screen = CompareScreen(runs)
    app = Deck(context(runs_dir), lambda: screen)
    async with app.run_test() as pilot:
        for key in keys_of(COMPARE_KEYS):
            await press(pilot, key)
            while app.screen is not screen:
                await press(pilot, "escape")
        assert app.is_running


@pytest.mark.parametrize("there", ["nothing", "a broken folder"])
async def test_so_is_every_key_of_the_list(runs_dir: Path, there: str) -> None:
    if there == "a broken folder":
        (runs_dir / "2026-01-01" / "00-00-00-x-abc").mkdir(parents=True)
    app = Deck(context(runs_dir))
    async with app.run_test() as pilot:
        screen = app.screen
        for key in [*keys_of(RunsScreen.BINDINGS), "enter", "end", "pagedown"]:
            await press(pilot, key)
            for _ in range(5):
                if app.screen is screen:
                    break
                await press(pilot, "escape")
            assert app.screen is screen, key
        assert app.is_running
