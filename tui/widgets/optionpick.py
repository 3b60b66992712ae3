"""Asks for one of a group's options, in a table of what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from trainer.config.listing import Listed
from tui.glyphs import UNICODE, Glyphs
from tui.text import cell_len, clean, fit, wrap
from tui.widgets.dialogs import Pick, PickRows
from tui.widgets.factsrow import Facts
from tui.widgets.linelist import LineList, Pieces

#: Lines in which the option under the cursor is told whole.
_TOLD = 4


def option_pick(
    group: str,
    choices: Sequence[tuple[str, str]],
    rows: Sequence[Listed],
    cursor: int = 0,
    glyphs: Glyphs = UNICODE,
) -> Pick:
    """Give the question for one of a group's options.

    Args:
        group: The group.
        choices: (name, what it is) of each, harmless texts.
        rows: What is known of the options; empty where they have a name and a sentence only.
        cursor: Where the cursor stands at first.
        glyphs: The signs to draw with.
    """
    facts = Facts.of(group, rows) if rows else None
    return pick(f"{group}: which one?", choices, facts, cursor, glyphs)


def pick(
    title: str,
    choices: Sequence[tuple[str, str]],
    facts: Facts | None,
    cursor: int = 0,
    glyphs: Glyphs = UNICODE,
) -> Pick:
    """Give the question for one of many, in a table if there are facts that tell them apart."""
    if facts is None:
        return Pick(title, choices, cursor)
    return OptionPick(title, choices, facts, cursor, glyphs)


class OptionPick(Pick):
    """Asks for an option; answers its place in `choices`.

    Args:
        title: The question.
        choices: (name, what it is) of each, harmless texts; more than options may stand there.
        facts: What is known of the options, by their names.
        cursor: Where the cursor stands at first.
        glyphs: The signs to draw with.
    """

    DEFAULT_CSS: ClassVar[str] = """
    OptionPick > Vertical { width: 140; }
    OptionPick .titles { height: 1; color: $text-muted; text-style: bold; margin-top: 1; text-wrap: nowrap; }
    OptionPick LineList { margin-top: 0; }
    OptionPick .told { height: auto; color: $text-muted; margin-top: 1; }
    OptionPick .keys { margin-top: 0; }
    OptionPick .title { margin-bottom: 0; }
    """
    AROUND = 10 + _TOLD

    def __init__(
        self,
        title: str,
        choices: Sequence[tuple[str, str]],
        facts: Facts,
        cursor: int = 0,
        glyphs: Glyphs = UNICODE,
    ) -> None:
        super().__init__(title, choices, cursor)
        self.facts, self._cut = facts, glyphs.ellipsis
        self._between = f" {glyphs.separator} "
        self._rows: _OptionRows = _OptionRows(choices, facts, glyphs.ellipsis)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Content(clean(self._title)), classes="title", markup=False)
            yield Input(placeholder="search", compact=True)
            yield Static("", classes="titles", markup=False)
            yield self._rows
            yield Static("", classes="told", markup=False)
            yield Static(Content("enter choose   esc cancel"), classes="keys", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Lay the columns out for the new width."""
        self.call_after_refresh(self._tell)

    @on(Input.Changed)
    @on(LineList.Highlighted)
    def _moved(self) -> None:
        self._tell()

    def _tell(self) -> None:
        if not self.is_mounted:
            return
        rows = self._rows
        width = rows.scrollable_content_region.width
        widths = rows.widths(width)
        titles = f" {self.facts.titles(widths, self._cut)}"
        self.query_one(".titles", Static).update(Content(fit(titles, width, self._cut)))
        name = self._choices[rows.matches[rows.cursor]][0] if rows.matches else ""
        told = self._between.join(self.facts.told(name))
        if rows.matches and not told:
            told = self._choices[rows.matches[rows.cursor]][1]
        elif told and widths and cell_len(name) > widths[0][1]:
            # Names that are cut may well begin alike.
            told = f"{name}{self._between}{told}"
        lines = wrap(told, max(10, width), _TOLD, self._cut)
        lines += [""] * (min(_TOLD, 2) - len(lines))
        self.query_one(".told", Static).update(Content("\n".join(lines)))


class _OptionRows(PickRows, can_focus=False):
    def __init__(self, choices: Sequence[tuple[str, str]], facts: Facts, cut: str) -> None:
        super().__init__(choices)
        self._facts, self._cut = facts, cut

    def said(self, name: str, what: str) -> str:
        """Search in everything that is known of an option."""
        return f"{super().said(name, what)} {self._facts.words(name)}"

    def widths(self, width: int) -> tuple[tuple[int, int], ...]:
        """Share a line out."""
        return self._facts.widths(width - 1)

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw an option with its facts."""
        name, _what = self._choices[self.matches[index]]
        widths = self.widths(width)
        line = self._facts.line(name, widths, self._cut)
        if not line:
            return super().pieces(index, width)
        first = widths[0][1] + 1
        return [
            (f" {line}"[:first], Style.null()),
            (f" {line}"[first:], self.part("linelist--dim")),
        ]
