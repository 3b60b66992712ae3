"""The log: what the run said, by time, filtered by level."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import BindingType

from trainer.display import count
from tui.screens.monitor.tabs.base import Tab
from tui.screens.monitor.tabs.details import Details
from tui.screens.monitor.tabs.entries import LEVELS, Entries, Entry, clock, ends, said
from tui.sources.follow import Picture
from tui.text import clean
from tui.widgets.keybar import binding

_SHOWN_ELSEWHERE = ("event", "message", "advice", "ts", "level", "v")


class LogTab(Tab):
    """Log events, alerts, checkpoints, starts and ends."""

    TITLE = "log"
    SEARCH = "search the log"
    FOLLOW = True
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("f", "level", "level", tip="Show only lines from a level up: info, warning, error"),
    ]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._entries = Entries()
        self._level = 0
        self._seen: tuple[object, ...] = ()

    def show(self, picture: Picture) -> None:
        """Take a new picture; costs nothing if it says nothing new."""
        super().show(picture)
        parts = (picture.logs, picture.alerts, picture.checkpoints, picture.starts)
        newest = tuple(part[-1] if part else None for part in parts)
        kinds = ("log", "alert", "checkpoint", "run_started", "run_finished")
        counts = (picture.counts.get(kind, 0) for kind in kinds)
        end = [(event.get("ts"), event.get("status")) for event in ends(picture)]
        seen = (*map(id, newest), *counts, *end)
        if seen != self._seen:
            self._seen = seen
            self._fill()

    def _fill(self) -> None:
        lines = [
            line
            for entry in self._entries.of(self.picture)
            if entry.level >= self._level
            for line in entry.lines
        ]
        self.rows.show_lines(lines)
        self.tell()

    def told(self) -> str:
        """Give what the line of facts says at its left."""
        kept, there = len(self.picture.logs), self.picture.counts.get("log", 0)
        parts = [f"{count(self.rows.count)} lines"]
        if there > kept:
            parts.append(f"of {count(there)} log events the newest {count(kept)}")
        if self._level:
            parts.append(f"from {LEVELS[self._level]} up")
        if not self.rows.count and not self._level:
            return "nothing was said yet"
        return f" {self.deck.context.glyphs.separator} ".join(parts)

    def action_level(self) -> None:
        """Show only what is more urgent; behind errors everything again."""
        self._level = (self._level + 1) % LEVELS.index("critical")
        self._fill()

    def chosen(self, item: object) -> None:
        """Show the whole message."""
        if isinstance(item, Entry):
            self.app.push_screen(details_of(item))


def details_of(entry: Entry) -> Details:
    """Show everything that one event says."""
    event = entry.event
    facts = [("time", clock(event.get("ts"), whole=True))]
    if "level" in event:
        facts.append(("level", said(event, "level")))
    facts += [
        (clean(str(name))[:40], clean(str(value), keep_newlines=True)[:4000])
        for name, value in list(event.items())[:64]
        if name not in _SHOWN_ELSEWHERE
    ]
    text = said(event, "message", keep_newlines=True)
    if advice := said(event, "advice", keep_newlines=True):
        text += f"\n\nAdvice: {advice}"
    return Details(said(event, "event").replace("_", " "), facts, text)
