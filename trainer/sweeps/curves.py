"""Learning curves of trials, thin enough for a page that holds hundreds of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from trainer.events.lines import MAX_STEP
from trainer.events.series import RunSeries
from trainer.runs.layout import RunFolder

MOST = 200
"""Points of a curve."""
# More than this of one metric of validation are no longer held in memory; the last ones are kept.
_READ = 100_000

Points = tuple[tuple[int, float | None], ...]


@dataclass(frozen=True)
class Curve:
    """A metric of one trial over its steps.

    Attributes:
        points: Steps and values, in order; None where a value was not finite.
        told: How many values the run has told of.
        odd: How many of them were not finite.
    """

    points: Points = ()
    told: int = 0
    odd: int = 0

    @property
    def thinned(self) -> bool:
        """Whether points were left out."""
        return sum(value is not None for _, value in self.points) < self.told - self.odd


def read(run: Path | None, metric: str) -> Curve:
    """Read the curve of a run; an empty one if it has none or cannot be read.

    Args:
        run: Its folder; None if it has not begun.
        metric: The metric's name.
    """
    if run is None:
        return Curve()
    series = RunSeries(RunFolder(run).events)
    try:
        while series.poll().more:
            pass
        found = series.points(metric, -MAX_STEP, MAX_STEP + 1, _READ)
    except (KeyError, OSError):
        return Curve()
    finally:
        series.close()
    points = [(point.step, point.value) for point in found]
    odd = sum(not isfinite(value) for _, value in points)
    return Curve(thin(points), len(points), odd)


def thin(points: Sequence[tuple[int, float]], most: int = MOST) -> Points:
    """Leave out points, never an extreme of its stretch, nor the first or last finite one.

    Args:
        points: Steps and values in rising order of steps.
        most: Finite points to keep at most; at least 4.

    Returns:
        All points if they are few; else the least and the greatest of each of equal stretches. A
        value that is not finite becomes None, once a stretch, where the first of them was.
    """
    count = sum(isfinite(value) for _, value in points)
    if count <= most:
        kept = [(step, value if isfinite(value) else None) for step, value in points]
        return tuple(pair for i, pair in enumerate(kept) if not _again(kept, i))
    finite = [i for i, (_, value) in enumerate(points) if isfinite(value)]
    keep = {finite[0], finite[-1]}
    stretches = (most - 2) // 2
    for number in range(stretches):
        begin = number * len(points) // stretches
        end = (number + 1) * len(points) // stretches
        inside = [i for i in range(begin, end) if isfinite(points[i][1])]
        if inside:
            keep.add(min(inside, key=lambda i: points[i][1]))
            keep.add(max(inside, key=lambda i: points[i][1]))
        keep.update([i for i in range(begin, end) if not isfinite(points[i][1])][:1])
    return tuple(
        (points[i][0], points[i][1] if isfinite(points[i][1]) else None) for i in sorted(keep)
    )


def _again(points: Sequence[tuple[int, float | None]], i: int) -> bool:
    """Tell whether a gap goes on that the point before has begun."""
    return i > 0 and points[i][1] is None and points[i - 1][1] is None
