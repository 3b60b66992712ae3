"""The last lines of the log, at the foot of the charts."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.app import RenderResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.screens.monitor.tabs.entries import Entries
from tui.screens.monitor.tabs.textrows import Line
from tui.sources.follow import Picture


class LogTail(Widget):
    """As many of the newest log lines as there is room for; takes no keys."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "tail--text",
        "tail--dim",
        "tail--key",
        "tail--good",
        "tail--debug",
        "tail--warning",
        "tail--error",
    }
    DEFAULT_CSS = """
    LogTail { background: $background; color: $foreground; }
    LogTail > .tail--text { color: $foreground; }
    LogTail > .tail--dim, LogTail > .tail--debug { color: $text-muted; }
    LogTail > .tail--key { color: $accent; }
    LogTail > .tail--good { color: $text-success; }
    LogTail > .tail--warning { color: $text-warning; text-style: bold; }
    LogTail > .tail--error { color: $text-error; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._entries = Entries()
        self._picture = Picture()
        self.lines: list[Line | None] = []

    def show(self, picture: Picture) -> None:
        """Take a new picture; only lines that changed are drawn."""
        self._picture = picture
        self._fill()

    def on_resize(self) -> None:
        """There is more or less room."""
        self._fill()

    def _fill(self) -> None:
        height = self.size.height
        entries = self._entries.of(self._picture, last=height)
        lines: list[Line | None] = [line for entry in entries for line in entry.lines]
        lines = lines[-height:] if height else []
        lines += [None] * (height - len(lines))
        old, self.lines = self.lines, lines
        for y, line in enumerate(lines):
            if y >= len(old) or line is not old[y]:
                self.refresh(Region(0, y, self.size.width, 1))

    def render(self) -> RenderResult:
        """Nothing: the lines are drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        base = self.rich_style
        line = self.lines[y] if y < len(self.lines) else None
        segments = [Segment(" ", base)]
        for text, kind in line.parts if line is not None else ():
            segments.append(Segment(text, self.get_component_rich_style(f"tail--{kind}")))
        return Strip(segments).adjust_cell_length(self.size.width, base)
