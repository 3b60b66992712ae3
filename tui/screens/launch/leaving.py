"""Leaving a screen on which something was put together and not launched."""

from __future__ import annotations

from tui.screens.base import DeckScreen
from tui.widgets.dialogs import Confirm


def leave(screen: DeckScreen) -> None:
    """Go back; what would be lost is asked about first."""
    lost = screen.unsaved()
    if not lost:
        screen.deck.back()
        return

    def answered(yes: bool | None) -> None:
        if yes:
            screen.deck.back()

    lines = [f"This is lost: {line}" for line in lost]
    screen.app.push_screen(Confirm("Leave without launching?", lines), answered)
