"""Which runs are listed, in which order, and which of them are chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from trainer.display import count
from trainer.runs.summary import RunSummary
from tui.screens.runs.columns import BY_KEY
from tui.screens.runs.notice import LOOKING, counted
from tui.screens.runs.order import ACTIVITY, arrange
from tui.sources.runs import RunsPicture
from tui.text import clean

if TYPE_CHECKING:
    from tui.screens.runs.filter import Filter

#: A filter that asks for ages is applied again this often, in seconds.
_AGAIN_SECONDS = 5.0


class RunsView:
    """A picture of all runs, narrowed by a filter, put in order, and some of them chosen.

    Attributes:
        picture: All runs that there are.
        runs: Those listed, in their order.
        chosen: The paths of those chosen, listed or not.
        filter: What narrows the list; None where all runs are listed.
        order: A column or `ACTIVITY`, and whether its direction is turned round.
    """

    def __init__(self) -> None:
        self.picture = RunsPicture()
        self.runs: list[RunSummary] = []
        self.chosen: frozenset[str] = frozenset()
        self.filter: Filter | None = None
        self.order: tuple[str, bool] = (ACTIVITY, False)
        self._facts = ""
        self._listed_at = 0.0
        self._named: tuple[tuple[RunSummary, ...], frozenset[str]] = ((), frozenset())

    def take(self, picture: RunsPicture) -> bool:
        """Take a picture, and tell whether other runs, or other figures of them, are in it."""
        before, self.picture = self.picture, picture
        return picture.runs is not before.runs or before.loading

    def arrange(self, now: float, monotonic: float, separator: str) -> None:
        """List the runs anew.

        Args:
            now: Unix seconds, for the ages of runs.
            monotonic: Seconds by which `stale` is judged.
            separator: Stands between the facts of the title.
        """
        self._listed_at = monotonic
        picture, (key, reverse) = self.picture, self.order
        fits = self.filter.apply if self.filter is not None else _all
        if key == ACTIVITY:
            # What fits a word best comes first, unless an order was asked for.
            self.runs = fits(arrange(picture.runs, key, reverse, now), now)
        else:
            self.runs = arrange(fits(picture.runs, now), key, reverse, now)
        self._facts = counted(picture, separator)

    def stale(self, monotonic: float) -> bool:
        """Tell whether the filter may fit other runs by now though none has changed."""
        timely = self.filter is not None and bool(self.filter.tests)
        return timely and monotonic - self._listed_at > _AGAIN_SECONDS

    @property
    def still_chosen(self) -> frozenset[str]:
        """The chosen runs that still exist."""
        if not self.chosen:
            return self.chosen
        return self.chosen & {run.path for run in self.picture.runs}

    @property
    def all_or_none(self) -> frozenset[str]:
        """What is chosen once all of the list are, or none where all were."""
        listed = frozenset(run.path for run in self.runs)
        return self.chosen - listed if listed <= self.chosen else self.chosen | listed

    def chosen_runs(self) -> list[RunSummary]:
        """Give the chosen runs in the list's order; those filtered out come last."""
        listed = [run for run in self.runs if run.path in self.chosen]
        if len(listed) == len(self.chosen):
            return listed
        seen = {run.path for run in listed}
        hidden = (run for run in self.picture.runs if run.path in self.chosen - seen)
        return [*listed, *hidden]

    def metrics(self) -> frozenset[str]:
        """Give the names of all metrics; gathered once for each picture."""
        runs, names = self._named
        if runs is not self.picture.runs:
            runs = self.picture.runs
            names = frozenset(name for run in runs for name in run.progress.metrics)
            self._named = (runs, names)
        return names

    @property
    def upwards(self) -> bool:
        """Whether what the list is sorted by grows from line to line."""
        key, reverse = self.order
        column = BY_KEY.get(key)
        return reverse if column is not None and column.downwards else not reverse

    @property
    def filter_text(self) -> str:
        """The filter as it was typed; empty for none."""
        return self.filter.text if self.filter is not None else ""

    def title(self, separator: str, undoes: bool) -> tuple[str, str]:
        """Give the facts of the title, and the filter beside them.

        Args:
            separator: Stands between the facts.
            undoes: Whether something was deleted that can be brought back.
        """
        facts = self._facts or LOOKING
        if self.filter:
            facts = f"{count(len(self.runs))} of {facts}"
        if self.chosen:
            facts = f"{facts} {separator} {count(len(self.chosen))} selected"
        if undoes:
            facts = f"{facts} {separator} u undoes"
        return facts, f"/ {clean(self.filter_text.strip())}" if self.filter else ""


def _all(runs: Iterable[RunSummary], _now: float) -> list[RunSummary]:
    return list(runs)
