"""A few lines of text of which only the cells that changed are sent to the terminal."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.app import RenderResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.text import cell_len

#: Text that holds no control characters, and the name of its look; "" for the plain one.
Piece = tuple[str, str]


class Spans(Widget):
    """Lines made of pieces, each with the name of a look that a subclass gives a style."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[tuple[Piece, ...]] = []
        # Textual forgets styles at every refresh, and finding them costs more than drawing.
        self._looks: dict[str, Style] = {}

    @property
    def text(self) -> str:
        """What stands there, without looks."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)

    def show_lines(self, lines: Sequence[Sequence[Piece]]) -> None:
        """Show lines; only what differs from those before is drawn."""
        new = [tuple(line) for line in lines]
        old, self._lines = self._lines, new
        for y in range(max(len(old), len(new))):
            before = old[y] if y < len(old) else ()
            after = new[y] if y < len(new) else ()
            if before != after:
                begin, end = changed_cells(before, after)
                self.refresh(Region(begin, y, end - begin, 1))

    @abstractmethod
    def look(self, name: str) -> Style:
        """Give the style of a look, to lay over the base; a subclass knows them."""

    def notify_style_update(self) -> None:
        """Take the colours of another theme."""
        self._looks.clear()
        super().notify_style_update()

    def _style(self, name: str) -> Style:
        style = self._looks.get(name)
        if style is None:
            base = self.rich_style
            style = self._looks[name] = base + self.look(name) if name else base
        return style

    def render(self) -> RenderResult:
        """Nothing: the lines are drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        width = self.size.width
        pieces = self._lines[y] if y < len(self._lines) else ()
        segments = [Segment(text, self._style(look)) for text, look in pieces]
        return Strip(segments).adjust_cell_length(width, self._style(""))


class Lines(Spans):
    """Lines with a palette of their own."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lines--name",
        "lines--dim",
        "lines--value",
        "lines--good",
        "lines--warn",
        "lines--bad",
        "lines--bar",
        "lines--rest",
    }
    DEFAULT_CSS = """
    Lines { color: $foreground; }
    Lines > .lines--name { color: $accent; text-style: bold; }
    Lines > .lines--dim { color: $text-muted; }
    Lines > .lines--value { text-style: bold; }
    Lines > .lines--good { color: $text-success; text-style: bold; }
    Lines > .lines--warn { color: $text-warning; text-style: bold; }
    Lines > .lines--bad { color: $text-error; text-style: bold; }
    Lines > .lines--bar { color: $accent; }
    Lines > .lines--rest { color: $text-disabled; }
    """

    def look(self, name: str) -> Style:
        """Give the style of a look, to lay over the base."""
        return self.get_component_rich_style(f"lines--{name}", partial=True)


def changed_cells(before: Sequence[Piece], after: Sequence[Piece]) -> tuple[int, int]:
    """Give the columns, from and to, outside of which two lines look the same."""
    old, new = _cells(before), _cells(after)
    length = max(len(old), len(new))
    blank = (" ", "")
    old += [blank] * (length - len(old))
    new += [blank] * (length - len(new))
    begin = 0
    while begin < length and old[begin] == new[begin]:
        begin += 1
    end = length
    while end > begin and old[end - 1] == new[end - 1]:
        end -= 1
    # A character of two cells is drawn whole.
    while begin and (old[begin : begin + 1] == [("", "")] or new[begin : begin + 1] == [("", "")]):
        begin -= 1
    while end < length and ("", "") in (old[end], new[end]):
        end += 1
    return begin, end


def _cells(pieces: Sequence[Piece]) -> list[Piece]:
    cells: list[Piece] = []
    for text, look in pieces:
        if text.isascii():
            cells += [(letter, look) for letter in text]
            continue
        for letter in text:
            wide = cell_len(letter)
            if wide == 0 and cells:
                cells[-1] = (cells[-1][0] + letter, look)
                continue
            cells.append((letter, look))
            cells += [("", "")] * (wide - 1)
    return cells


def spread(left: Sequence[Piece], right: Sequence[Piece], width: int) -> list[Piece]:
    """Set pieces flush left and others flush right; where they do not fit, the left ones yield."""
    tail = sum(cell_len(text) for text, _ in right)
    room = width - tail
    shown: list[Piece] = []
    for text, look in left:
        need = cell_len(text)
        if need > room:
            break
        shown.append((text, look))
        room -= need
    if room > 0:
        shown.append((" " * room, ""))
    return [*shown, *right] if width >= tail else shown
