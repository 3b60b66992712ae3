"""The groups of profiles, each with the option that is chosen and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style

from tui.glyphs import UNICODE, Glyphs
from tui.screens.launch.composer import Outcome
from tui.screens.launch.draft import target
from tui.text import cell_len, clean, fit, left
from tui.widgets.factsrow import Facts
from tui.widgets.linelist import LineList, Pieces

#: Facts that are less needed than this do not stand in a group's line.
_CHOSEN_BY = 5


@dataclass(frozen=True)
class Choice:
    """One group.

    Attributes:
        group: Its name.
        option: The option that is chosen; empty if none is.
        what: What the option is, or what is wrong with it.
        asked: Whether an override chose it.
        wrong: Whether there is something wrong with it.
    """

    group: str
    option: str
    what: str
    asked: bool
    wrong: bool


class ChoiceRows(LineList):
    """A row for each group."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"choices--option", "choices--asked", "choices--wrong"}
    DEFAULT_CSS = """
    ChoiceRows > .choices--option { color: $text-accent; }
    ChoiceRows > .choices--asked { color: $text-accent; text-style: bold; }
    ChoiceRows > .choices--wrong { color: $text-error; }
    """

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self.rows: tuple[Choice, ...] = ()

    def show(self, outcome: Outcome) -> None:
        """Show what is chosen now."""
        rows = choices(outcome, self._glyphs)
        if rows != self.rows:
            self.rows = rows
            self.show_rows(len(rows))

    @property
    def row(self) -> Choice | None:
        """The group under the cursor."""
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a group: name, option, what it is."""
        row, cut = self.rows[index], self._glyphs.ellipsis
        groups = min(15, max(cell_len(each.group) for each in self.rows))
        options = min(22, max(cell_len(each.option) for each in self.rows))
        option = row.option or self._glyphs.dash
        rest = max(0, width - groups - options - 6)
        what_style = self.part("choices--wrong" if row.wrong else "linelist--dim")
        # An override is marked by a sign, and not by its colour alone.
        mark = "!" if row.wrong else (self._glyphs.mark if row.asked else " ")
        return [
            (mark + " ", what_style if row.wrong else self.part("choices--asked")),
            (left(row.group, groups, cut) + "  ", Style.null()),
            (
                left(option, options, cut) + "  ",
                self.part("choices--asked" if row.asked else "choices--option"),
            ),
            (fit(row.what, rest, cut), what_style),
        ]


def choices(outcome: Outcome, glyphs: Glyphs = UNICODE) -> tuple[Choice, ...]:
    """Give every group with what is chosen of it: the facts that one chooses by, else its sentence."""
    asked = {target(word) for word in outcome.words}
    rows = []
    for group in outcome.groups:
        option = outcome.choices.get(group, "")
        problem = outcome.problem_of_key(group)
        doc = outcome.about(group)
        known = [row for row in outcome.facts.get(group, ()) if row.option.name == option]
        facts = Facts.of(group, known).told(clean(option), _CHOSEN_BY) if known else ()
        what = problem or f" {glyphs.separator} ".join(
            dict.fromkeys(filter(None, (*facts, clean(doc))))
        )
        rows.append(Choice(clean(group), clean(option), what, group in asked, bool(problem)))
    return tuple(rows)
