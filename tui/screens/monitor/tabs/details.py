"""Everything about one thing, in a window that scrolls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.widgets.dialogs import Dialog


class Details(Dialog[bool]):
    """Shows a text that may be long.

    Args:
        title: What it is about; harmless text, as all of this.
        facts: (name, value), a line each; a value may have lines of its own.
        text: What follows them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,q", "cancel", "Close", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False, priority=True),
        Binding("down,j", "scroll(1)", "Down", show=False, priority=True),
        Binding("pageup", "scroll(-10)", "Page up", show=False, priority=True),
        Binding("pagedown,space", "scroll(10)", "Page down", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    Details > Vertical { width: 100; }
    Details VerticalScroll { height: auto; max-height: 50vh; scrollbar-size-vertical: 1; }
    Details VerticalScroll > Static { height: auto; }
    """

    def __init__(self, title: str, facts: Sequence[tuple[str, str]], text: str = "") -> None:
        super().__init__()
        self._title = title
        wide = max((len(name) for name, _ in facts), default=0)
        lines = [
            f"{name.ljust(wide)}  " + value.replace("\n", "\n" + " " * (wide + 2))
            for name, value in facts
        ]
        self._body = "\n".join(
            [*lines, *(["", text] if text and lines else [text] if text else [])]
        )

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Content(self._title), classes="title", markup=False)
            with VerticalScroll(can_focus=False):
                yield Static(Content(self._body), classes="body", markup=False)
            yield Static(Content("up down scroll   esc close"), classes="keys", markup=False)

    def action_scroll(self, by: int) -> None:
        """Scroll the text."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)
