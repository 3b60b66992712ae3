"""The screen of profiles under test: a project of its own, and waiting for what threads bring."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from tuilab import context, shown

from tui.app import Deck
from tui.screens.profiles import ProfilesScreen
from tui.screens.profiles.changes import ChangeRows
from tui.screens.profiles.yaml import YamlPane
from tui.widgets.field import FieldForm


class Lab:
    """A running app with the screen of profiles in front."""

    def __init__(self, deck: Deck, pilot: Pilot[Any], screen: ProfilesScreen) -> None:
        self.deck, self.pilot, self.screen = deck, pilot, screen
        self.said: list[str] = []
        self.launched: list[list[str]] = []
        deck.say = lambda text, severity="information": self.said.append(text)  # type: ignore[method-assign]
        deck.open_launch = lambda words=(): self.launched.append(list(words))  # type: ignore[method-assign]

    async def until(self, what: Callable[[], Any], seconds: float = 10.0) -> None:
        for _ in range(int(seconds / 0.02)):
            if what():
                return
            await asyncio.sleep(0.02)
            await self.pilot.pause()
        raise AssertionError(f"waited in vain; said {self.said}\n{self.text()}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*[_KEYS.get(letter, letter) for letter in text])

    async def composed(self) -> None:
        """Wait until the text in hand is composed."""

        def done() -> bool:
            current, seen = self.screen.current, self.screen.seen
            return (
                current is not None
                and seen is not None
                and (seen.full, seen.text) == (current.entry.full, current.profile.text)
            )

        await self.until(done)
        await self.pilot.pause()

    def text(self) -> str:
        return shown(self.deck.screen)

    @property
    def form(self) -> FieldForm:
        return self.screen.query_one(FieldForm)

    @property
    def yaml(self) -> YamlPane:
        return self.screen.query_one(YamlPane)

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        rows = self.screen.query_one(ChangeRows)
        return {change.key: (change.old, change.new) for change in rows._changes}


_KEYS = {
    "/": "slash",
    ".": "full_stop",
    "-": "minus",
    " ": "space",
    "_": "underscore",
    ":": "colon",
}


@asynccontextmanager
async def profiles(
    runs_dir: Path, first: str = "trainer/ci_fast", size: tuple[int, int] = (80, 24), **more: Any
) -> AsyncIterator[Lab]:
    screen = ProfilesScreen(first)
    deck = Deck(context(runs_dir, **more), first=lambda: screen)
    async with deck.run_test(size=size) as pilot:
        lab = Lab(deck, pilot, screen)
        await lab.until(lambda: screen.current is not None)
        await lab.composed()
        yield lab
