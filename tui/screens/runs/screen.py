"""The screen of runs."""

from __future__ import annotations

from tui.screens.base import DeckScreen


class RunsScreen(DeckScreen):
    """The list of runs."""

    def __init__(self) -> None:
        super().__init__()
