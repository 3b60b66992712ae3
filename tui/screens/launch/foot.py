"""The foot of the screen: which part is in front, the command, and the way to launch it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.app import RenderResult
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from tui.text import cell_len, clean, wrap
from tui.widgets.keybar import binding

#: Lines that tell why nothing can be launched.
_LINES = 3


class PaneBar(Widget):
    """One line that names the parts of the screen and shows which is in front."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"panebar--key", "panebar--text", "panebar--front"}
    DEFAULT_CSS = """
    PaneBar { height: 1; background: $surface; color: $text-muted; }
    PaneBar > .panebar--key { color: $accent; text-style: bold; }
    PaneBar > .panebar--text { color: $text-muted; }
    PaneBar > .panebar--front { color: $foreground; text-style: bold underline; }
    """

    class Wanted(Message):
        """A part is to come to the front."""

        def __init__(self, index: int) -> None:
            self.index = index
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._names: tuple[str, ...] = ()
        self._front = 0

    def show(self, names: Sequence[str], front: int) -> None:
        """Show the parts' names, and which is in front."""
        if (tuple(names), front) != (self._names, self._front):
            self._names, self._front = tuple(names), front
            self.refresh()

    def render(self) -> RenderResult:
        """Nothing: the line is drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw the line."""
        base = self.rich_style
        key = self.get_component_rich_style("panebar--key")
        segments = [Segment(" ", base)]
        for at, name in enumerate(self._names):
            style = "panebar--front" if at == self._front else "panebar--text"
            segments += [
                Segment(f"{at + 1} ", key),
                Segment(name, self.get_component_rich_style(style)),
                Segment("   ", base),
            ]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def on_click(self, event: events.Click) -> None:
        """Bring the part forward whose name was clicked."""
        x = 1
        for at, name in enumerate(self._names):
            if x <= event.x < x + cell_len(name) + 2:
                self.post_message(self.Wanted(at))
            x += cell_len(name) + 5


class CommandPanel(Static):
    """The exact command that does what the screen would do."""

    DEFAULT_CSS = """
    CommandPanel { height: auto; max-height: 3; padding: 0 1; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self.command = ""

    def show(self, command: Sequence[str]) -> None:
        """Show a command, quoted for the shell."""
        text = clean(shlex.join(command)) if command else ""
        if text != self.command:
            self.command = text
            self.update(Content.assemble(("$ ", "$text-muted"), text))


class LaunchBar(Widget, can_focus=True):
    """The button: says that all is well, or why nothing can be launched."""

    BINDINGS: ClassVar[list[BindingType]] = [binding("enter", "press", "launch", show=False)]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "launchbar--ready",
        "launchbar--blocked",
        "launchbar--text",
    }
    DEFAULT_CSS = """
    LaunchBar { height: auto; max-height: 3; background: $surface; }
    LaunchBar > .launchbar--ready { color: $text-success; text-style: bold; }
    LaunchBar > .launchbar--blocked { color: $text-error; text-style: bold; }
    LaunchBar > .launchbar--text { color: $text-muted; }
    LaunchBar:focus { background: $primary-muted; }
    """

    class Pressed(Message):
        """The person wants to launch."""

    def __init__(self, ellipsis: str = "…") -> None:
        super().__init__()
        self._ellipsis = ellipsis
        self._facts = ("", "", False)

    def show(self, button: str, text: str, ready: bool) -> None:
        """Show what the button does and why it may not."""
        if (button, text, ready) != self._facts:
            self._facts = (button, text, ready)
            tall = self._lines(self.size.width)
            self.refresh(layout=len(tall) != self.size.height)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as the reason takes."""
        return len(self._lines(width))

    def _lines(self, width: int) -> list[str]:
        """Break what is said; the lines stand beside the button."""
        room = max(10, width - cell_len(self._button) - 1)
        return wrap(self._facts[1], room, _LINES, self._ellipsis) or [""]

    @property
    def _button(self) -> str:
        return f" [ {self._facts[0]} ]  " if self._facts[0] else ""

    @property
    def text(self) -> str:
        """What is said."""
        return "  ".join(self._facts[:2])

    def render(self) -> RenderResult:
        """Nothing: the line is drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw the button."""
        ready, shown = self._facts[2], self._button
        base = self.rich_style
        style = self.get_component_rich_style(
            "launchbar--ready" if ready else "launchbar--blocked", partial=True
        )
        lines = self._lines(self.size.width)
        rest = lines[y] if y < len(lines) else ""
        shown = shown if y == 0 else " " * cell_len(shown)
        dim = self.get_component_rich_style("launchbar--text", partial=True)
        segments = [Segment(shown, base + style), Segment(rest, base + dim)]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def action_press(self) -> None:
        """Launch."""
        self.post_message(self.Pressed())

    def on_click(self) -> None:
        """Launch."""
        self.action_press()
