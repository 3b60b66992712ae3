"""The ways out: ctrl+q from everywhere, with a question only where something would be lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tuilab import context, work_done

from tui.app import Deck
from tui.screens.base import DeckScreen
from tui.screens.launch import LaunchScreen
from tui.screens.profiles import ProfilesScreen
from tui.screens.profiles.editing import Editing
from tui.widgets.dialogs import Ask, Confirm, Pick


class Home(DeckScreen):
    """A screen with nothing to lose."""


async def settle(pilot: Pilot[Any]) -> None:
    for _ in range(3):
        await work_done(pilot.app)
        await pilot.pause()


def has_left(deck: Deck) -> bool:
    return deck._exit


@pytest.mark.parametrize(
    "dialog", [Confirm("really?"), Ask("which?"), Pick("one?", [("a", "first"), ("b", "second")])]
)
async def test_a_dialog_does_not_keep_one_from_leaving(runs_dir: Path, dialog: Any) -> None:
    deck = Deck(context(runs_dir), first=Home)
    async with deck.run_test() as pilot:
        deck.push_screen(dialog)
        await pilot.pause()
        await pilot.press("ctrl+q")
        assert has_left(deck)


async def test_overrides_that_were_not_launched_are_asked_about(runs_dir: Path) -> None:
    deck = Deck(context(runs_dir), first=Home)
    async with deck.run_test() as pilot:
        deck.open_launch(["quickstart"])
        await settle(pilot)
        await pilot.press("Q", "escape")
        await settle(pilot)
        assert isinstance(deck.screen, Confirm)
        # From within that question, too; and it is put but once.
        await pilot.press("ctrl+q", "ctrl+q")
        await pilot.pause()
        assert not has_left(deck)
        assert len(deck.screen_stack) == 4
        await pilot.press("n")
        assert not has_left(deck)
        await pilot.press("n", "n", "ctrl+q", "y")
        await pilot.pause()
        assert has_left(deck)


async def test_launch_with_nothing_put_together_is_left_at_once(runs_dir: Path) -> None:
    deck = Deck(context(runs_dir), first=lambda: LaunchScreen(["quickstart"]))
    async with deck.run_test() as pilot:
        await settle(pilot)
        await pilot.press("ctrl+q")
        assert has_left(deck)


async def test_profiles_that_are_not_saved_are_asked_about(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deck = Deck(context(runs_dir), first=lambda: ProfilesScreen("trainer/ci_fast"))
    async with deck.run_test() as pilot:
        await settle(pilot)
        monkeypatch.setattr(Editing, "is_changed", property(lambda self: True))
        await pilot.press("ctrl+q")
        assert isinstance(deck.screen, Confirm)
        await pilot.press("n")
        assert not has_left(deck)
        await pilot.press("ctrl+q", "y")
        await pilot.pause()
        assert has_left(deck)


@pytest.mark.parametrize("place", ["launch", "profiles"])
async def test_q_goes_back_where_no_text_is_typed(runs_dir: Path, place: str) -> None:
    deck = Deck(context(runs_dir), first=Home)
    async with deck.run_test() as pilot:
        if place == "launch":
            deck.open_launch()
            await settle(pilot)
            await pilot.press("3", "q")
            await settle(pilot)
            assert isinstance(deck.screen, LaunchScreen)
            await pilot.press("escape", "q")
        else:
            deck.open_profiles()
            await settle(pilot)
            await pilot.press("2", "q", "q")
        await settle(pilot)
        assert isinstance(deck.screen, Home)
        assert not has_left(deck)
