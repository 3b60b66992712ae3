"""What all screens share: a title line, a key line, and a clock that stands still while hidden."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from textual.app import RenderResult
from textual.binding import BindingType
from textual.reactive import Reactive
from textual.screen import Screen
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from tui.text import cell_len, fit
from tui.widgets.keybar import binding

if TYPE_CHECKING:
    from tui.app import Deck
    from tui.context import Context


class TitleBar(Widget):
    """One line: where one is, what there is, and the time in minutes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"titlebar--name", "titlebar--text"}
    DEFAULT_CSS = """
    TitleBar { dock: top; height: 1; background: $panel; color: $text-muted; }
    TitleBar > .titlebar--name { color: $accent; text-style: bold; }
    TitleBar > .titlebar--text { color: $text-muted; }
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._facts = ("", "", "")

    def show(self, text: str, right: str = "", now: float | None = None) -> None:
        """Show facts at the left and the right; draws only if something changed.

        Args:
            text: At the left, behind the name; harmless text.
            right: At the right.
            now: Unix seconds for the time of day; none is shown without them.
        """
        clock = time.strftime("%H:%M", time.localtime(now)) if now is not None else ""
        if (text, right, clock) != self._facts:
            self._facts = (text, right, clock)
            self.refresh()

    def render(self) -> RenderResult:
        """Nothing: the line is drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw the line."""
        text, right, clock = self._facts
        base = self.rich_style
        name_style = self.get_component_rich_style("titlebar--name")
        text_style = self.get_component_rich_style("titlebar--text")
        tail = "  ".join(part for part in (right, clock) if part) + " "
        name = f" {self._name}  "
        room = self.size.width - cell_len(name) - cell_len(tail) - 1
        shown = fit(text, room)
        gap = " " * max(1, room - cell_len(shown) + 1)
        segments = [
            Segment(name, name_style),
            Segment(shown, text_style),
            Segment(gap, base),
            Segment(tail, text_style),
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)


def is_in_sight(screen: Screen[Any]) -> bool:
    """Tell whether a screen is in front, or seen behind dialogs.

    Textual's `is_current` is true also of a screen that the one in front hides.
    """
    stack = screen.app.screen_stack
    if screen not in stack:
        return False
    return all(above.is_modal for above in stack[stack.index(screen) + 1 :])


class DeckScreen(Screen[None]):
    """A screen that looks for news on a clock, and not at all while it is hidden."""

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("question_mark", "help", "help", tip="All keys of this screen"),
        binding("escape", "back", "back", show=False, tip="Back to where you came from"),
    ]
    #: How often a second the screen looks for news; the settings may make it less.
    HZ: ClassVar[float] = 4.0

    #: As Textual has it, but the two widgets draw themselves anew and the screen does not: the
    #: whole of it would be sent to the terminal each time.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    _ticking: Timer | None = None

    @property
    def deck(self) -> Deck:
        """The app."""
        from tui.app import Deck

        assert isinstance(self.app, Deck)
        return self.app

    @property
    def context(self) -> Context:
        """What the app knows of the world."""
        return self.deck.context

    # Textual calls the handlers of all classes of a screen, the derived one's first: a handler must
    # not call its base's, which would then run twice.

    def on_mount(self) -> None:
        """Begin to look for news."""
        if self.context.live:
            hz = min(self.HZ, max(0.5, self.context.settings.refresh))
            self._ticking = self.set_interval(1 / hz, self.tick)

    @property
    def is_open(self) -> bool:
        """Whether it is still there; one that is being left is attached while parts of it are gone."""
        return self.is_attached and self in self.app.screen_stack

    @property
    def in_sight(self) -> bool:
        """Whether it is in front, or seen behind dialogs."""
        return is_in_sight(self)

    def on_screen_suspend(self) -> None:
        """Rest while another screen is in front; behind a dialog it can be seen, and goes on."""
        if self._ticking is not None and not self.in_sight:
            self._ticking.pause()

    def on_screen_resume(self) -> None:
        """Go on, at once."""
        if self._ticking is not None:
            self._ticking.resume()
        self.tick()

    def tick(self) -> None:
        """Draw what is new; must cost next to nothing when nothing is."""

    def applies(self, action: str) -> bool:
        """Tell whether the foot is to name an action now; its key works all the same.

        A key that does nothing now says why when it is pressed, which one that is switched off
        could not.
        """
        return True

    def copy(self, text: str) -> None:
        """Copy a text to the clipboard, and say so; nothing if there is none."""
        if text:
            self.app.copy_to_clipboard(text)
            self.deck.say(f"copied: {text}")

    def action_help(self) -> None:
        """Show all keys of this screen."""
        self.deck.open_help()

    def unsaved(self) -> list[str]:
        """Name what would be lost if the app were left now."""
        return []

    def action_leave(self) -> None:
        """Leave the app from this screen; what would be lost has been asked about."""
        self.deck.leave_now()

    def action_back(self) -> None:
        """Leave this screen; the first one leaves the app."""
        self.deck.back()
