"""The runs of a comparison on one x axis: what is in sight of them, and where the cursor stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, isnan
from pathlib import Path

from trainer.events.envelope import Envelope
from tui.clock import Clock
from tui.glyphs import UNICODE, Glyphs
from tui.screens.monitor.axis import Window, axis_of
from tui.screens.monitor.groups import Group, Series, group
from tui.screens.monitor.layout import Layout
from tui.screens.monitor.sight import Sight
from tui.screens.monitor.values import Reading, reading
from tui.screens.monitor.view import View
from tui.sources.follow import Follower, Picture, Source
from tui.text import clean
from tui.widgets.chart.model import XKind

LETTERS = "ABCDEFGH"


@dataclass
class Entry:
    """One run of the comparison.

    Attributes:
        letter: What stands for it on charts and in tables.
        color: Which of the chart's colours it has.
        path: Its folder.
        follower: Reads it.
        view: What is shown of it.
        sight: What was asked of the reader.
        hidden: Whether its curves are left out.
    """

    letter: str
    color: int
    path: Path
    follower: Follower
    view: View = field(default_factory=View)
    sight: Sight = field(default_factory=Sight)
    hidden: bool = False

    @property
    def picture(self) -> Picture:
        """The run at the moment that is shown."""
        return self.view.picture

    @property
    def name(self) -> str:
        """What the run is called; harmless text."""
        name = self.picture.identity.get("name")
        return clean(name) if isinstance(name, str) and name else clean(self.path.name)

    @property
    def id(self) -> str:
        """Its short id; empty if unknown."""
        found = self.picture.identity.get("id")
        return clean(found) if isinstance(found, str) else ""

    @property
    def state(self) -> str:
        """The word for its state."""
        status = self.picture.status
        return str(status.state) if status is not None else "reading"

    def placed(self, kind: XKind) -> bool:
        """Say whether it can be placed on an axis of a kind; a run may tell no epochs."""
        return self.view.axis.kind == kind


class Lens:
    """Looks at several runs at once.

    Args:
        runs: Folders of the runs, at most as many as there are letters.
        clock: Tells the time.
        told: Called from a reader's thread when it has something new.
        quickest: Seconds between two pictures of a run, at least.
        glyphs: The signs to draw with.
        layout: What the axis shows, and how strongly curves are smoothed.
    """

    def __init__(
        self,
        runs: Iterable[Path],
        clock: Clock,
        *,
        told: Callable[[], None] | None = None,
        quickest: float = 0.5,
        glyphs: Glyphs = UNICODE,
        layout: Layout | None = None,
    ) -> None:
        self.layout = layout or Layout()
        self.glyphs = glyphs
        self.window = Window()
        self.cursor: float | None = None
        self._names: tuple[tuple[str, ...], ...] = ()
        self._metrics: list[str] = []
        self._goals: dict[str, str] = {}
        self._bests: dict[tuple[str, str], tuple[Envelope, str, float | None]] = {}
        self.entries = [
            Entry(letter, color, path, Follower(Source.of_run(path), clock, told, quickest))
            for color, (letter, path) in enumerate(zip(LETTERS, runs, strict=False))
        ]
        for entry in self.entries:
            entry.view = View(layout=self.layout, glyphs=glyphs)

    # ── what there is ────────────────────────────────────────────────────────────────────────

    @property
    def shown(self) -> list[Entry]:
        """The runs whose curves are drawn."""
        return [each for each in self.entries if not each.hidden and each.placed(self.layout.x)]

    @property
    def bounds(self) -> tuple[float, float]:
        """Where the history of all runs together begins and ends."""
        whole = [each.view.axis.whole for each in self.shown if each.picture.envelopes]
        low = min((a for a, _ in whole), default=0.0)
        return low, max((b for _, b in whole), default=low)

    def metrics(self) -> list[str]:
        """Name all metrics, those that most runs have first, then by their importance."""
        told = tuple(each.picture.names for each in self.entries)
        if told != self._names:
            self._names, self._goals = told, {}
            goals = {k: v for each in self.entries for k, v in each.picture.goals.items()}
            names = dict.fromkeys(name for each in told for name in each)
            ordered = [s.metric for found in group(names, goals) for s in found.series]
            having = {name: sum(name in each for each in told) for name in ordered}
            self._metrics = sorted(ordered, key=lambda name: -having[name])
        return self._metrics

    def goal(self, metric: str) -> str:
        """Say whether a metric should be small ("min") or large ("max"); empty if not known."""
        for each in self.entries:
            if metric in each.picture.goals:
                return each.picture.goals[metric]
        if metric not in self._goals:
            # A name that says it is a loss needs no goal; of others nobody knows.
            is_loss = "loss" in metric.lower() and group([metric])[0].kind == "loss"
            self._goals[metric] = "min" if is_loss else ""
        return self._goals[metric]

    def best(self, entry: Entry, metric: str) -> float | None:
        """Give the best value of a run's whole history; None where good is not known."""
        goal, envelope = self.goal(metric), entry.picture.envelopes.get(metric)
        if envelope is None or goal not in ("min", "max"):
            return None
        known = self._bests.get((entry.letter, metric))
        # An envelope that did not change is the same object.
        if known is None or known[0] is not envelope or known[1] != goal:
            value = envelope.least if goal == "min" else envelope.greatest
            known = (envelope, goal, value if isfinite(value) else None)
            self._bests[entry.letter, metric] = known
        return known[2]

    # ── news ─────────────────────────────────────────────────────────────────────────────────

    def take(self) -> bool:
        """Take the readers' newest pictures; True if any is new."""
        fresh = [each for each in self.entries if each.follower.picture is not each.picture]
        for each in fresh:
            picture = each.follower.picture
            axis = axis_of(picture, self.layout.x)
            # A new view, so that edges of bins are worked out anew.
            each.view = View(picture, axis, layout=self.layout, glyphs=each.view.glyphs)
        if fresh:
            self.window = self.window.following(self.bounds)
            self._spread()
        return bool(fresh)

    def change(self, layout: Layout) -> None:
        """Show another kind of axis, or smooth more or less."""
        turned = layout.x != self.layout.x
        self.layout = layout
        if turned:
            self.window, self.cursor = Window(), None
        for each in self.entries:
            axis = axis_of(each.picture, layout.x) if turned else each.view.axis
            each.view = View(each.picture, axis, layout=layout, glyphs=each.view.glyphs)
        self._spread()

    def _spread(self) -> None:
        for each in self.entries:
            axis = each.view.axis
            cursor = None
            if self.cursor is not None and axis.whole[0] <= self.cursor <= axis.whole[1]:
                cursor = round(axis.step(self.cursor))
            if each.view.window != self.window or each.view.cursor != cursor:
                each.view = replace(each.view, window=self.window, cursor=cursor)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────

    def zoom(self, direction: int) -> None:
        """Show half as much (1), twice as much (-1) or the whole history (0)."""
        bounds = self.bounds
        if direction == 0:
            self.window = Window()
        else:
            low, high = self.window.range or bounds
            cursor = self.cursor
            around = cursor if cursor is not None and low <= cursor <= high else None
            least = 4.0 if self.layout.x == "step" else (bounds[1] - bounds[0]) * 1e-5
            if direction < 0 or high - low > least:
                factor = 0.5 if direction > 0 else 2.0
                self.window = self.window.zoomed(factor, bounds, around)
        self._spread()

    def pan(self, direction: int) -> None:
        """Move the window by a quarter."""
        self.window = self.window.panned(direction / 4, self.bounds)
        self._spread()

    def move_cursor(self, columns: float, width: int) -> None:
        """Move the cursor by columns of a chart so wide; the first time it comes up at an end."""
        low, high = self.window.range or self.bounds
        if self.cursor is None:
            place = low if columns > 0 else high
        else:
            by = columns * (high - low) / max(1, width)
            if self.layout.x == "step":
                by = max(1.0, by) if columns > 0 else min(-1.0, by)
            place = self.cursor + by
        self.set_cursor(place)

    def set_cursor(self, place: float | None) -> None:
        """Set the cursor, or take it away; the window follows it in quarters."""
        if place is not None:
            place = min(max(place, self.bounds[0]), self.bounds[1])
            if self.layout.x == "step":
                place = float(round(place))
            if not self.window.whole:
                for _ in range(1000):
                    if self.window.low <= place <= self.window.high:
                        break
                    before = self.window
                    side = -0.25 if place < self.window.low else 0.25
                    self.window = self.window.panned(side, self.bounds)
                    if self.window == before:
                        break
        self.cursor = place
        self._spread()

    # ── values ───────────────────────────────────────────────────────────────────────────────

    def ask(self, metrics: Sequence[str], columns: int) -> bool:
        """Ask the readers for what is in sight; True if an answer is to be waited for."""
        panels = [Group(name, name, "", (Series(name, name),)) for name in metrics]
        waits = False
        for each in self.shown:
            sight, view = each.sight, each.view
            sight.axis, sight.window, sight.cursor = view.axis, view.window, view.cursor
            waits |= sight.ask(each.follower, each.picture, panels, columns)
        return waits

    def at_cursor(self, entry: Entry, metric: str) -> Reading | None:
        """Read a run off at the cursor; None if it has no value there or has ended before."""
        return reading(entry.view, metric)


def last_value(picture: Picture, metric: str) -> float | None:
    """Give the newest value of a metric."""
    found = picture.latest.get(metric)
    return found[1] if found is not None else None


def winners(values: Sequence[float | None], goal: str) -> set[int]:
    """Give the places of the best values; none unless at least two can be compared."""
    known = [
        (value, at) for at, value in enumerate(values) if value is not None and not isnan(value)
    ]
    if len(known) < 2 or goal not in ("min", "max"):
        return set()
    best = min(known)[0] if goal == "min" else max(known)[0]
    return {at for value, at in known if value == best}
