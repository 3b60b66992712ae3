"""A list whose rows may change at any moment; only those that look different are drawn again."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.strip import Strip

from tui.screens.runs.columns import state_word
from tui.screens.runs.rows import LOOKS
from tui.widgets.linelist import LineList, Pieces

#: The looks of states, for every widget that shows some; `NAME` stands for the widget's class.
STATE_LOOKS = ("live", "waiting", "broken", "done", "bar", "rest", "best", "plain")
STATE_CSS = """
NAME > .sweep--live { color: $text-accent; text-style: bold; }
NAME > .sweep--waiting { color: $text-warning; }
NAME > .sweep--broken { color: $text-error; }
NAME > .sweep--done { color: $text-success; }
NAME > .sweep--bar { color: $accent; }
NAME > .sweep--rest { color: $text-disabled; }
NAME > .sweep--best { color: $text-success; text-style: bold; }
"""


def look_of(state: str) -> str:
    """Name the look of a state."""
    # A trial that waits is nothing to look at, a run that waits in a queue is.
    return "rest" if state == "waiting" else LOOKS.get(state, "plain")


def word_of(state: str) -> str:
    """Give the word for a state."""
    return state_word(state)


class LiveList(LineList):
    """A list that is shown anew a few times a second, for next to nothing."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"sweep--{look}" for look in STATE_LOOKS}
    DEFAULT_CSS = STATE_CSS.replace("NAME", "LiveList")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        #: What each line in sight was drawn from.
        self._drawn: dict[int, tuple[int, Pieces]] = {}
        self._styles: dict[str, Style] = {}

    def renew(self, count: int) -> None:
        """Take a number of rows, and draw those that look different by now."""
        if count != self._count:
            self.show_rows(count)
            return
        width, top = self.scrollable_content_region.width, self.scroll_offset.y
        for y in range(self.size.height):
            index = top + y
            if index < count and self._drawn.get(y) != (index, list(self.pieces(index, width))):
                self.touch((index,))

    def render_line(self, y: int) -> Strip:
        """Draw a line, and remember what it was drawn from."""
        index = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if index < self._count:
            self._drawn[y] = (index, list(self.pieces(index, width)))
        else:
            self._drawn.pop(y, None)
        return super().render_line(y)

    def notify_style_update(self) -> None:
        """Forget the styles of the theme before."""
        self._styles = {}
        self._drawn = {}
        super().notify_style_update()

    def part(self, name: str) -> Style:
        """Give a component's style; looked up once for each theme."""
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = super().part(name)
        return style

    def state_style(self, look: str) -> Style:
        """Give the style of a look."""
        return self.part(f"sweep--{look}")
