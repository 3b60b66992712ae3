"""The screen of launch."""

from __future__ import annotations

from collections.abc import Sequence

from tui.screens.base import DeckScreen


class LaunchScreen(DeckScreen):
    """Compose and launch."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        super().__init__()
