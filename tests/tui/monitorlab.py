"""A Monitor over the real reader, moved by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from tuilab import NOW, context, make_run, shown, training

from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.screens.monitor.panels import Panel, Panels
from tui.screens.monitor.screen import MonitorScreen
from tui.sources.follow import Source

Monitor = tuple[MonitorScreen, Pilot[int]]


@asynccontextmanager
async def monitor(
    source: Source | RunFolder | Path,
    runs_dir: Path,
    *,
    size: tuple[int, int] = (80, 24),
    launched: bool = False,
    **more: Any,
) -> AsyncIterator[Monitor]:
    """Open the Monitor as the first screen."""
    if isinstance(source, RunFolder):
        source = Source.of_run(source)
    elif isinstance(source, Path):
        source = Source(None, source, None, source.name)
    found = source
    app = Deck(context(runs_dir, **more), lambda: MonitorScreen(found, launched))
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, MonitorScreen)
        yield screen, pilot


async def settle(pilot: Pilot[int]) -> None:
    """Read what is new and draw it, until nothing is left to do."""
    for _ in range(3):
        await pilot.pause()
        screen = pilot.app.screen
        if isinstance(screen, MonitorScreen):
            screen.follower.step()
            screen.tick()
    await pilot.pause()


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys, and let the reader answer each."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


def text(pilot: Pilot[int]) -> str:
    """Give what is on the screen, as text."""
    return shown(pilot.app.screen)


def panels(screen: MonitorScreen) -> dict[str, Panel]:
    """Give the panels in sight, by their keys."""
    return {panel.panel.key: panel for panel in screen.query(Panel) if panel.display}


def order(screen: MonitorScreen) -> list[str]:
    """Give the keys of all panels that are not hidden, in order."""
    return [found.key for found in screen.query_one(Panels).arranged]


def metrics(path: Path) -> dict[int, dict[str, float]]:
    """Give all metrics of an events file, by step."""
    found: dict[int, dict[str, float]] = {}
    for line in path.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "metrics":
            found.setdefault(event["step"], {}).update(event["metrics"])
    return found


def going(runs_dir: Path, steps: int = 400, **more: Any) -> Any:
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
