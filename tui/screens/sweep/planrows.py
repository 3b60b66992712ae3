"""What would be launched: problems, what the trials come from, how long they take, and each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from trainer.display import plural
from trainer.sweeps.told import made_of
from tui.glyphs import Glyphs
from tui.screens.launch.result import Line
from tui.screens.sweep.planner import Planned, texts
from tui.sources.sweepcost import said
from tui.text import clean, fit, wrap
from tui.widgets.linelist import LineList, Pieces

_MOST_LINES = 6


class PlanRows(LineList):
    """The plan as a scrollable list of lines."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "plan--plain",
        "plan--heading",
        "plan--wrong",
        "plan--note",
        "plan--dim",
    }
    DEFAULT_CSS = """
    PlanRows > .plan--heading { color: $accent; text-style: bold; }
    PlanRows > .plan--wrong { color: $text-error; }
    PlanRows > .plan--note { color: $text-warning; }
    PlanRows > .plan--dim { color: $text-muted; }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._planned: Planned | None = None
        self._lines: list[Line] = []

    def show(self, planned: Planned) -> None:
        """Show a plan."""
        if planned is not self._planned:
            self._planned = planned
            self._lay_out()

    def on_resize(self) -> None:
        """Lay the lines out for the new width."""
        self._lay_out()

    @property
    def text(self) -> str:
        """All that is shown, as plain text."""
        return "\n".join("".join(text for text, _ in line.pieces) for line in self._lines)

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        if self._planned is None or width < 1:
            return
        lines = list(plan_lines(self._planned, width, self._glyphs))
        if lines != self._lines:
            self._lines = lines
            self.show_rows(len(lines))

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a line."""
        return [
            (fit(text, width, self._glyphs.ellipsis), self.part(f"plan--{name}"))
            for text, name in self._lines[index].pieces
        ]


def plan_lines(planned: Planned, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """Write a plan in lines of at most `width` cells.

    Args:
        planned: The plan.
        width: Cells of a line.
        glyphs: The signs to write with.
    """

    def wrapped(text: str, style: str) -> Iterator[Line]:
        for line in wrap(text, max(10, width - 3), _MOST_LINES, glyphs.ellipsis):
            yield Line((("   " + line, style),))

    if planned.blocked:
        yield Line(((f" ! {plural(len(planned.blocked), 'problem')}", "wrong"),))
        for text in texts(planned.blocked):
            yield from wrapped(text, "wrong")
    plan = planned.plan
    if plan is None:
        return
    many = len(plan.trials)
    yield Line(((f" {made_of(plan)}", "heading"), (f"  {plan.parallel} at a time", "dim")))
    yield from wrapped(said(planned.cost, many, plan.parallel), "plain")
    for note in planned.notes:
        yield from wrapped(clean(note), "note")
    if plan.base:
        yield Line(((" every trial", "heading"),))
        yield from wrapped(clean(" ".join(plan.base)), "dim")
    checked = "all configs are right" if planned.ready else f"{planned.checked} checked"
    checked = "" if planned.problems else checked
    yield Line(((" each of them", "heading"), (f"  {checked}", "dim")))
    base, digits = set(plan.base), len(str(many))
    for trial in plan.trials:
        own = [clean(word) for word in trial.overrides if word not in base]
        text = " ".join(own) or "the baseline"
        yield Line(
            (
                (f"   {trial.number:>{digits}}  ", "dim"),
                (_ends(text, width - digits - 6, glyphs), "plain"),
            )
        )


def _ends(text: str, width: int, glyphs: Glyphs) -> str:
    """Cut the keys of overrides at their beginnings: their last words and values say most."""
    words = text.split(" ")
    while len(text) > width and any(_shorter(word) != word for word in words):
        longest = max(
            range(len(words)),
            key=lambda at: len(words[at]) if _shorter(words[at]) != words[at] else 0,
        )
        words[longest] = _shorter(words[longest])
        text = " ".join(words)
    return fit(text, width, glyphs.ellipsis)


def _shorter(word: str) -> str:
    """Leave out the first part of an override's key."""
    key, equals, value = word.partition("=")
    _, dot, rest = key.partition(".")
    return f"{rest}{equals}{value}" if dot and "." in rest else word
