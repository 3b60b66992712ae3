"""The numbers behind the plots of a sweep; whoever draws them decides nothing but looks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal

from trainer.events.series import RunSeries
from trainer.events.text import clean
from trainer.runs.layout import RunFolder
from trainer.sweeps import leaderboard
from trainer.sweeps.names import shown

if TYPE_CHECKING:
    from trainer.events.envelope import Envelope
    from trainer.sweeps.effects import Effect
    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.leaderboard import Board
    from trainer.sweeps.results import Row

LOSSES = ("train/loss", "val/loss")
"""What is drawn of every run that tells it, beside what the sweep is compared by."""

Scale = Literal["linear", "log", "symlog"]
Points = tuple[tuple[float, float], ...]

# A rule of `symbolic` in the events, as the engine names the terms of a loss.
_RULE = re.compile(r"(train|val)/loss/symbolic/(.+)\Z")
_EPOCH = "_epoch"
# Bins of all curves of one metric together, and of each: a picture of many curves needs fewer.
_BINS, _MOST_BINS, _LEAST_BINS = 12_000, 512, 64
# From so many times on, a linear axis would hide the lesser values.
_WIDE = 50.0


@dataclass(frozen=True)
class Family:
    """Trials that share a colour: a combination with its seeds, or each trial where there is but one.

    Attributes:
        parts: What tells it from the others: names and values.
        rank: Its place in the leaderboard; None without a value.
        trials: Their numbers.
    """

    parts: tuple[tuple[str, str], ...]
    rank: int | None
    trials: tuple[int, ...]

    def label(self, longest: int = 1000) -> str:
        """Name it in so many letters: names are cut before values, which differ within a sweep."""
        room = longest - sum(len(value) + 3 for _, value in self.parts) + 2
        # Long names give what short ones leave over.
        left = room
        cut: dict[int, str] = {}
        for at, (name, _) in sorted(enumerate(self.parts), key=lambda each: len(each[1][0])):
            share = max(4, left // (len(self.parts) - len(cut)))
            cut[at] = name if len(name) <= share else f"{name[: share - 1].rstrip('._')}…"
            left -= len(cut[at])
        found = ", ".join(
            f"{cut[at]}={value}" if name else value for at, (name, value) in enumerate(self.parts)
        )
        return found or "baseline"


@dataclass(frozen=True)
class Trace:
    """A metric of one trial.

    Attributes:
        trial: Its number.
        family: Which of the families it belongs to, from 0.
        points: Steps and values in order. NaN where a value was not finite, so that a line breaks.
    """

    trial: int
    family: int
    points: Points

    @property
    def odd(self) -> list[float]:
        """The steps of values that were not finite."""
        return [step for step, value in self.points if not isfinite(value)]

    def at(self, step: float) -> float | None:
        """Give the value nearest to a step; None without a finite one."""
        finite = [point for point in self.points if isfinite(point[1])]
        return min(finite, key=lambda point: abs(point[0] - step))[1] if finite else None


@dataclass(frozen=True)
class Panel:
    """One metric over the steps of all trials that tell it.

    Attributes:
        metric: Its name.
        unit: Its unit; empty if none is known.
        traces: A line for each trial, the best families last, so that they lie on top.
        scale: How its axis is divided.
        threshold: Where a `symlog` axis turns linear.
    """

    metric: str
    unit: str
    traces: tuple[Trace, ...]
    scale: Scale
    threshold: float = 1.0

    @property
    def label(self) -> str:
        """Name and unit, for an axis."""
        return f"{self.metric} ({self.unit})" if self.unit else self.metric


@dataclass(frozen=True)
class Violation:
    """How much a family violates a rule, at the steps of its trials' best values.

    Attributes:
        rule: The rule's name.
        family: Which family, from 0.
        mean: Mean over its trials.
        spread: Standard deviation of a sample; None for fewer than two.
        n: How many trials told it.
    """

    rule: str
    family: int
    mean: float
    spread: float | None
    n: int


@dataclass(frozen=True)
class Numbers:
    """What the plots of a sweep show.

    Attributes:
        board: The leaderboard.
        families: What shares a colour, best first.
        panels: Metrics over steps, by name.
        units: Units of metrics that have one.
    """

    board: Board
    families: tuple[Family, ...]
    panels: Mapping[str, Panel]
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def overlaid(self) -> list[Panel]:
        """The losses and what the sweep is compared by, as far as trials tell them."""
        names = dict.fromkeys((*LOSSES, self.board.table.metric))
        return [self.panels[name] for name in names if name in self.panels]

    @property
    def rules(self) -> list[str]:
        """The symbolic rules that trials tell of, in order of appearance."""
        found = (_RULE.match(name) for name in self.panels)
        return list(dict.fromkeys(match[2] for match in found if match))

    @property
    def by_rank(self) -> list[Row]:
        """The trials that have begun, the best families first."""
        rows = {row.trial: row for row in self.board.table.rows}
        trials = [trial for family in self.families for trial in family.trials]
        return [rows[trial] for trial in trials if rows[trial].run is not None]

    def violations(self) -> list[Violation]:
        """Measure the violations of each rule, of validation where it tells them."""
        best = {row.trial: row.best_step for row in self.board.table.rows}
        found = []
        for rule in self.rules:
            panel = self.panels.get(violation("val", rule)) or self.panels[violation("train", rule)]
            values: dict[int, list[float]] = {}
            for trace in panel.traces:
                step = best.get(trace.trial)
                value = trace.at(trace.points[-1][0] if step is None else step)
                if value is not None:
                    values.setdefault(trace.family, []).append(value)
            found += [
                Violation(rule, at, fmean(many), stdev(many) if len(many) > 1 else None, len(many))
                for at, many in sorted(values.items())
            ]
        return found

    def effects(self) -> list[tuple[str, list[Effect]]]:
        """Give the marginal effects of each factor with more than one value."""
        found: dict[str, list[Effect]] = {}
        for each in self.board.effects.rows:
            found.setdefault(each.key, []).append(each)
        alone = self.board.mode == "one_at_a_time"
        return [(key, rows) for key, rows in found.items() if alone or len(rows) > 1]


def gather(sweep: Sweep) -> Numbers:
    """Read the numbers of all plots, as the sweep stands.

    Args:
        sweep: The sweep.
    """
    board = leaderboard.gather(sweep, curves=False)
    families = families_of(board)
    of = {trial: place for place, family in enumerate(families) for trial in family.trials}
    rows = [row for row in board.table.rows if row.run is not None]
    wanted = (*LOSSES, board.table.metric)
    bins = max(_LEAST_BINS, min(_MOST_BINS, _BINS // max(1, len(rows)))) // 2 * 2
    traces: dict[str, list[Trace]] = {}
    units: dict[str, str] = {}
    for row in rows:
        points, told = read(row.run, wanted, bins)
        units.update(told)
        for name, each in points.items():
            traces.setdefault(name, []).append(Trace(row.trial, of[row.trial], each))
    panels = {}
    for name, many in traces.items():
        scale, threshold = scale_of(value for trace in many for _, value in trace.points)
        ordered = sorted(many, key=lambda trace: -trace.family)
        panels[name] = Panel(clean(name), units.get(name, ""), tuple(ordered), scale, threshold)
    return Numbers(board, families, panels, units)


def violation(side: str, rule: str) -> str:
    """Name the metric of a rule's violation in `train` or `val`."""
    return f"{side}/loss/symbolic/{rule}"


def families_of(board: Board) -> tuple[Family, ...]:
    """Divide the trials by what tells them apart, best first."""
    ranked = leaderboard.ranked(board.table)
    if len(ranked) == 1:
        rank, group = ranked[0]
        return tuple(
            Family(
                (("", f"trial {row.trial}" if row.seed is None else f"seed {row.seed}"),),
                rank if row.counts else None,
                (row.trial,),
            )
            for row in group.rows
        )
    return tuple(
        Family(
            tuple((board.short[key], shown(value)) for key, value in group.factors.items()),
            rank,
            tuple(row.trial for row in group.rows),
        )
        for rank, group in ranked
    )


def best_trials(board: Board, most: int) -> list[tuple[int, Row]]:
    """Give the best trial of each of the best combinations, with its rank."""
    from trainer.sweeps.results import best_of

    found = []
    for rank, group in leaderboard.ranked(board.table):
        best = best_of([row for row in group.rows if row.counts], board.table.goal)
        if rank is not None and best is not None:
            found.append((rank, best))
    return found[:most]


def read(
    run: Path | None, wanted: Sequence[str], bins: int = _MOST_BINS
) -> tuple[dict[str, Points], dict[str, str]]:
    """Read what is drawn of a run: the metrics wanted, and the violations of symbolic rules.

    Args:
        run: Its folder; None if it has not begun.
        wanted: Names of metrics.
        bins: Stretches of steps, even; of more values than that, each keeps its least and greatest.

    Returns:
        The curves by name, and the units of those that have one; nothing if it cannot be read.
    """
    if run is None:
        return {}, {}
    series = RunSeries(RunFolder(run).events, bins=bins)
    try:
        while series.poll().more:
            pass
        names = [name for name in series.names if name in wanted or _is_rule(name, series.names)]
        found = {name: points_of(series.envelope(name)) for name in names}
        infos = series.view.metrics
        units = {name: clean(infos[name].unit or "") for name in found if name in infos}
    except OSError:
        return {}, {}
    finally:
        series.close()
    return (
        {name: points for name, points in found.items() if points},
        {name: unit for name, unit in units.items() if unit},
    )


def points_of(envelope: Envelope) -> Points:
    """Turn bins into points: single values as they are, else the least and the greatest of each."""
    found: list[tuple[float, float]] = []
    for i in range(len(envelope)):
        at = envelope.start + i * envelope.width + (envelope.width - 1) / 2
        odd = (envelope.nans, envelope.infs, envelope.minus_infs)
        if any(marks[i] for marks in odd if marks):
            found.append((at, nan))
        if envelope.count[i] == 1:
            found.append((at, envelope.last[i]))
        elif envelope.count[i]:
            pair = (envelope.low[i], envelope.high[i])
            rising = envelope.first[i] <= envelope.last[i]
            found += [(at, value) for value in (pair if rising else pair[::-1])]
    return tuple(found)


def scale_of(values: Iterable[float]) -> tuple[Scale, float]:
    """Choose how an axis is divided so that neither great nor small values are lost.

    Returns:
        `log` for positive values over a wide range; `symlog` for others of which a few are far
        greater than the rest, with the size from which it is logarithmic; else `linear`.
    """
    finite = sorted(value for value in values if isfinite(value))
    if not finite:
        return "linear", 1.0
    if finite[0] > 0:
        return ("log", 1.0) if finite[-1] / _WIDE >= finite[0] else ("linear", 1.0)
    sizes = sorted(abs(value) for value in finite)
    most = sizes[len(sizes) * 3 // 4]
    return ("symlog", most) if most > 0 and sizes[-1] / _WIDE >= most else ("linear", 1.0)


def _is_rule(name: str, names: Iterable[str]) -> bool:
    # Beside what steps tell there is the epoch's mean of it.
    match = _RULE.match(name)
    return bool(match) and not (name.endswith(_EPOCH) and name.removesuffix(_EPOCH) in names)
