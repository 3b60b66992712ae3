"""Stands in for a screen whose modules are still being loaded.

Schema, parsers and highlighting take most of a second the first time on a slow machine; loaded in
a thread, they leave the app its hands free.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from tui.screens.base import DeckScreen, TitleBar

if TYPE_CHECKING:
    from tui.app import Deck


class Opening(DeckScreen):
    """Shows the title until the screen can come; keys typed meanwhile are for that screen.

    Args:
        title: What the title line says.
        module: What to load.
        make: Makes the screen, once that is loaded.
    """

    def __init__(self, title: str, module: str, make: Callable[[], Screen[None]]) -> None:
        super().__init__()
        self._heading, self._module, self._make = title, module, make
        self._typed: list[events.Key] = []
        self._loaded = False

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield TitleBar(self._heading)

    def on_mount(self) -> None:
        """Begin to load, once the title has been painted."""
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.run_worker(self._load, thread=True, group="load")

    def _load(self) -> None:
        import_module(self._module)
        self.app.call_from_thread(self._give_way, True)

    def on_screen_resume(self) -> None:
        """Give way to the screen if it was kept from coming: the palette was in front."""
        self._give_way(self._loaded)

    def on_key(self, event: events.Key) -> None:
        """Keep what is typed."""
        if event.key != "escape":
            event.stop()
            event.prevent_default()
            self._typed.append(event)

    def _give_way(self, loaded: bool) -> None:
        self._loaded = loaded
        if loaded and self.app.screen is self:
            self.app.run_worker(self._enter(), group="load")

    async def _enter(self) -> None:
        """Bring the screen, and then the keys."""
        app, typed, screen = self.app, self._typed, self._make()

        def type_on() -> None:
            for key in typed:
                app.post_message(events.Key(key.key, key.character))

        await app.switch_screen(screen)
        screen.call_after_refresh(type_on)


def profiles(deck: Deck, profile: str) -> None:
    """Show the profiles, at one of them."""

    def make() -> Screen[None]:
        from tui.screens.profiles import ProfilesScreen

        return ProfilesScreen(profile)

    _open(deck, "profiles", make)


def launch(deck: Deck, words: Sequence[str]) -> None:
    """Show the launch screen, with overrides to begin with."""

    def make() -> Screen[None]:
        from tui.screens.launch import LaunchScreen

        return LaunchScreen(words)

    _open(deck, "launch", make)


def compare(deck: Deck, runs: Sequence[Path]) -> None:
    """Show runs over each other."""

    def make() -> Screen[None]:
        from tui.screens.compare import CompareScreen

        return CompareScreen(runs)

    _open(deck, "compare", make)


def sweeps(deck: Deck) -> None:
    """Show the list of sweeps."""

    def make() -> Screen[None]:
        from tui.screens.sweep import SweepsScreen

        return SweepsScreen()

    _open(deck, "sweep", make)


def sweep(deck: Deck, path: Path) -> None:
    """Show one sweep."""

    def make() -> Screen[None]:
        from tui.screens.sweep import SweepScreen

        return SweepScreen(path)

    _open(deck, "sweep", make)


def sweep_writer(deck: Deck, words: Sequence[str]) -> None:
    """Show the screen on which sweeps are written."""

    def make() -> Screen[None]:
        from tui.screens.sweep import WriteSweepScreen

        return WriteSweepScreen(words)

    _open(deck, "sweep", make)


def _open(deck: Deck, name: str, make: Callable[[], Screen[None]]) -> None:
    module = f"tui.screens.{name}"
    deck.push_screen(make() if module in sys.modules else Opening(name, module, make))
