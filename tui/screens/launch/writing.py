"""What somebody puts together by overrides: the line that they type on, and the way back.

A run and a sweep are written with the same line. What each of them is made of differs; the screen
says how overrides are read from it and put into it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from tui.screens.launch.clamping import while_typing
from tui.screens.launch.draft import Draft, is_whole, on_line, words_on
from tui.screens.launch.line import OverrideLine, OverrideRows

if TYPE_CHECKING:
    from tui.screens.base import DeckScreen

Made = TypeVar("Made")


class Found(Protocol):
    """What came of something that was put together."""

    @property
    def line(self) -> str:
        """What stood on the line; empty if it was left out."""

    @property
    def groups(self) -> Mapping[str, Sequence[Any]]:
        """The options of every group."""

    def problem_of_word(self, word: str) -> str:
        """Say what is wrong with an override; empty if nothing is."""


class Kind(Protocol[Made]):
    """How a screen reads and shows what is put together on it."""

    def draft_of(self, made: Made) -> Draft:
        """Give the overrides of it."""

    def with_draft(self, made: Made, draft: Draft) -> Made:
        """Give it with other overrides."""

    def found(self) -> Found:
        """Give what came of it when it was last looked at."""

    def suggest(self, text: str) -> Sequence[Any]:
        """Give what may be meant by a text, best first."""

    def words_on(self, line: str) -> list[str]:
        """Read the overrides on a line."""

    def not_understood(self, words: Sequence[str], wrong: str) -> str:
        """Say why one of the words cannot be meant so."""

    def brought_about(self) -> str:
        """Say what is wrong by the line, though not with a word of it; empty if nothing is."""

    def look_again(self, at_once: bool) -> None:
        """Look what comes of it by now; while somebody types, once they pause."""


class Writing(Generic[Made]):
    """Holds what is put together, what it was before, and what stands on the line.

    Args:
        screen: Where it is done.
        kind: How the screen reads and shows it.
        made: What to begin with.
        settled: Tells whether what was found is of what stands there now.
    """

    def __init__(
        self, screen: DeckScreen, kind: Kind[Made], made: Made, settled: Callable[[], bool]
    ) -> None:
        self._screen, self._kind, self._settled = screen, kind, settled
        #: What is put together by now; what stands on the line is not in it yet.
        self.made = made
        self._opened_with = made
        #: What undo goes back to: what was put together, and a text of the line that was left with
        #: what it edited.
        self._past: list[tuple[Made, str, str]] = []
        #: What stands on the line.
        self.line = ""
        #: The override that is being edited on the line; it stays in its place meanwhile.
        self.in_hand = ""

    @property
    def draft(self) -> Draft:
        """The overrides of what is put together."""
        return self._kind.draft_of(self.made)

    @property
    def typed_text(self) -> str:
        """What stands on the line and is not just an override as it was."""
        line = self.line.strip()
        return "" if self.in_hand and words_on(line) == [self.in_hand] else line

    @property
    def unfinished(self) -> str:
        """What stands on the line and is not part of what was found."""
        line = self.line.strip()
        return line if line and line != self._kind.found().line.strip() else ""

    @property
    def has_changes(self) -> bool:
        """Whether something would be lost by leaving."""
        return self.made != self._opened_with or bool(self.typed_text)

    # ── changing ─────────────────────────────────────────────────────────────────────────────

    def change(self, made: Made) -> None:
        """Put something else together; what was before can be had back."""
        if made != self.made:
            self._past.append((self.made, "", ""))
            self.made = made
            self._kind.look_again(at_once=True)

    def change_draft(self, draft: Draft) -> None:
        """Take other overrides."""
        self.change(self._kind.with_draft(self.made, draft))

    def take_in(self, draft: Draft) -> None:
        """Take overrides in which what stands on the line is contained."""
        self.empty_line()
        self.change_draft(draft)

    def undo(self) -> bool:
        """Go back to what was before; false if there is nothing."""
        if not self._past:
            return False
        self.made, text, edited = self._past.pop()
        if text:
            self.edit(text, edited)
        self._kind.look_again(at_once=True)
        return True

    # ── the line ─────────────────────────────────────────────────────────────────────────────

    @property
    def _line(self) -> OverrideLine:
        return self._screen.query_one(OverrideLine)

    @property
    def _rows(self) -> OverrideRows:
        return self._screen.query_one(OverrideRows)

    def suggest(self, text: str) -> Sequence[Any]:
        """Give what may be meant by a text, best first."""
        return self._kind.suggest(text)

    def typed(self, text: str) -> None:
        """Take what stands on the line by now."""
        self.line = text
        self.tell_line()
        self._kind.look_again(at_once=False)

    def leave(self) -> None:
        """Leave the line: what was not accepted does not count, and `u` brings it back."""
        text, edited = self.typed_text, self.in_hand
        if text:
            self._past.append((self.made, text, edited))
            what = f"{edited} stays as it was" if edited else f"not added: {text}"
            self._screen.deck.say(f"{what}  (u brings back what you typed)")
        self.empty_line()
        self._kind.look_again(at_once=True)
        self._rows.go_to(edited)
        self._rows.focus()

    def empty_line(self) -> None:
        """Let nothing stand on the line."""
        self.line = self.in_hand = ""
        self._line.put("")

    def enter(self, text: str) -> None:
        """Take the text as overrides; from an edited one it goes back to the list."""
        edited = self.in_hand
        if self.accept(text) and edited:
            self._rows.focus()

    def accept(self, text: str) -> bool:
        """Take what stands on the line; false if it cannot be meant so, which is said."""
        line, given = self._line, self._kind.words_on(text)
        presets = [option.name for option in self._kind.found().groups.get("preset", ())]
        wrong = [word for word in given if not is_whole(word, presets)]
        if wrong:
            # A slip must not take the place of the preset that was chosen.
            is_last = text.rstrip().endswith(wrong[0])
            if not (is_last and line.accept()):
                line.say(self._kind.not_understood(given, wrong[0]), True)
            return False
        # Each once more as it stands on a line: a value with blanks keeps its quotes.
        self.take_in(self.draft.put_line(" ".join(map(on_line, given)), self.in_hand))
        return True

    def edit(self, text: str, edited: str) -> None:
        """Put a text on the line, to come in the place of an override or to be another one."""
        self.line, self.in_hand = text, edited
        self._line.put(text)
        self._line.input.focus()

    def tell_line(self) -> None:
        """Say below the line what Enter does, or what is wrong there."""
        found, said, wrong = self._kind.found(), "", False
        if self.line.strip():
            said = "enter adds   tab completes   esc drops it"
            if self.in_hand:
                said = "enter changes the override   tab completes   esc leaves it as it was"
            if self._settled() and found.line:
                problems = map(found.problem_of_word, words_on(found.line))
                problem = next(filter(None, problems), "") or self._kind.brought_about()
                said, wrong = while_typing(problem) or said, bool(problem)
        self._line.say(said, wrong)

    # ── the list below it ────────────────────────────────────────────────────────────────────

    def remove(self, place: int) -> None:
        """Take an override out."""
        if self.draft.words[place] == self.in_hand:
            self.empty_line()
        self.change_draft(self.draft.drop(place))

    def edit_word(self, place: int) -> None:
        """Edit an override on the line."""
        word = self.draft.words[place]
        # What was typed and still stands there counts: it is taken before another takes its place.
        if not self.typed_text or self.accept(self.line):
            self.edit(on_line(word), word)


class WritingPart(Vertical):
    """The line and the overrides below it, as they belong together.

    Args:
        writing: What is done there goes to it.
        rows: Shows the overrides.
        ellipsis: Ends a text that was cut.
        placeholder: Says dimly what may be typed.
    """

    DEFAULT_CSS = "WritingPart { height: 1fr; }"

    def __init__(
        self,
        writing: Writing[Any],
        rows: OverrideRows,
        ellipsis: str,
        placeholder: str = "preset, group=option or key=value",
    ) -> None:
        super().__init__()
        self._writing, self._rows = writing, rows
        self._line = OverrideLine(writing.suggest, writing.enter, ellipsis, placeholder)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self._line
        yield self._rows

    @on(OverrideLine.Typed)
    def _typed(self, event: OverrideLine.Typed) -> None:
        event.stop()
        self._writing.typed(event.text)

    @on(OverrideLine.Left)
    def _left(self) -> None:
        self._writing.leave()

    @on(OverrideRows.Removed)
    def _removed(self, event: OverrideRows.Removed) -> None:
        self._writing.remove(self._rows.place(event.index))

    @on(OverrideRows.Chosen)
    def _chosen(self, event: OverrideRows.Chosen) -> None:
        # The suggestions above are a list as well.
        if event.control is self._rows:
            event.stop()
            self._writing.edit_word(self._rows.place(event.index))
