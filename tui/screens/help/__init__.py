"""The screen of help."""

from tui.screens.help.screen import HelpScreen

__all__ = ["HelpScreen"]
