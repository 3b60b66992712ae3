"""Questions over a screen: yes or no, a word to type, a text to enter, one of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, TypeVar

from rich.style import Style
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.fuzzy import Matcher
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.text import cell_len, clean, fit, left
from tui.widgets.linelist import LineList, Pieces

_CSS = """
Dialog { align: center middle; background: $background 60%; }
Dialog > Vertical {
    width: 72; max-width: 94%; height: auto; max-height: 90%;
    background: $surface; padding: 1 2; border: tall $accent;
}
Dialog .title { text-style: bold; margin-bottom: 1; }
Dialog .keys { color: $text-muted; margin-top: 1; }
Dialog .problem { color: $text-error; height: auto; }
Dialog Input, Dialog Input:focus { border: none; height: 1; padding: 0 1; background: $boost; }
Dialog LineList { height: auto; max-height: 16; margin-top: 1; }
"""


#: Rows of a list at most, and the lines around it: borders, title, search, keys, and gaps.
_MOST, _AROUND = 16, 10

T = TypeVar("T")


class Dialog(ModalScreen[T | None], Generic[T]):
    """A question; Escape answers None."""

    DEFAULT_CSS = _CSS
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel", show=False)]

    def action_cancel(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)


class Confirm(Dialog[bool]):
    """Asks for a yes; only `y` says it, so that a stray Enter does no harm.

    Args:
        title: The question.
        lines: What will happen, a line each; shown as it is, never as markup.
        yes: What `y` does.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", show=False),
        Binding("n", "answer(False)", "No", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[str] = (), yes: str = "yes") -> None:
        super().__init__()
        self._title, self._lines, self._yes = title, lines, yes

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Content(clean(self._title)), classes="title", markup=False)
            yield Static(Content(clean("\n".join(self._lines), keep_newlines=True)), markup=False)
            yield Static(Content(f"y {self._yes}   n no"), classes="keys", markup=False)

    def action_answer(self, answer: bool) -> None:
        """Answer."""
        self.dismiss(answer)


class Ask(Dialog[str]):
    """Asks for a text.

    Args:
        title: The question.
        value: What stands there at first.
        placeholder: A dim example.
        lines: What the person should know, a line each.
        check: Tells what is wrong with a text, empty if nothing; Enter works only then.
    """

    def __init__(
        self,
        title: str,
        value: str = "",
        *,
        placeholder: str = "",
        lines: Sequence[str] = (),
        check: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__()
        self._title, self._value, self._placeholder = title, value, placeholder
        self._lines, self._check = lines, check

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Content(clean(self._title)), classes="title", markup=False)
            if self._lines:
                yield Static(
                    Content(clean("\n".join(self._lines), keep_newlines=True)), markup=False
                )
            yield Input(
                clean(self._value),
                placeholder=self._placeholder,
                select_on_focus=False,
                compact=True,
            )
            yield Static("", classes="problem", markup=False)
            yield Static(Content("enter accept   esc cancel"), classes="keys", markup=False)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._tell(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self._tell(event.value):
            self.dismiss(event.value)

    def _tell(self, value: str) -> str:
        problem = self._check(value) if self._check else ""
        self.query_one(".problem", Static).update(Content(problem))
        return problem


class TypeToConfirm(Ask):
    """Asks to type a word before something that cannot be undone.

    Args:
        title: The question.
        word: What must be typed.
        lines: What will happen, a line each.
    """

    def __init__(self, title: str, word: str, lines: Sequence[str] = ()) -> None:
        super().__init__(
            title,
            lines=[*lines, f"Type {word} to confirm."],
            check=lambda text: "" if text.strip() == word else f"not yet: type {word}",
        )


class Pick(Dialog[int]):
    """Asks for one of many, with a fuzzy search over them; answers its place in `choices`.

    Args:
        title: The question.
        choices: (name, what it is), harmless texts.
        cursor: Where the cursor stands at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, priority=True),
        Binding("down", "move(1)", "Down", show=False, priority=True),
        Binding("pageup", "move(-10)", "Page up", show=False, priority=True),
        Binding("pagedown", "move(10)", "Page down", show=False, priority=True),
    ]
    #: The lines around the list.
    AROUND: ClassVar[int] = _AROUND

    def __init__(self, title: str, choices: Sequence[tuple[str, str]], cursor: int = 0) -> None:
        super().__init__()
        self._title, self._choices, self._cursor = title, choices, cursor
        self._rows = PickRows(choices)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Content(clean(self._title)), classes="title", markup=False)
            yield Input(placeholder="search", compact=True)
            yield self._rows
            yield Static(Content("enter choose   esc cancel"), classes="keys", markup=False)

    def on_mount(self) -> None:
        """Begin at the cursor."""
        self._fit_rows(self.app.size.height)
        self._rows.narrow("", self._cursor)

    def on_resize(self, event: events.Resize) -> None:
        """Keep the line of keys in sight."""
        self._fit_rows(event.size.height)

    def _fit_rows(self, height: int) -> None:
        self._rows.styles.max_height = max(1, min(_MOST, height * 9 // 10 - self.AROUND))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._rows.narrow(event.value, 0)
        keys = "enter choose   esc cancel" if self._rows.matches else "nothing fits   esc cancel"
        self.query_one(".keys", Static).update(Content(keys))

    @on(Input.Submitted)
    @on(LineList.Chosen)
    def _chosen(self) -> None:
        if self._rows.matches:
            self.dismiss(self._rows.matches[self._rows.cursor])

    def action_move(self, by: int) -> None:
        """Move the list's cursor from within the search."""
        self._rows.action_move(by)


class PickRows(LineList, can_focus=False):
    """The choices that match.

    Args:
        choices: (name, what it is), harmless texts.
    """

    # The search has the focus, and yet it is this cursor that one moves.
    DEFAULT_CSS: ClassVar[str] = """
    PickRows > .linelist--cursor { background: $primary-muted; text-style: bold; }
    """

    def __init__(self, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._choices = choices
        self._longest = max((cell_len(name) for name, what in choices if what), default=0)
        self.matches: list[int] = list(range(len(choices)))

    def narrow(self, query: str, cursor: int) -> None:
        """Show what matches, best first."""
        places = range(len(self._choices))
        if query:
            matcher, words = Matcher(query), query.lower().split()

            def score(name: str, what: str) -> float:
                # Only names are matched letter by letter: in a sentence that takes seconds, and fits
                # everywhere.
                said = self.said(name, what)
                return matcher.match(name) or 0.1 * all(word in said for word in words)

            scores = {i: score(*self._choices[i]) for i in places}
            self.matches = sorted((i for i in places if scores[i] > 0), key=lambda i: -scores[i])
        else:
            self.matches = list(places)
        self.show_rows(len(self.matches), cursor)

    def said(self, name: str, what: str) -> str:
        """Give the text in which words are searched for, in small letters."""
        return f"{name} {what}".lower()

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a choice."""
        name, what = self._choices[self.matches[index]]
        if not what:
            return [(" " + fit(name, width - 1), Style.null())]
        # Aligned with the others; a name of more than half the width is cut, to leave room.
        names = min(self._longest, max(12, width // 2))
        return [
            (f" {left(name, names)}  ", Style.null()),
            (fit(what, width - names - 3), self.part("linelist--dim")),
        ]
