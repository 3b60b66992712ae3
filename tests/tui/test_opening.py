"""Screens whose modules take a while to load: the title is there at once, and no key is lost."""

from __future__ import annotations

import sys
import threading
from types import ModuleType

import pytest
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Input
from tuilab import work_done

from tui.app import Deck
from tui.context import Context
from tui.screens import opening
from tui.screens.base import DeckScreen, TitleBar


class Bottom(DeckScreen):
    def compose(self) -> ComposeResult:
        yield TitleBar("bottom")


class Slow(DeckScreen):
    def compose(self) -> ComposeResult:
        yield Input()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let the module be loaded when this is set."""
    gate = threading.Event()

    def load(name: str) -> ModuleType:
        gate.wait(10)
        return sys.modules[__name__]

    monkeypatch.setattr(opening, "import_module", load)
    return gate


def _open(app: Deck) -> None:
    opening._open(app, "slow", Slow)


async def test_the_title_comes_first_and_keys_typed_meanwhile_reach_the_screen(
    gate: threading.Event,
) -> None:
    app = Deck(Context(live=False), Bottom)
    async with app.run_test(size=(80, 24)) as pilot:
        _open(app)
        await pilot.pause()
        assert "slow" in app.screen.query_one(TitleBar).render_line(0).text
        await pilot.press("a", "question_mark", "b")
        gate.set()
        await work_done(app)
        await pilot.pause()
        await pilot.pause()
        assert isinstance(app.screen, Slow)
        assert app.screen.query_one(Input).value == "a?b"
        await pilot.press("escape")
        assert _stack(app) == [Bottom]


async def test_who_goes_back_meanwhile_stays_there(gate: threading.Event) -> None:
    app = Deck(Context(live=False), Bottom)
    async with app.run_test(size=(80, 24)) as pilot:
        _open(app)
        await pilot.pause()
        await pilot.press("escape")
        gate.set()
        await pilot.pause(0.1)
        assert _stack(app) == [Bottom]


async def test_the_screen_comes_once_what_is_in_front_has_gone(gate: threading.Event) -> None:
    app = Deck(Context(live=False), Bottom)
    async with app.run_test(size=(80, 24)) as pilot:
        _open(app)
        await pilot.pause()
        app.push_screen(Bottom())
        await pilot.pause()
        gate.set()
        await work_done(app)
        assert isinstance(app.screen, Bottom)
        app.pop_screen()
        await pilot.pause()
        assert _stack(app) == [Bottom, Slow]


async def test_what_is_loaded_already_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Deck(Context(live=False), Bottom)
    async with app.run_test(size=(80, 24)):
        monkeypatch.setitem(sys.modules, "tui.screens.slow", sys.modules[__name__])
        _open(app)
        assert _stack(app) == [Bottom, Slow]


def _stack(app: Deck) -> list[type[Screen[object]]]:
    return [type(screen) for screen in app.screen_stack]
