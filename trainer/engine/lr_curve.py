"""The learning rate over a whole run, by the optimiser and scheduler classes that will train it.

They act on a model of three tiny tensors, one for each kind of parameter group, and are stepped as
Lightning steps them. Nothing here needs Lightning, data or the model.
"""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import torch.optim.lr_scheduler as schedulers
from torch import nn
from torch.optim import Optimizer

from trainer.display import plural
from trainer.engine.lr_length import Clock, Length
from trainer.engine.lr_turns import is_exact, jump, turns
from trainer.engine.optim import NO_DECAY, MuonWithAdamW, make_optimizer
from trainer.engine.schedule import make_scheduler
from trainer.errors import ConfigError, Problem

#: Scheduler steps that are really taken, in about half a second; of longer runs chosen steps are
#: computed by the same classes' formulas.
STEPPED = 200_000
#: Stretches that the curve is drawn in.
BINS = 600
#: Rows that the answer holds at most.
ROWS = 100_000

_ASSUMED = {"step": 1000, "epoch": 100}


class _Tiny(nn.Module):
    """A matrix, a table and a bias: what optimisers may put into groups of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.table = nn.Embedding(1, 1)


def curve(
    optimizer: Mapping[str, Any], scheduler: Mapping[str, Any], length: Length
) -> dict[str, Any]:
    """Compute the learning rate of every optimiser step of a run.

    Args:
        optimizer: The config's `optimizer` section.
        scheduler: The config's `scheduler` section.
        length: How long the run is.

    Returns:
        `groups`: names of the parameter groups. `unit`, `total`, `known`: see `Clock`.
        `stepped`: whether every step was taken; otherwise `rows` are chosen steps.
        `exact`: whether the bins hold the least and greatest of all their steps for sure.
        `rows`: lists of a unit and the lr of each group from there on, until the next row.
        `width`, `first`, `low`, `high`, `last`: units of a bin, and for each group the lr in each.
        `points`: lists of a name, a unit and the lr of each group. `notes`: what to know of it.

    Raises:
        ConfigError: Torch refuses the settings, or the scheduler ends before the run.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = make_optimizer(_Tiny(), {**optimizer, "no_decay_verbose": False})
        config = make_scheduler(made, scheduler, lambda interval: _length(length, interval))
        moves = None if config is None else config["scheduler"]
        watches = isinstance(moves, schedulers.ReduceLROnPlateau)
        clock = Clock(
            "step" if config is None else config["interval"],
            1 if config is None else config["frequency"],
            length,
            lambda unit: _assumed(moves, unit),
        )
        if moves is None or watches:
            moves = None
        lrs = _values(made, moves, clock)
        return {
            "groups": _names(made),
            "unit": clock.unit,
            "total": clock.total,
            "known": clock.known,
            "stepped": lrs.stepped,
            "exact": lrs.exact,
            **_rows(lrs, clock),
            **_bins(lrs, clock),
            "points": _points(lrs, clock, moves),
            "notes": _notes(clock, moves, config if watches else None, scheduler),
        }


def _length(length: Length, interval: str) -> float:
    """Give how many intervals the run has; as many as are shown where nothing says so."""
    if interval == "epoch":
        if length.epochs is None and length.steps is not None:
            return inf
        return _ASSUMED["epoch"] if length.epochs is None else length.epochs
    each = length.steps_of_epoch
    ends = [] if length.steps is None else [length.steps]
    if each is not None and length.epochs is not None:
        ends.append(length.epochs * each)
    return min(ends, default=_ASSUMED["step"])


@dataclass(frozen=True)
class _Values:
    """Learning rates by the scheduler's steps.

    Attributes:
        steps: The steps that are known, rising.
        groups: For each group the lr at those.
        stepped: Whether every step is known.
        exact: Whether no turn can be missing.
        places: For each known step, its place in the lists.
    """

    steps: Sequence[int]
    groups: list[array[float]]
    stepped: bool
    exact: bool
    places: Mapping[int, int] | None = None

    def place(self, step: int) -> int:
        return step if self.places is None else self.places[step]

    def at(self, step: int) -> list[float]:
        place = self.place(step)
        return [group[place] for group in self.groups]


def _values(made: Optimizer, moves: Any, clock: Clock) -> _Values:
    groups = [array("d") for _ in made.param_groups]

    def note() -> None:
        for lrs, group in zip(groups, made.param_groups, strict=True):
            lr = float(group["lr"])
            if not isfinite(lr):
                raise OverflowError
            lrs.append(lr)

    if moves is None:
        note()
        return _Values((0,), groups, stepped=True, exact=True, places={0: 0})
    last, after = clock.taken(max(0, clock.total - 1)), clock.taken(clock.total)
    step = 0
    try:
        if last <= STEPPED:
            note()
            for step in range(1, after + 1):
                moves.step()
                if step <= last:
                    note()
            return _Values(range(last + 1), groups, stepped=True, exact=True)
        chosen: set[int] = {0, last}
        for begin, end in _edges(clock):
            low, high = clock.taken(begin), clock.taken(end - 1)
            chosen |= {low, high, *turns(moves, low, high)}
        steps = sorted(chosen)
        for step in [*steps, after]:
            jump(moves, step)
            if step <= last:
                note()
        places = {step: place for place, step in enumerate(steps)}
        groups = [group[: len(steps)] for group in groups]
        return _Values(steps, groups, stepped=False, exact=is_exact(moves), places=places)
    except (ValueError, ArithmeticError) as error:
        name = type(moves).__name__
        raise ConfigError(
            Problem(
                f"{name} fails at its step {step} of {after} that the run would take: "
                f"{_why(error)}.",
                "",
                "Choose values that hold for as many steps as the run has.",
                "scheduler.config",
            )
        ) from error


def _why(error: Exception) -> str:
    # Python words an overflow as an errno and a text about it.
    return "the learning rate is too large" if isinstance(error, OverflowError) else str(error)


def _edges(clock: Clock) -> list[tuple[int, int]]:
    width = max(1, -(-clock.total // BINS))
    return [(at, min(at + width, clock.total)) for at in range(0, clock.total, width)]


def _rows(lrs: _Values, clock: Clock) -> dict[str, Any]:
    rows: list[list[float]] = []
    pitch = -(-len(lrs.steps) // ROWS)
    before: list[float] = []
    for step in lrs.steps[::pitch]:
        now = lrs.at(step)
        if now != before:
            rows.append([clock.begin(step) if len(lrs.steps) > 1 else 0, *now])
            before = now
    return {"rows": rows, "stepped": lrs.stepped and pitch == 1}


def _bins(lrs: _Values, clock: Clock) -> dict[str, Any]:
    edges = _edges(clock)
    marks: dict[str, list[list[float]]] = {
        name: [[] for _ in lrs.groups] for name in ("first", "low", "high", "last")
    }
    still = len(lrs.steps) == 1
    for begin, end in edges:
        low = 0 if still else lrs.place(clock.taken(begin))
        high = 0 if still else lrs.place(clock.taken(end - 1))
        for number, group in enumerate(lrs.groups):
            part = group[low : high + 1]
            for name, value in zip(marks, (part[0], min(part), max(part), part[-1]), strict=True):
                marks[name][number].append(value)
    width = edges[0][1] - edges[0][0] if edges else 1
    return {"width": width, **marks}


def _points(lrs: _Values, clock: Clock, moves: Any) -> list[list[Any]]:
    if not clock.total:
        return []
    end = clock.taken(clock.total - 1) if moves is not None else 0
    found: dict[int, str] = {0: "start"}
    warm = _warmup(moves)
    if warm and warm <= end:
        # The last step of the rise is the first with the whole lr.
        found[warm - 1] = "warmup ends"
    first = lrs.groups[0]
    # What differs in the last bits only is the same: stepping rounds at every step.
    near = 1e-9 * max(first)
    top = next(place for place, lr in enumerate(first) if lr >= max(first) - near)
    if first[top] > first[0] + near:
        found.setdefault(lrs.steps[top], "peak")
    least = min(first[top:])
    bottom = next(place for place in range(top, len(first)) if first[place] <= least + near)
    if least < first[-1] - near:
        found.setdefault(lrs.steps[bottom], "lowest")
    if clock.known and end and end in found:
        del found[end]  # told as the end
    points = [
        [name, clock.begin(step) if step else 0, *lrs.at(step)]
        for step, name in sorted(found.items())
        if step in range(end + 1)
    ]
    if clock.known and clock.total > 1:
        points.append(["end", clock.total - 1, *lrs.at(end)])
    return points


def _warmup(moves: Any) -> int:
    rise = moves._schedulers[0] if isinstance(moves, schedulers.SequentialLR) else moves
    factors = getattr(rise, "lr_lambdas", None)
    return int(factors[0].steps) if factors else 0


def _names(made: Optimizer) -> list[str]:
    parts = (
        {id(group): name for name, part in made.parts.items() for group in part.param_groups}
        if isinstance(made, MuonWithAdamW)
        else {}
    )
    kinds = {"muon": "Muon", "adamw": "AdamW"}
    if len(made.param_groups) == 1:
        return ["all"]
    found = [
        (kinds.get(parts.get(id(group), ""), ""), bool(group.get(NO_DECAY)))
        for group in made.param_groups
    ]
    names = []
    for part, spared in found:
        decay = "no weight decay" if spared else "weight decay"
        alone = sum(other == part for other, _ in found) == 1
        names.append(part if part and alone else f"{part}, {decay}" if part else decay)
    return names


def _assumed(moves: Any, unit: str) -> int:
    """Choose how much to show of a run whose length is unknown: all that the scheduler does."""
    parts = getattr(moves, "_schedulers", [moves])
    main = parts[-1]
    spans = {
        "T_max": 1.0, "T_0": 3.0, "step_size": 4.0, "total_iters": 1.5, "total_size": 2.0,
        "total_steps": 1.0, "inv_gamma": 4.0,
    }  # fmt: skip
    own = max((int(getattr(main, n) * k) for n, k in spans.items() if hasattr(main, n)), default=0)
    stones = getattr(main, "milestones", None)
    if stones:
        own = int(max(stones) * 1.25) + 1
    warm = _warmup(moves)
    return max(warm + own, 2 * warm) or _ASSUMED[unit]


def _notes(
    clock: Clock, moves: Any, watching: Mapping[str, Any] | None, section: Mapping[str, Any]
) -> list[str]:
    units = "steps" if clock.unit == "step" else "epochs"
    notes = []
    if watching is not None:
        keywords = dict(section.get("config") or {})
        patience, factor = keywords.get("patience", 10), keywords.get("factor", 0.1)
        every = watching["frequency"]
        notes.append(
            f"ReduceLROnPlateau follows {watching['monitor']}: this is the lr while that improves. "
            f"Whenever it has not for more than {patience} of its looks (every "
            f"{'' if every == 1 else f'{every} '}{watching['interval']}{'' if every == 1 else 's'}"
            f"), the lr is multiplied by {factor:g}."
        )
    if not clock.known:
        notes.append(
            f"The run's length is unknown: these are the first {clock.total} {units}, assumed."
        )
    length = clock.length
    if clock.unit == "epoch" and length.steps is not None:
        notes.append(f"Training ends at step {length.steps} if that comes first.")
    if clock.unit == "step" and length.steps_of_epoch is None and length.epochs is not None:
        notes.append(f"Training ends after {plural(length.epochs, 'epoch')} if that comes first.")
    if moves is None or not clock.total:
        return notes
    end = clock.taken(clock.total - 1)
    warm = _warmup(moves)
    counted = "steps" if clock.interval == "step" else "epochs"
    if clock.known and end == 0 and clock.total > 1:
        notes.append(
            f"The scheduler never moves: it counts {counted}"
            + (f", every {clock.frequency}" if clock.frequency > 1 else "")
            + ", and the run is over before the first."
        )
    elif clock.known and warm > end + 1:
        notes.append(f"The warmup takes {warm} {counted}; the run ends before, after {end + 1}.")
    parts = getattr(moves, "_schedulers", [moves])
    main = parts[-1]
    begin = warm if len(parts) > 1 else 0
    if isinstance(main, schedulers.CosineAnnealingLR) and end - begin > main.T_max:
        notes.append(
            f"CosineAnnealingLR rises again after {main.T_max} {counted} (T_max), again and "
            f"again: here it takes {end - begin}."
        )
    if clock.frequency > 1 and clock.interval == "step":
        notes.append(
            f"A frequency of {clock.frequency} counts batches, anew in each epoch; of those the "
            "scheduler moves only at batches that end an optimiser step."
        )
    return notes
