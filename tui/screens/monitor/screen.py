"""The screen of monitor."""

from __future__ import annotations

from tui.screens.base import DeckScreen
from tui.sources.follow import Source


class MonitorScreen(DeckScreen):
    """One run, live."""

    def __init__(self, source: Source) -> None:
        super().__init__()
