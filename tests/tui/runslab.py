"""The list of runs under test: read by hand, and seen line by line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from tuilab import NOW, context, make_run, shown, training

from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.screens.runs.screen import RunsScreen


def lines(app: App[Any]) -> list[str]:
    return shown(app.screen).split("\n")


def line_of(app: App[Any], name: str) -> str:
    return next(line for line in lines(app) if name in line)


def deck(runs_dir: Path, **more: Any) -> Deck:
    return Deck(context(runs_dir, **more))


def screen_of(app: Deck) -> RunsScreen:
    screen = app.screen
    assert isinstance(screen, RunsScreen)
    return screen


async def look(app: Deck, pilot: Pilot[Any]) -> None:
    """Let the screen see what is new, curves included."""
    screen = screen_of(app)
    for _ in range(2):
        screen.source.step()
        screen.tick()
        await pilot.pause()


async def confirmed(app: Deck, pilot: Pilot[Any], key: str) -> None:
    """Wait for the question that a key brings, and say yes."""
    await pilot.press(key)
    for _ in range(100):
        if not isinstance(app.screen, RunsScreen):
            break
        await pilot.pause(0.02)
    await pilot.press("y")
    await settle(app, pilot)


async def settle(app: Deck, pilot: Pilot[Any]) -> None:
    for _ in range(200):
        screen = app.screen
        if isinstance(screen, RunsScreen) and not screen._busy:
            break
        await pilot.pause(0.02)
    await pilot.pause()


def four_runs(runs_dir: Path) -> dict[str, RunFolder]:
    """Make a run that trains, one that waits, one that is done and one that failed."""
    return {
        "busy": make_run(
            runs_dir,
            "busy",
            state="running",
            created=NOW - 660,
            step=3550,
            total_steps=5000,
            rate=5.8,
            metrics={"train/loss": 0.412, "val/loss": 0.437, "perf/samples_per_sec": 1214.0},
            events=training(300, total=5000),
            tags=["abl"],
        ),
        "waits": make_run(
            runs_dir,
            "waits",
            state="queued",
            created=NOW - 120,
            step=None,
            total_steps=None,
            rate=None,
            reason="slurm 4411 (Priority)",
        ),
        "done": make_run(runs_dir, "done", created=NOW - 3700, events=training(64)),
        "broke": make_run(
            runs_dir,
            "broke",
            state="failed",
            created=NOW - 3 * 3600,
            reason="loss became NaN at step 812",
            events=training(90, loss=lambda s: 2 - s / 60 if s < 80 else math.nan),
        ),
    }
