"""The x axis: steps, epochs or time, and the part of it in sight."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isnan

from tui.sources.follow import Picture, Times
from tui.widgets.chart.model import XKind


@dataclass(frozen=True)
class Axis:
    """Leads from steps to places on the x axis and back.

    Attributes:
        kind: What the axis shows.
        steps: Steps at which places are known, rising; empty if the axis shows steps.
        places: Their places, never falling; a step between two of them lies between theirs.
        end: The step behind the last one there is.
        start: The first step there is.
        zero: Unix seconds where an axis of time begins; None for other axes.
    """

    kind: XKind
    start: int = 0
    end: int = 1
    steps: Sequence[float] = field(default=(), repr=False)
    places: Sequence[float] = field(default=(), repr=False)
    zero: float | None = None

    def place(self, step: float) -> float:
        """Give the place of a step."""
        return _lead(self.steps, self.places, step) if self.steps else step

    def step(self, place: float) -> float:
        """Give the step at a place."""
        return _lead(self.places, self.steps, place) if self.steps else place

    @property
    def whole(self) -> tuple[float, float]:
        """Where the history begins and ends."""
        low = self.place(self.start)
        # The last step itself, not the edge behind its bin, which may lie in the future.
        return low, max(self.place(max(self.start, self.end - 1)), low)

    def edges(self, start: int, width: int, bins: int) -> tuple[list[float], list[float]] | None:
        """Give where bins begin and end; None if the axis shows steps."""
        if not self.steps:
            return None
        edges = [self.place(start + number * width) for number in range(bins + 1)]
        return edges[:-1], edges[1:]


def axis_of(picture: Picture, kind: XKind) -> Axis:
    """Make the axis of a kind; one of steps where the stream tells no epochs or times."""
    envelopes = picture.envelopes.values()
    start = min((found.start for found in envelopes if len(found)), default=0)
    end = max((found.start + len(found) * found.width for found in envelopes), default=1)
    if picture.step is not None and envelopes:
        end = max(start + 1, min(end, picture.step + 1))
    times = picture.times
    if kind == "step" or times is None:
        return Axis("step", start, end)
    found = _of_epochs(times, picture) if kind == "epoch" else _of_time(times, end)
    if found is None:
        return Axis("step", start, end)
    return Axis(kind, start, end, *found, _zero(times) if kind == "time" else None)


def _zero(times: Times) -> float | None:
    return next((ts for ts in times.ts_first if not isnan(ts)), None)


def _of_time(times: Times, end: int) -> tuple[list[float], list[float]] | None:
    """Map steps to seconds since the first line."""
    steps: list[float] = []
    places: list[float] = []
    zero = _zero(times)
    if zero is None:
        return None
    for number, (first, last) in enumerate(zip(times.ts_first, times.ts_last, strict=True)):
        begin = times.start + number * times.width
        stop = min(begin + times.width, end) - 1
        for step, ts in ((begin, first), (stop, last)):
            if isnan(ts) or (steps and step <= steps[-1]):
                continue
            # A clock that was set back must not fold the axis.
            steps.append(step)
            places.append(max(ts - zero, places[-1] if places else 0.0))
    return (steps, places) if steps else None


def _of_epochs(times: Times, picture: Picture) -> tuple[list[float], list[float]] | None:
    """Map steps to epochs; whole numbers count from where an epoch begins to where the next does."""
    known = [
        (times.start + number * times.width, epoch)
        for number, epoch in enumerate(times.epoch_first)
        if not isnan(epoch)
    ]
    if not known:
        return None
    if any(epoch != int(epoch) for _, epoch in known):
        steps: list[float] = []
        places: list[float] = []
        for step, epoch in known:
            steps.append(float(step))
            places.append(max(epoch, places[-1] if places else epoch))
        return steps, places
    begins: list[tuple[float, float]] = []
    for step, epoch in known:
        if not begins or epoch > begins[-1][1]:
            begins.append((float(step), epoch))
    end_step = float(times.start + len(times.epoch_first) * times.width)
    lengths = [
        (after - before) / (later - sooner) for (before, sooner), (after, later) in pairwise(begins)
    ]
    if lengths:
        length = sum(lengths) / len(lengths)
    elif picture.total_steps and picture.total_epochs and picture.total_epochs > 0:
        length = picture.total_steps / picture.total_epochs
    else:
        length = float(picture.total_steps or end_step - begins[0][0])
    last_step, last_epoch = begins[-1]
    # The last epoch has not ended: as long as the others, or longer if it is longer already.
    begins.append((last_step + max(length, end_step - last_step, 1.0), last_epoch + 1))
    return [step for step, _ in begins], [epoch for _, epoch in begins]


def _lead(here: Sequence[float], there: Sequence[float], value: float) -> float:
    """Read off a line that is straight between known places."""
    at = bisect_right(here, value)
    if at == 0:
        return there[0]
    if at == len(here):
        return there[-1]
    before, after = here[at - 1], here[at]
    share = (value - before) / (after - before) if after > before else 0.0
    return there[at - 1] + share * (there[at] - there[at - 1])


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the x axis in sight, and where the cursor stands.

    Attributes:
        low: Its left end; meaningless while `whole`.
        high: Its right end.
        whole: Whether the whole history is in sight.
        follows: Whether it goes on to the right with the run.
    """

    low: float = 0.0
    high: float = 0.0
    whole: bool = True
    follows: bool = False

    @property
    def range(self) -> tuple[float, float] | None:
        """What charts are told; None for the whole history."""
        return None if self.whole else (self.low, self.high)

    def zoomed(self, factor: float, bounds: tuple[float, float], around: float | None) -> Window:
        """Show `factor` times as much of the axis.

        Args:
            factor: Below 1 zooms in.
            bounds: Where the history begins and ends.
            around: What stays where it is; the right end of a run's newest part, or the middle.
        """
        low, high = bounds if self.whole else (self.low, self.high)
        length = bounds[1] - bounds[0]
        wanted = (high - low) * factor
        if length <= 0 or wanted >= length:
            return Window()
        wanted = max(wanted, length * 1e-6)
        if around is None:
            around = high if self.whole or self.follows else (low + high) / 2
        share = (around - low) / (high - low) if high > low else 0.5
        share = min(1.0, max(0.0, share))
        return Window(around - share * wanted, around + (1 - share) * wanted, False).within(bounds)

    def panned(self, share: float, bounds: tuple[float, float]) -> Window:
        """Move by a share of its width."""
        if self.whole:
            return self
        by = (self.high - self.low) * share
        return Window(self.low + by, self.high + by, False).within(bounds)

    def within(self, bounds: tuple[float, float]) -> Window:
        """Keep the window inside the history, at the same width."""
        if self.whole:
            return self
        width = min(self.high - self.low, bounds[1] - bounds[0])
        low = min(max(self.low, bounds[0]), bounds[1] - width)
        return Window(low, low + width, False, low + width >= bounds[1] - 1e-9 * max(1.0, width))

    def following(self, bounds: tuple[float, float]) -> Window:
        """Go on with a run that has grown: in quarters, so that columns seldom move."""
        if self.whole or not self.follows or bounds[1] <= self.high:
            return self
        quarter = (self.high - self.low) / 4
        if quarter <= 0:
            return self
        steps = -(-(bounds[1] - self.high) // quarter)
        by = steps * quarter
        return Window(self.low + by, self.high + by, False, True)
