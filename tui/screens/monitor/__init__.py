"""The screen of monitor."""

from tui.screens.monitor.screen import MonitorScreen

__all__ = ["MonitorScreen"]
