"""What the tabs of a run share: a line of facts, the rows, and a line to search with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from rich.segment import Segment
from textual import events, on
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from tui.screens.monitor.tabs.textrows import TextRows
from tui.sources.follow import Picture, Source
from tui.text import cell_len, fit
from tui.widgets.keybar import binding
from tui.widgets.linelist import LineList

if TYPE_CHECKING:
    from tui.app import Deck

T = TypeVar("T")


class FactLine(Widget):
    """One line above the rows: what they are, and at the right how one stands in them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"facts--text"}
    DEFAULT_CSS = """
    FactLine { height: 1; background: $surface; color: $text-muted; }
    FactLine > .facts--text { color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._facts = ("", "")

    @property
    def text(self) -> str:
        """What it says."""
        return "  ".join(part for part in self._facts if part)

    def show(self, text: str, right: str = "") -> None:
        """Show facts; draws only if something changed."""
        if (text, right) != self._facts:
            self._facts = (text, right)
            self.refresh()

    def render(self) -> RenderResult:
        """Nothing: the line is drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw the line."""
        text, right = self._facts
        base = self.rich_style
        style = self.get_component_rich_style("facts--text")
        tail = f"{right} " if right else ""
        room = max(0, self.size.width - 1 - cell_len(tail))
        shown = fit(text, room)
        gap = " " * max(0, room - cell_len(shown))
        return Strip(
            [Segment(" ", base), Segment(shown, style), Segment(gap, base), Segment(tail, style)]
        ).adjust_cell_length(self.size.width, base)


class SearchLine(Input):
    """Where one types what to search for; hidden otherwise."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Clear the search", show=False),
        Binding("up,down", "done", "Back to the rows", show=False),
    ]
    DEFAULT_CSS = """
    SearchLine { display: none; border: none; height: 1; padding: 0 1; background: $boost; }
    SearchLine:focus { border: none; }
    """

    class Left(Message):
        """The search is over.

        Attributes:
            kept: Whether what was typed goes on to count.
        """

        def __init__(self, kept: bool) -> None:
            self.kept = kept
            super().__init__()

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder)
        self.cursor_blink = False

    def action_leave(self) -> None:
        """Give the search up."""
        self.post_message(self.Left(False))

    def action_done(self) -> None:
        """Go back to the rows with what was typed."""
        self.post_message(self.Left(True))


class Tab(Widget):
    """One view of a run beside its charts.

    The screen makes it with the run's source, calls `show` when there is a new picture and the
    tab is in sight, and `focus` when the tab comes to the front.
    """

    TITLE: ClassVar[str] = ""
    #: What the search line says as long as nothing is typed.
    SEARCH: ClassVar[str] = "search"
    FOLLOW: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("slash", "search", "search", tip="Search in these lines"),
        binding("n", "hit(1)", "next hit", show=False, tip="The next line that was sought"),
        binding("N", "hit(-1)", "hit before", show=False, tip="The one before"),
    ]
    DEFAULT_CSS = "Tab { layout: vertical; height: 1fr; }"

    def __init__(self, source: Source, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.source = source
        self.picture = Picture()
        self.facts = FactLine()
        self.rows = TextRows(follow=self.FOLLOW)
        self.line = SearchLine(self.SEARCH)
        self._from = 0

    @property
    def deck(self) -> Deck:
        """The app."""
        from tui.app import Deck

        assert isinstance(self.app, Deck)
        return self.app

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self.facts
        yield self.rows
        yield self.line

    def focus(self, scroll_visible: bool = True) -> Self:
        """Give the keys to the rows."""
        self.rows.focus(scroll_visible)
        return self

    def show(self, picture: Picture) -> None:
        """Take a new picture."""
        self.picture = picture

    def told(self) -> str:
        """Give what the line of facts says at its left."""
        return ""

    def read(self, work: Callable[[], T], take: Callable[[T | None], None]) -> None:
        """Read files in a thread.

        Args:
            work: Reads; runs in the thread.
            take: Gets what was read, here again; None if reading failed, which has been told then.
                Not called if the tab has gone meanwhile.
        """

        async def go() -> None:
            found: T | None = None
            try:
                found = await asyncio.to_thread(work)
            except Exception as error:  # whatever lies in a folder must not end the app
                self.deck.say(f"the {self.TITLE} cannot be read: {error}", "error")
            take(found)

        self.run_worker(go(), group="read")

    def tell(self) -> None:
        """Bring the line of facts up to date."""
        hits = self.rows.hits
        right = ""
        if self.line.value:
            place = hits.index(self.rows.cursor) + 1 if self.rows.cursor in hits else 0
            right = f"{place or '-'}/{len(hits)} n N" if hits else "not found"
        elif self.FOLLOW and self.rows.count:
            right = "following" if self.rows.following else "G follows the end"
        self.facts.show(self.told(), right)

    # ── search ───────────────────────────────────────────────────────────────────────────────

    def sought(self, text: str) -> None:
        """Take what is typed into the search line, at each key."""
        self.rows.seek(text)
        self.rows.nearest(self._from)

    def action_search(self) -> None:
        """Open the search line."""
        self._from = self.rows.cursor
        self.line.display = True
        self.line.focus()

    def action_hit(self, by: int) -> None:
        """Go to the next hit."""
        self.rows.next_hit(by)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.sought(event.value)
        self.tell()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._search_left(kept=True)

    @on(SearchLine.Left)
    def _left(self, event: SearchLine.Left) -> None:
        event.stop()
        self._search_left(event.kept)

    def _search_left(self, kept: bool) -> None:
        if not kept:
            self.line.value = ""
        self.line.display = bool(self.line.value)
        self.rows.focus()

    # ── rows ─────────────────────────────────────────────────────────────────────────────────

    @on(LineList.Highlighted)
    def _moved(self, event: LineList.Highlighted) -> None:
        event.stop()
        self.moved(event.index)
        self.tell()

    @on(LineList.Chosen)
    def _chosen(self, event: LineList.Chosen) -> None:
        event.stop()
        line = self.rows.current
        if line is not None:
            self.chosen(line.item)

    def moved(self, index: int) -> None:
        """Take note that the cursor has moved."""

    def chosen(self, item: object) -> None:
        """Open what a line is about."""

    def on_resize(self, _event: events.Resize) -> None:
        """Lines may be made for a width."""
        self.resized()

    def resized(self) -> None:
        """Make anew what depends on the width."""
