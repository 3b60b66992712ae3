"""One tab on a screen of its own, and a picture of a run read as the app reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot
from tuilab import FakeClock, context

from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.screens.base import DeckScreen
from tui.screens.monitor.tabs import Tab
from tui.sources.follow import Follower, Picture, Source
from tui.widgets.keybar import KeyBar


class TabScreen(DeckScreen):
    def __init__(self, tab: Tab) -> None:
        super().__init__()
        self.tab = tab

    def compose(self) -> ComposeResult:
        yield self.tab
        yield KeyBar()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.tab.focus()


def picture_of(run: RunFolder) -> Picture:
    follower = Follower(Source.of_run(run), FakeClock())
    for _ in range(20):
        if not follower.step():
            break
    follower.stop()
    return follower.picture


def deck_of(runs_dir: Path, tab: Tab, **more: Any) -> Deck:
    return Deck(context(runs_dir, **more), lambda: TabScreen(tab))


def lines(deck: Deck) -> list[str]:
    """What the terminal shows, row by row."""
    screen = deck.screen
    width, height = screen.size
    rows = screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip)[: width * 2].rstrip() for strip in rows][
        :height
    ]


async def settled(pilot: Pilot[Any], fits: Callable[[], bool], seconds: float = 10.0) -> None:
    for _ in range(int(seconds / 0.02)):
        await pilot.pause()
        if fits():
            return
        await asyncio.sleep(0.02)
    pytest.fail("never:\n" + "\n".join(lines(pilot.app)))
