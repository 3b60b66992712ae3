"""How a sweep is run, as rows: mode, seeds, trials at a time, what is compared, name, tags, limits."""

from __future__ import annotations

from dataclasses import dataclass

from rich.style import Style

from trainer.sweeps.told import MODES as MODE_WORDS
from tui.screens.sweep.design import Design, seeds_text
from tui.screens.sweep.planner import Planned
from tui.text import clean, fit, left
from tui.widgets.linelist import LineList, Pieces

#: What is set here, and the action that asks for it.
OPTIONS = ("mode", "seeds", "parallel", "metric", "goal", "name", "tags", "clamp")
_NAMES = 10


@dataclass(frozen=True)
class Option:
    """One row.

    Attributes:
        name: What is set.
        value: To what; what holds where nobody set it.
        what: What that means.
        given: Whether it was set here.
    """

    name: str
    value: str
    what: str
    given: bool


def options(design: Design, planned: Planned) -> list[Option]:
    """Give the rows for a design."""
    plan = planned.plan
    parallel = design.parallel or (plan.parallel if plan is not None else 1)
    goal = design.goal or (plan.goal if plan is not None else "min")
    metric = design.metric or (plan.metric if plan is not None else "")
    seeds = design.seeds or (plan.seeds if plan is not None else ())
    return [
        Option(
            "mode", MODE_WORDS[design.mode], "how what varies is combined", design.mode != "product"
        ),
        Option(
            "seeds",
            seeds_text(seeds) or "as the config has it",
            "repeats every trial with each" if len(seeds) != 1 else "for every trial",
            bool(design.seeds),
        ),
        Option("parallel", str(parallel), "trials at the same time", design.parallel is not None),
        Option("metric", clean(metric), "what trials are compared by", bool(design.metric)),
        Option(
            "goal",
            goal,
            "less is better" if goal == "min" else "more is better",
            design.goal is not None,
        ),
        Option(
            "name",
            clean(design.draft.name or (plan.title if plan is not None else "")),
            "the names of its runs begin so",
            bool(design.draft.name),
        ),
        Option(
            "tags",
            clean(" ".join(design.draft.tags)) or "none",
            "words to find its runs by",
            bool(design.draft.tags),
        ),
        Option(
            "clamp",
            "to the hardware's limits" if design.clamp else "not to the hardware's limits",
            "lowers trials beyond them" if design.clamp else "trials beyond them are refused",
            design.clamp,
        ),
    ]


class OptionRows(LineList):
    """The rows; Enter changes one."""

    DEFAULT_CSS = "OptionRows { height: 8; }"

    def __init__(self, ellipsis: str = "…") -> None:
        super().__init__()
        self._ellipsis = ellipsis
        self.options: list[Option] = []

    def show(self, design: Design, planned: Planned) -> None:
        """Show a design."""
        found = options(design, planned)
        if found != self.options:
            self.options = found
            self.show_rows(len(found))

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a row."""
        option = self.options[index]
        values = max(12, min(34, (width - _NAMES) * 55 // 100))
        dim = self.part("linelist--dim")
        return [
            (f" {left(option.name, _NAMES - 1)} ", dim),
            (left(option.value, values, self._ellipsis), Style.null() if option.given else dim),
            ("  " + fit(option.what, width - _NAMES - values - 4, self._ellipsis), dim),
        ]
