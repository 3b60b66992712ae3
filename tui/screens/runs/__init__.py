"""The screen of runs."""

from tui.screens.runs.screen import RunsScreen

__all__ = ["RunsScreen"]
