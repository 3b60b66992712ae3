"""All keys of the screen one came from, made from its bindings, so that it cannot be out of date."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from tui import keys
from tui.screens.base import DeckScreen, TitleBar
from tui.screens.help.rows import KeyRows
from tui.widgets.keybar import KeyBar, binding


class _Search(Input):
    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Leave the help's own key to it: no binding has a question mark in its sentence."""
        return key != "question_mark" and super().check_consume_key(key, character)


class HelpScreen(DeckScreen):
    """The keys of a screen, with a search over them.

    Args:
        of: The screen; its keys are those of the moment, with what has the focus.
    """

    DEFAULT_CSS = """
    HelpScreen Input, HelpScreen Input:focus { border: none; height: 1; padding: 0 1; background: $boost; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("escape", "back", "close", tip="Close the help; first clear the search"),
        Binding("question_mark", "close", "Close", show=False, priority=True),
        Binding("up", "scroll(-1)", "Up", show=False, priority=True),
        Binding("down", "scroll(1)", "Down", show=False, priority=True),
        Binding("pageup", "page(-1)", "Page up", show=False, priority=True),
        Binding("pagedown", "page(1)", "Page down", show=False, priority=True),
    ]

    def __init__(self, of: Screen[object]) -> None:
        super().__init__()
        self._title = keys.title_of(of)
        legend = getattr(of, "legend", None)
        self._rows = KeyRows([*keys.groups(of), *([legend()] if legend is not None else [])])

    def compose(self) -> ComposeResult:
        """Lay it out."""
        title = TitleBar("keys")
        title.show(self._title)
        search = _Search(placeholder="search")
        search.cursor_blink = False
        yield title
        yield search
        yield self._rows
        yield KeyBar()

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        self._rows.narrow(event.value)

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the sentences anew."""
        self._rows.wrap(event.size.width)

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self._rows.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll by pages."""
        self._rows.scroll_relative(y=by * max(1, self._rows.size.height - 1), animate=False)

    def action_back(self) -> None:
        """Clear the search, or close."""
        search = self.query_one(Input)
        if search.value:
            search.value = ""
        else:
            self.deck.back()

    def action_close(self) -> None:
        """Close."""
        self.deck.back()
