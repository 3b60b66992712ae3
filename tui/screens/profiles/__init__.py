"""The screen of profiles."""

from tui.screens.profiles.screen import ProfilesScreen

__all__ = ["ProfilesScreen"]
