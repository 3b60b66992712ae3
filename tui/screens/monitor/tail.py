"""The last things that the run said, under the charts, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tui.glyphs import Glyphs
from tui.screens.monitor.lines import Lines, Piece
from tui.screens.monitor.tabs.entries import ends, make
from tui.sources.follow import Picture
from tui.text import cell_len, fit

_LOOKS = {"text": "", "key": "name", "warning": "warn", "error": "bad", "debug": "dim"}


class LogTail(Lines):
    """As many of the newest events as there is room for, the newest at the foot."""

    def show(self, picture: Picture, room: int, width: int, glyphs: Glyphs) -> None:
        """Show what there is; takes no more lines than it needs."""
        events = newest(picture, room)
        self.display = bool(events)
        self.styles.height = len(events)
        self.show_lines([_line(event, width, glyphs) for event in events])


def newest(picture: Picture, most: int) -> list[Mapping[str, Any]]:
    """Give the newest events that are worth a line, in order."""
    if most <= 0:
        return []
    kinds = (picture.starts, picture.checkpoints, picture.logs, picture.alerts)
    events = [event for kind in kinds for event in kind[-most:]]
    events += ends(picture)
    events.sort(key=lambda event: _seconds(event.get("ts")))
    return events[-most:]


def _seconds(ts: object) -> float:
    good = isinstance(ts, int | float) and not isinstance(ts, bool) and 0 <= ts < 1e11
    return float(ts) if good and isinstance(ts, int | float) else 0.0


def _line(event: Mapping[str, Any], width: int, glyphs: Glyphs) -> list[Piece]:
    lines = make(event).lines
    pieces: list[Piece] = [(" ", "")]
    room = width - 1
    for text, kind in lines[0].parts:
        more = len(lines) > 1 and (text, kind) == tuple(lines[0].parts[-1])
        shown = fit(f"{text} {glyphs.ellipsis}" if more else text, room, glyphs.ellipsis)
        pieces.append((shown, _LOOKS.get(kind, kind)))
        room -= cell_len(shown)
    return pieces
