"""The line at the foot in which a filter is typed."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from tui.text import clean

HINT = "state:running,failed loss<0.5 val/loss<=1 tag:abl age<2h -name:test word"


class _Said(Widget):
    """What is wrong with the filter, or examples."""

    DEFAULT_CSS = """
    _Said { height: auto; max-height: 3; padding: 0 1; color: $text-muted; }
    _Said.problem { color: $text-error; }
    """
    text = HINT

    def render(self) -> RenderResult:
        """Show the text as it is."""
        return Content(self.text)


class FilterBar(Vertical):
    """Asks for a filter; tells what is typed with every key."""

    DEFAULT_CSS = """
    FilterBar { height: auto; background: $surface; }
    FilterBar Input { margin: 0 1; background: $boost; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, priority=True),
        Binding("down", "move(1)", "Down", show=False, priority=True),
        Binding("enter", "close(True)", "keep", priority=True),
        Binding("escape", "close(False)", "clear", priority=True),
    ]

    class Typed(Message):
        """The filter is another one."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Closed(Message):
        """Typing is over: the filter stays, or goes."""

        def __init__(self, keep: bool) -> None:
            self.keep = keep
            super().__init__()

    class Moved(Message):
        """The cursor of the list is to move."""

        def __init__(self, by: int) -> None:
            self.by = by
            super().__init__()

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._said = _Said()

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self._said
        line = Input(self._text, placeholder="filter", select_on_focus=False, compact=True)
        line.cursor_blink = False
        yield line

    def on_mount(self) -> None:
        """Take the keys."""
        self.query_one(Input).focus()

    def tell(self, problem: str) -> None:
        """Say what is wrong with the filter; examples if nothing is."""
        text = clean(problem) or HINT
        if text != self._said.text:
            self._said.text = text
            self._said.set_class(bool(problem), "problem")
            self._said.refresh(layout=True)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))

    def action_close(self, keep: bool) -> None:
        """End the typing."""
        self.post_message(self.Closed(keep))

    def action_move(self, by: int) -> None:
        """Move the list's cursor from within the filter."""
        self.post_message(self.Moved(by))
