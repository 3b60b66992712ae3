"""The alerts: what a person should look at, the newest first."""

from __future__ import annotations

from typing import Any, ClassVar

from trainer.display import count
from tui.screens.monitor.tabs.base import Tab
from tui.screens.monitor.tabs.entries import Entry, clock, level_of, said, whole
from tui.screens.monitor.tabs.log import details_of
from tui.screens.monitor.tabs.textrows import Line
from tui.sources.follow import Picture


class AlertsTab(Tab):
    """Level, step, message and advice of each alert."""

    TITLE: ClassVar[str] = "alerts"
    SEARCH = "search the alerts"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._known: dict[int, Entry] = {}
        self._total = -1

    def show(self, picture: Picture) -> None:
        """Take a new picture; costs nothing if there is no new alert."""
        super().show(picture)
        alerts = picture.alerts
        total = picture.counts.get("alert", len(alerts))
        if total == self._total and all(id(alert) in self._known for alert in alerts[-1:]):
            return
        self._total = total
        entries = [self._known.get(id(alert)) or _entry(alert) for alert in reversed(alerts)]
        self._known = {id(entry.event): entry for entry in entries}
        self.rows.show_lines([line for entry in entries for line in entry.lines])
        self.tell()

    def told(self) -> str:
        """Give what the line of facts says at its left."""
        kept = len(self.picture.alerts)
        if not kept:
            return "no alerts: nothing asks for attention"
        word = "alert" if self._total == 1 else "alerts"
        older = f", the newest {count(kept)} shown" if self._total > kept else ""
        return f"{count(max(self._total, kept))} {word}{older}; enter shows what led to one"

    def chosen(self, item: object) -> None:
        """Show an alert with its evidence."""
        if isinstance(item, Entry):
            self.app.push_screen(details_of(item))


def _entry(event: Any) -> Entry:
    level, word = level_of(event, "warning")
    entry = Entry(event, level)
    step = whole(event.get("step"))
    place = f"step {count(step)}" if step is not None else ""
    message = said(event, "message") or "(no message)"
    kind = said(event, "kind")
    shade = "error" if level >= 3 else "warning"
    head = (
        (f"{clock(event.get('ts'))} ", "dim"),
        (f"{word[:8]:8} ", shade),
        (f"{place:14} ", "dim"),
    )
    lines = [Line((*head, (f"{kind}  " if kind else "", "key"), (message, "text")), 3, entry)]
    if advice := said(event, "advice"):
        lines.append(Line(((" " * 33, "dim"), (advice, "dim")), 1, entry))
    entry.lines = tuple(lines)
    return entry
