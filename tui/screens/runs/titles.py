"""The line of titles over the list of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual import events
from textual.app import RenderResult
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.screens.runs.columns import MARGIN, Layout
from tui.screens.runs.order import ACTIVITY
from tui.text import cell_len, left, right

if TYPE_CHECKING:
    from tui.glyphs import Glyphs


class RunTitles(Widget):
    """The titles of the columns, with a mark at the one that the list is sorted by."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"titles--sorted"}
    DEFAULT_CSS = """
    RunTitles { height: 1; color: $text-muted; background: $background; }
    RunTitles > .titles--sorted { color: $accent; text-style: bold; }
    """

    class Pressed(Message):
        """A title was clicked."""

        def __init__(self, key: str) -> None:
            self.key = key
            super().__init__()

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._columns = Layout()
        self._sorted = (ACTIVITY, False)

    def show(self, columns: Layout, key: str, upwards: bool) -> None:
        """Take other columns or another order.

        Args:
            columns: The columns.
            key: The column that the list is sorted by.
            upwards: Whether the least comes first.
        """
        if (columns, (key, upwards)) != (self._columns, self._sorted):
            self._columns, self._sorted = columns, (key, upwards)
            self.refresh()

    def render(self) -> RenderResult:
        """Nothing: the line is drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw the titles."""
        base = self.rich_style
        sorted_style = self.get_component_rich_style("titles--sorted")
        key, upwards = self._sorted
        segments = [Segment(" " * MARGIN, base)]
        for column, cells in self._columns.cells:
            write = right if column.flush_right else left
            text = column.title
            if column.key == key:
                mark = self._glyphs.up if upwards else self._glyphs.down
                # A title that is as wide as its column gives a letter for the mark.
                text = f"{text[: cells - cell_len(mark)]}{mark}"
            style = sorted_style if column.key == key else base
            segments += [Segment(write(text, cells), style), Segment(" ", base)]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def on_click(self, event: events.Click) -> None:
        """Sort by the column there."""
        column = self._columns.at(event.x)
        if column is not None:
            self.post_message(self.Pressed(column.key))
