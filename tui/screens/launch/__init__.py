"""The screen of launch."""

from tui.screens.launch.screen import LaunchScreen

__all__ = ["LaunchScreen"]
