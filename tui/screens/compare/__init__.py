"""The screen of compare."""

from tui.screens.compare.screen import CompareScreen

__all__ = ["CompareScreen"]
