"""The main area: the charts, and the tabs that take their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from tui.screens.monitor.lines import Lines, Piece
from tui.sources.follow import Picture, Source

if TYPE_CHECKING:
    from tui.screens.monitor.tabs import Tab


class Strip(Lines):
    """Names the tabs, and which of them is in front."""

    DEFAULT_CSS = """
    Strip { height: 1; background: $surface; }
    """

    def show(self, titles: tuple[str, ...], current: int) -> None:
        """Show the tabs."""
        pieces: list[Piece] = [(" ", "")]
        for number, title in enumerate(titles):
            here = number == current
            pieces += [
                (f"{number + 1} ", "name" if here else "dim"),
                (f"[{title}]" if here else f" {title} ", "value" if here else "dim"),
                (" ", ""),
            ]
        self.show_lines([pieces])


class Places(Vertical):
    """The tabs; each is made when it is first looked at.

    Args:
        source: Where the run comes from.
    """

    DEFAULT_CSS = """
    Places { height: 1fr; display: none; }
    Places > Tab { height: 1fr; }
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._strip = Strip()
        self._tabs: dict[int, Tab] = {}
        self._shown: dict[int, Picture] = {}
        self.current = 0

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self._strip

    def go(self, number: int, picture: Picture) -> None:
        """Bring a tab to the front; 0 stands for the charts."""
        from tui.screens.monitor.tabs import TABS

        self.current = number
        self.display = number > 0
        for other, tab in self._tabs.items():
            tab.display = other == number
        if number > 0:
            if number not in self._tabs:
                self._tabs[number] = TABS[number - 1](self._source)
                self.mount(self._tabs[number])
                self.call_after_refresh(self._focus)
            else:
                self._focus()
            self.show(picture)

    def show(self, picture: Picture) -> None:
        """Show the run in the tab that is in front."""
        from tui.screens.monitor.tabs import TABS

        if not self.current:
            return
        tab = self._tabs[self.current]
        if not tab.is_mounted:
            self.call_after_refresh(self.show, picture)
            return
        self._strip.show(("charts", *(each.TITLE for each in TABS)), self.current)
        if self._shown.get(self.current) is not picture:
            self._shown[self.current] = picture
            tab.show(picture)

    def _focus(self) -> None:
        if not self.current:
            self.screen.set_focus(None)
            return
        self._tabs[self.current].focus()
