"""What would be launched: problems, what the trials come from, how long they take, and each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from trainer.display import plural
from trainer.sweeps.told import made_of
from tui.glyphs import Glyphs
from tui.screens.launch.result import Line
from tui.screens.sweep.planner import Planned, texts
from tui.sources.sweepcost import said
from tui.text import cell_len, clean, fit, wrap
from tui.widgets.linelist import LineList, Pieces

_MOST_LINES = 6
#: No key is cut below so many cells.
_LEAST_KEY = 8


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
        text = cut_words(own, width - digits - 6, glyphs.ellipsis) or "the baseline"
        yield Line(((f"   {trial.number:>{digits}}  ", "dim"), (text, "plain")))


def cut_words(words: Sequence[str], width: int, ellipsis: str) -> str:
    """Write overrides in at most some cells: keys lose their beginnings, the longest one first.

    The last words of a key, and the value, say most.
    """
    found = list(words)
    while (over := cell_len(" ".join(found)) - width) > 0:
        keys = [len(word.partition("=")[0]) if "=" in word else 0 for word in found]
        at = max(range(len(found)), key=keys.__getitem__, default=0)
        if not keys or keys[at] <= _LEAST_KEY:
            break
        key, equals, value = found[at].partition("=")
        rest = key.partition(".")[2]
        if not rest:
            kept = max(_LEAST_KEY - len(ellipsis), len(key) - over - len(ellipsis))
            rest = ellipsis + key.removeprefix(ellipsis)[-kept:]
        found[at] = f"{rest}{equals}{value}"
    return fit(" ".join(found), width, ellipsis)
