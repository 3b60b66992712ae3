"""The groups of profiles, each with the option that is chosen and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style

from tui.glyphs import Glyphs
from tui.screens.launch.composer import Outcome
from tui.screens.launch.draft import target
from tui.text import clean, fit, left
from tui.widgets.linelist import LineList, Pieces


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
        rows = choices(outcome)
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
        groups = min(14, max(len(each.group) for each in self.rows))
        options = min(22, max(len(each.option) for each in self.rows) + 2)
        option = row.option or self._glyphs.dash
        rest = max(0, width - groups - options - 5)
        what_style = self.part("choices--wrong" if row.wrong else "linelist--dim")
        # An override is marked by a sign, and not by its colour alone.
        mark = "!" if row.wrong else (self._glyphs.mark if row.asked else " ")
        return [
            (mark + " ", what_style if row.wrong else self.part("choices--asked")),
            (left(row.group, groups, cut) + "  ", Style.null()),
            (
                left(option, options, cut),
                self.part("choices--asked" if row.asked else "choices--option"),
            ),
            (fit(row.what, rest, cut), what_style),
        ]


def choices(outcome: Outcome) -> tuple[Choice, ...]:
    """Give every group with what is chosen of it."""
    asked = {target(word) for word in outcome.words}
    rows = []
    for group, options in outcome.groups.items():
        option = outcome.choices.get(group, "")
        problem = outcome.problem_of_key(group)
        doc = next((found.doc for found in options if found.name == option), "")
        rows.append(
            Choice(
                clean(group), clean(option), problem or clean(doc), group in asked, bool(problem)
            )
        )
    return tuple(rows)
