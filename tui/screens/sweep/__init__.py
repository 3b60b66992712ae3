"""Sweeps: write one, watch it, list them."""

from tui.screens.sweep.listing import SweepsScreen
from tui.screens.sweep.screen import SweepScreen
from tui.screens.sweep.write import WriteSweepScreen

__all__ = ["SweepScreen", "SweepsScreen", "WriteSweepScreen"]
