"""A list of lines of text: searched, moved sideways, and following its end if it may."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from textual.binding import Binding, BindingType

from tui.text import fit
from tui.widgets.linelist import LineList, Pieces

#: How many cells a step sideways goes.
SIDEWAYS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line; the same object as long as it says the same.

    Attributes:
        parts: (harmless text, what it is): a component class of `TextRows` without its prefix.
        fixed: How many parts stay where they are when the others are moved sideways.
        item: What the line is about, for whoever made it.
    """

    parts: tuple[tuple[str, str], ...]
    fixed: int = 0
    item: object = None

    @property
    def text(self) -> str:
        """What is searched: everything."""
        return " ".join(text for text, _ in self.parts)


class TextRows(LineList):
    """Lines with a cursor, however many.

    Args:
        follow: Whether it stays at its end while new lines come, as long as the cursor is there.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "sideways(-1)", "Left", show=False),
        Binding("right,l", "sideways(1)", "Right", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rows--text",
        "rows--dim",
        "rows--key",
        "rows--good",
        "rows--debug",
        "rows--warning",
        "rows--error",
        "rows--match",
    }
    DEFAULT_CSS = """
    TextRows > .rows--text { color: $foreground; }
    TextRows > .rows--dim, TextRows > .rows--debug { color: $text-muted; }
    TextRows > .rows--key { color: $accent; }
    TextRows > .rows--good { color: $text-success; }
    TextRows > .rows--warning { color: $text-warning; text-style: bold; }
    TextRows > .rows--error { color: $text-error; text-style: bold; }
    TextRows > .rows--match { text-style: reverse; }
    """

    def __init__(self, *, follow: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._follow = follow
        self.lines: Sequence[Line] = ()
        self.shift = 0
        self._sought: re.Pattern[str] | None = None
        self._hits: list[int] = []
        self._searched = 0

    # ── what is shown ────────────────────────────────────────────────────────────────────────

    def show_lines(self, lines: Sequence[Line], moved: int | None = None) -> None:
        """Take new lines; the cursor stays on its line, or at the end that it follows.

        Args:
            lines: All lines.
            moved: How many lines stand before those of last time that did not then (fewer than 0
                if some have gone), for whom it is known; else the cursor's line is looked for.
        """
        old, cursor, following = self.lines, self.cursor, self.following
        self.lines = lines
        if moved != 0 or len(lines) < len(old):
            self._hits, self._searched = [], 0
        if following:
            place = len(lines) - 1
        elif moved is not None:
            place = cursor + moved
        elif cursor and cursor < len(old):
            place = next((n for n, line in enumerate(lines) if line is old[cursor]), cursor)
        else:
            place = 0
        scroll = self.scroll_offset.y + place - cursor
        self.show_rows(len(lines), place)
        if following:
            self.scroll_to(y=max(0, self.max_scroll_y), animate=False, immediate=True, force=True)
        elif place != cursor:
            self.scroll_to(y=max(0, scroll), animate=False, immediate=True, force=True)

    @property
    def following(self) -> bool:
        """Whether new lines at the end will be brought into sight."""
        if not self._follow:
            return False
        # Who scrolls with the mouse leaves the cursor behind.
        at_end = self.scroll_offset.y >= self.max_scroll_y or not self.size.height
        return self.count == 0 or (self.cursor >= self.count - 1 and at_end)

    def on_resize(self) -> None:
        """Keep the cursor in sight; the first lines may have come before there was any room."""
        self._bring_into_sight(self.cursor)

    @property
    def current(self) -> Line | None:
        """The line under the cursor."""
        return self.lines[self.cursor] if self.cursor < len(self.lines) else None

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a line."""
        line = self.lines[index]
        room, hidden = width - 1, self.shift
        drawn: list[tuple[str, Style]] = [(" ", Style.null())]
        for number, (whole, kind) in enumerate(line.parts):
            style = self.part(f"rows--{kind}")
            for text, found in self._split(whole):
                shown = text
                if hidden and number >= line.fixed:
                    cells = cell_len(shown)
                    shown = skip(shown, hidden)
                    hidden = max(0, hidden - cells)
                if not shown:
                    continue
                if room <= 0:
                    return drawn
                cells = cell_len(shown)
                if cells > room:
                    shown = fit(shown, room, self._ellipsis)
                room -= cells
                drawn.append((shown, style + self.part("rows--match") if found else style))
        return drawn

    @property
    def _ellipsis(self) -> str:
        from tui.app import Deck

        return self.app.context.glyphs.ellipsis if isinstance(self.app, Deck) else "…"

    def _split(self, text: str) -> Iterator[tuple[str, bool]]:
        """Cut a text into what was sought and what was not."""
        if self._sought is None:
            yield text, False
            return
        end = 0
        for found in self._sought.finditer(text):
            yield text[end : found.start()], False
            yield found[0], True
            end = found.end()
        yield text[end:], False

    def action_sideways(self, by: int) -> None:
        """Move the text sideways, for lines that are longer than the screen."""
        shift = max(0, min(self.shift + by * SIDEWAYS, 1 << 14))
        if shift != self.shift:
            self.shift = shift
            self.refresh()

    # ── search ───────────────────────────────────────────────────────────────────────────────

    def seek(self, text: str) -> None:
        """Mark a text wherever it stands, upper and lower case alike; nothing if it is empty."""
        self._sought = re.compile(re.escape(text), re.IGNORECASE) if text else None
        self._hits, self._searched = [], 0
        self.refresh()

    @property
    def hits(self) -> Sequence[int]:
        """The lines that hold what is sought, in order."""
        if self._sought is None:
            return ()
        sought = self._sought.search
        for index in range(self._searched, len(self.lines)):
            if any(sought(text) for text, _ in self.lines[index].parts):
                self._hits.append(index)
        self._searched = len(self.lines)
        return self._hits

    def nearest(self, start: int) -> None:
        """Go to the hit at or before a line, else to the first one behind it."""
        from bisect import bisect_right

        hits = self.hits
        if hits:
            self.cursor = hits[max(0, bisect_right(hits, start) - 1)]

    def next_hit(self, by: int) -> None:
        """Go to the next hit, or the one before; around the ends."""
        from bisect import bisect_left, bisect_right

        hits = self.hits
        if not hits:
            return
        if by > 0:
            place = bisect_right(hits, self.cursor)
            self.cursor = hits[place if place < len(hits) else 0]
        else:
            self.cursor = hits[bisect_left(hits, self.cursor) - 1]


def skip(text: str, cells: int) -> str:
    """Leave out the first cells of a text; half of a wide character becomes a blank."""
    if text.isascii():
        return text[cells:]
    for index, char in enumerate(text):
        if cells <= 0:
            # What combines with a character that has gone goes with it.
            rest = text[index:]
            return " " * -cells + (rest if cell_len(char) else skip_marks(rest))
        cells -= cell_len(char)
    return " " * -cells if cells < 0 else ""


def skip_marks(text: str) -> str:
    """Leave out characters without a width of their own at the start of a text."""
    for index, char in enumerate(text):
        if cell_len(char):
            return text[index:]
    return ""
