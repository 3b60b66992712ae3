"""The launch screen under test: opened, written into, waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input
from tuilab import context, work_done

from tui.app import Deck
from tui.screens.base import DeckScreen
from tui.screens.launch import LaunchScreen


async def settle(pilot: Pilot[Any]) -> None:
    """Wait for what is composed."""
    for _ in range(3):
        await work_done(pilot.app)
        await pilot.pause()


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)


async def write(pilot: Pilot[Any], text: str) -> None:
    focused = pilot.app.screen.focused
    assert isinstance(focused, Input)
    focused.value = text
    await settle(pilot)


@asynccontextmanager
async def launch(
    runs_dir: Path, *words: str, size: tuple[int, int] = (80, 24), **more: Any
) -> AsyncIterator[tuple[Pilot[Any], LaunchScreen]]:
    app = Deck(context(runs_dir, **more), first=DeckScreen)
    async with app.run_test(size=size) as pilot:
        app.open_launch(words)
        await settle(pilot)
        assert isinstance(app.screen, LaunchScreen)
        yield pilot, app.screen


def words(screen: LaunchScreen) -> tuple[str, ...]:
    return screen.draft.words
