"""The screen of profiles."""

from __future__ import annotations

from tui.screens.base import DeckScreen


class ProfilesScreen(DeckScreen):
    """Profiles: browse, edit, diff."""

    def __init__(self, profile: str = "") -> None:
        super().__init__()
