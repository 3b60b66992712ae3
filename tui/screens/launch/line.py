"""The override line: type a preset, a choice or a value, with what may follow shown below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual import events, on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tui.screens.launch.draft import last_on, on_line
from tui.text import cell_len, clean, fit, left, wrap
from tui.widgets.keybar import binding
from tui.widgets.linelist import LineList, Pieces

if TYPE_CHECKING:
    from trainer.config.complete import Suggestion

_MOST = 8
#: Lines that tell what is wrong with an override.
_PROBLEM_LINES = 4


class OverrideInput(Input):
    """The line itself; the keys of the list below work from within it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("tab", "accept", "complete", tip="Take the suggestion under the cursor"),
        binding(
            "escape", "leave", "leave the line", show=False, tip="Drop what is typed; to the list"
        ),
        Binding("up", "pick(-1)", "Suggestion above", show=False),
        Binding("down", "pick(1)", "Suggestion below", show=False),
        Binding("pageup", f"pick(-{_MOST})", "Suggestions above", show=False),
        Binding("pagedown", f"pick({_MOST})", "Suggestions below", show=False),
    ]

    def _line(self) -> OverrideLine:
        assert isinstance(self.parent, OverrideLine)
        return self.parent

    def action_accept(self) -> None:
        """Take the suggestion; without one Tab goes on to the next part of the screen."""
        if not self._line().accept():
            raise SkipAction

    async def _on_key(self, event: events.Key) -> None:
        # A binding would be looked up only after the event has gone through every widget above, and
        # by then what was typed behind Enter would stand on the same line.
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self._line().enter()
            return
        await super()._on_key(event)

    def action_pick(self, by: int) -> None:
        """Move through the suggestions."""
        self._line().pick(by)

    def action_leave(self) -> None:
        """Leave the line; what was not accepted does not count."""
        self.post_message(OverrideLine.Left())


class OverrideLine(Vertical):
    """An input with suggestions.

    Args:
        suggest: Gives what may be meant by a text, best first.
        entered: Called with a text that is to be an override.
        ellipsis: Ends a text that was cut.
        placeholder: Says dimly what may be typed.
    """

    DEFAULT_CSS = """
    OverrideLine { height: auto; }
    OverrideLine > Input { border: none; height: 1; padding: 0 1; background: $boost; }
    OverrideLine > Input:focus { background: $surface-lighten-1; }
    OverrideLine > SuggestionRows { display: none; height: auto; background: $surface; }
    OverrideLine.suggesting > SuggestionRows { display: block; }
    OverrideLine > .said { height: auto; max-height: 3; padding: 0 1; color: $text-muted; }
    OverrideLine > .said.problem { color: $text-error; }
    """

    class Typed(Message):
        """The text on the line changed."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Left(Message):
        """The person is done with the line."""

    def __init__(
        self,
        suggest: Callable[[str], Sequence[Suggestion]],
        entered: Callable[[str], None],
        ellipsis: str = "…",
        placeholder: str = "preset, group=option or key=value",
    ) -> None:
        super().__init__()
        self._suggest = suggest
        self._placeholder = placeholder
        self._entered = entered
        self._looked_at = ""
        self._rows = SuggestionRows(ellipsis)
        self._moved = False
        self._said = ("", False)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield OverrideInput(placeholder=self._placeholder, compact=True)
        yield self._rows
        yield Static("", classes="said", markup=False)

    def on_mount(self) -> None:
        """No blinking: it would be sent over SSH for ever."""
        self.input.cursor_blink = False

    @property
    def input(self) -> OverrideInput:
        """The input."""
        return self.query_one(OverrideInput)

    @property
    def text(self) -> str:
        """What stands on the line."""
        return self.input.value

    def put(self, text: str) -> None:
        """Put a text on the line."""
        self.input.value = text
        self.input.cursor_position = len(text)

    def say(self, text: str, wrong: bool) -> None:
        """Say something of what is on the line."""
        if (text, wrong) == self._said:
            return
        self._said = (text, wrong)
        said = self.query_one(".said", Static)
        said.set_class(wrong, "problem")
        said.update(Content(text))

    def refresh_suggestions(self) -> None:
        """Look again what may follow."""
        self._looked_at = self.text
        typed = last_on(self.text)[1]
        found = self._suggest(typed) if self.input.has_focus else ()
        settled = len(found) == 1 and found[0].text == typed
        self._moved = False
        self._rows.show(() if settled else found)
        self.set_class(bool(found) and not settled, "suggesting")

    def pick(self, by: int) -> None:
        """Move through the suggestions."""
        if self.has_class("suggesting"):
            if self._moved or by > 1:
                self._rows.action_move(by)
            self._moved = True
            self._rows.touch((self._rows.cursor,))

    def accept(self) -> bool:
        """Take the suggestion under the cursor; false if there is none."""
        if not self.has_class("suggesting") or not (self.text.strip() or self._moved):
            return False
        before = last_on(self.text)[0]
        self.put(before + on_line(self._rows.suggestions[self._rows.cursor].text))
        return True

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.refresh_suggestions()
        self.post_message(self.Typed(event.value))

    def enter(self) -> None:
        """Take the suggestion that was gone to, or else the text."""
        if self._looked_at != self.text:
            self.refresh_suggestions()
        if self._moved and self._rows.suggestions:
            self.accept()
        elif text := self.text.strip():
            self._entered(text)

    def on_descendant_focus(self) -> None:
        """Show what may be typed."""
        self.refresh_suggestions()

    def on_descendant_blur(self) -> None:
        """Hide what may be typed."""
        self.set_class(False, "suggesting")


class SuggestionRows(LineList, can_focus=False):
    """What may follow, best first."""

    DEFAULT_CSS = f"SuggestionRows {{ max-height: {_MOST}; }}"

    def __init__(self, ellipsis: str = "…") -> None:
        super().__init__()
        self._ellipsis = ellipsis
        self.suggestions: Sequence[Suggestion] = ()

    def show(self, suggestions: Sequence[Suggestion]) -> None:
        """Show others."""
        if suggestions != self.suggestions:
            self.suggestions = suggestions
            self.show_rows(len(suggestions), 0)

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a suggestion: its text, and what it is."""
        suggestion = self.suggestions[index]
        longest = max(cell_len(each.text) for each in self.suggestions)
        texts = min(longest, max(20, width * 60 // 100))
        return [
            (" " + left(clean(suggestion.text), texts, self._ellipsis) + "  ", Style.null()),
            (
                fit(clean(suggestion.what), width - texts - 3, self._ellipsis),
                self.part("linelist--dim"),
            ),
        ]


class OverrideRows(LineList):
    """The overrides in force."""

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("x,delete,backspace", "remove", "remove", tip="Take the override out"),
        Binding("enter", "choose", "Edit", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"overrides--wrong"}
    DEFAULT_CSS = "OverrideRows > .overrides--wrong { color: $text-error; }"

    class Removed(Message):
        """An override is to go."""

        def __init__(self, index: int) -> None:
            self.index = index
            super().__init__()

    def __init__(self, ellipsis: str = "…") -> None:
        super().__init__()
        self._ellipsis = ellipsis
        self.rows: Sequence[tuple[str, str]] = ()
        #: For each line the override that it belongs to, and what is wrong with it if it says so.
        self._lines: list[tuple[int, str]] = []
        #: The line of each override.
        self._firsts: list[int] = []

    def show(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show overrides, each with what is wrong with it; the cursor keeps its place."""
        if rows != self.rows or not self.count:
            at, self.rows = self.at, rows
            self._lay_out(at)

    def go_to(self, word: str) -> None:
        """Move the cursor to an override, if it is there."""
        for at, row in enumerate(self.rows):
            if row[0] == word:
                self.cursor = self._firsts[at]

    def on_resize(self) -> None:
        """Lay the lines out for the new width."""
        self._lay_out(self.at)

    def _lay_out(self, at: int) -> None:
        """Break what is wrong into lines below its override; the help stands at its end."""
        room = max(10, self.scrollable_content_region.width - 5)
        self._lines, self._firsts = [], []
        for index, (_word, problem) in enumerate(self.rows):
            self._firsts.append(len(self._lines))
            told = wrap(problem, room, _PROBLEM_LINES, self._ellipsis)
            self._lines += [(index, ""), *((index, text) for text in told)]
        self.show_rows(
            len(self._lines) or 1,
            self._firsts[min(at, len(self._firsts) - 1)] if self._firsts else 0,
        )

    def place(self, index: int) -> int:
        """Give the place of a row's override in the draft: rows stand as the draft has them."""
        return index

    @property
    def at(self) -> int:
        """The place of the override under the cursor."""
        return self._lines[self.cursor][0] if self.cursor < len(self._lines) else 0

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on an override: the lines below it belong to it."""
        cursor = super().validate_cursor(cursor)
        return self._firsts[self._lines[cursor][0]] if cursor < len(self._lines) else cursor

    def action_move(self, by: int) -> None:
        """Move the cursor by overrides."""
        if self._firsts:
            self.cursor = self._firsts[max(0, min(self.at + by, len(self._firsts) - 1))]

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw an override, or a line of what is wrong with it."""
        if not self._lines:
            return [
                (fit(" no overrides: all as the profiles say", width), self.part("linelist--dim"))
            ]
        at, text = self._lines[index]
        if text:
            return [(f"    {text}", self.part("overrides--wrong"))]
        word, problem = self.rows[at]
        return [
            ("! " if problem else "  ", self.part("overrides--wrong")),
            (fit(clean(word), width - 3, self._ellipsis), Style.null()),
        ]

    def action_choose(self) -> None:
        """Edit the override under the cursor."""
        if self.rows:
            self.post_message(self.Chosen(self, self.at))

    def action_remove(self) -> None:
        """Take out the override under the cursor."""
        if self.rows:
            self.post_message(self.Removed(self.at))
