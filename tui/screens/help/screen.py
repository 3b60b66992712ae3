"""The screen of help."""

from __future__ import annotations

from textual.screen import Screen

from tui.screens.base import DeckScreen


class HelpScreen(DeckScreen):
    """The keys of a screen."""

    def __init__(self, of: Screen[object]) -> None:
        super().__init__()
