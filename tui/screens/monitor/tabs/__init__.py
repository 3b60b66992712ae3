"""What there is to see of a run beside its charts."""

from __future__ import annotations

from tui.screens.monitor.tabs.alerts import AlertsTab
from tui.screens.monitor.tabs.base import Tab
from tui.screens.monitor.tabs.checkpoints import CheckpointsTab
from tui.screens.monitor.tabs.config import ConfigTab
from tui.screens.monitor.tabs.log import LogTab
from tui.screens.monitor.tabs.output import OutputTab

__all__ = ["TABS", "Tab"]

#: In the order of the keys that bring them to the front.
TABS: tuple[type[Tab], ...] = (LogTab, CheckpointsTab, ConfigTab, OutputTab, AlertsTab)
