"""The screen of one run, and what acts on a run from any screen (`control`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tui.screens.monitor.screen import MonitorScreen

__all__ = ["MonitorScreen"]


def __getattr__(name: str) -> Any:
    """Load the screen when it is asked for: the list of runs needs only the keys beside it."""
    if name == "MonitorScreen":
        from tui.screens.monitor.screen import MonitorScreen

        return MonitorScreen
    raise AttributeError(name)
