"""A list of any length of which only the lines in sight are ever made."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

#: One line's pieces: text that holds no control characters, and its style.
Pieces = Sequence[tuple[str, Style]]


class LineList(ScrollView, can_focus=True):
    """Rows drawn by `pieces`, with a cursor.

    A subclass gives `pieces(index, width)`, and calls `show_rows` when their number changes and
    `touch` when the look of some changes.
    """

    #: What the help calls the keys of a list.
    KEYS_TITLE: ClassVar[str] = "In the list"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(0)", "First", show=False),
        Binding("end,G", "edge(1)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"linelist--cursor", "linelist--dim"}
    DEFAULT_CSS = """
    LineList { height: 1fr; background: $background; color: $foreground; scrollbar-size-vertical: 1; }
    LineList > .linelist--cursor { background: $surface-lighten-1; }
    LineList:focus > .linelist--cursor { background: $primary-muted; text-style: bold; }
    LineList > .linelist--dim { color: $text-muted; }
    """

    cursor: reactive[int] = reactive(0)

    class Highlighted(Message):
        """The cursor moved to a row."""

        def __init__(self, rows: LineList, index: int) -> None:
            self.rows = rows
            self.index = index
            super().__init__()

        @property
        def control(self) -> LineList:
            """The list."""
            return self.rows

    class Chosen(Message):
        """A row was opened, with Enter or a click."""

        def __init__(self, rows: LineList, index: int) -> None:
            self.rows = rows
            self.index = index
            super().__init__()

        @property
        def control(self) -> LineList:
            """The list."""
            return self.rows

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._count = 0

    @property
    def count(self) -> int:
        """The number of rows."""
        return self._count

    @abstractmethod
    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a row: pieces of text, at most `width` cells; a subclass gives them."""

    def show_rows(self, count: int, cursor: int | None = None) -> None:
        """Take a new number of rows, all of which may look different.

        Args:
            count: How many.
            cursor: Where the cursor goes; it stays where it is if None.
        """
        self._count = count
        self.virtual_size = Size(0, count)
        self.cursor = self.validate_cursor(self.cursor if cursor is None else cursor)
        self.refresh()

    def touch(self, rows: Iterable[int]) -> None:
        """Draw some rows again, as far as they are in sight."""
        top = self.scroll_offset.y
        for row in rows:
            if top <= row < top + self.size.height:
                self.refresh_line(row)

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor inside."""
        return max(0, min(cursor, self._count - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Bring the row into sight, and tell."""
        if old == new:
            return
        self.touch((old, new))
        self._bring_into_sight(new)
        self.post_message(self.Highlighted(self, new))

    def _bring_into_sight(self, row: int) -> None:
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        # By force: whether there is a scroll bar is only known after the next layout.
        if row < top:
            self.scroll_to(y=row, animate=False, immediate=True, force=True)
        elif height and row >= top + height:
            self.scroll_to(y=row - height + 1, animate=False, immediate=True, force=True)

    def render_line(self, y: int) -> Strip:
        """Draw a line of the window."""
        index = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        base = self.rich_style
        if index >= self._count:
            return Strip([Segment(" " * width, base)], width)
        if index == self.cursor:
            base += self.get_component_rich_style("linelist--cursor", partial=True)
        # Reversed, a colour of a piece would become a block; the line is then of one colour.
        flat = bool(base.reverse)
        segments = [
            Segment(text, base if flat else base + style)
            for text, style in self.pieces(index, width)
        ]
        return Strip(segments).adjust_cell_length(width, base)

    def part(self, name: str) -> Style:
        """Give a component's style to lay over a row's own."""
        return self.get_component_rich_style(name, partial=True)

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self.cursor += by

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.cursor += by * max(1, self.scrollable_content_region.height - 1)

    def action_edge(self, last: int) -> None:
        """Move the cursor to an end."""
        self.cursor = self._count - 1 if last else 0

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if self._count:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor there; a double click opens."""
        row = event.y + self.scroll_offset.y
        if row < self._count:
            self.cursor = row
            if event.chain > 1:
                self.action_choose()
