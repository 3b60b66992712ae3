"""Schedulers of torch at any step, without the steps before: for curves of very long runs.

Every scheduler that a config can name has either a closed form or computes each learning rate from
its step alone. Between two neighbouring turns its curve only rises or only falls, so that a few
steps of a stretch, its ends and the turns in it, give the stretch's least and greatest value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from math import ceil, exp, expm1, floor, log
from typing import Any

import torch.optim.lr_scheduler as schedulers

from trainer.engine.schedule import InverseLR

# Of the cycles in one stretch, as many at either end are looked at; those between lie within them.
_CYCLES = 2
# Above this, e^x is no float any more, or nearly none.
_HUGE = 700.0


def jump(scheduler: Any, step: int) -> None:
    """Put a scheduler, and the lr of its optimiser's groups, at a step.

    Raises:
        ValueError: The scheduler has an end, and the step lies behind it.
    """
    if isinstance(scheduler, schedulers.SequentialLR):
        at = bisect_right(scheduler._milestones, step)
        begin = scheduler._milestones[at - 1] if at else 0
        jump(scheduler._schedulers[at], step - begin)
    else:
        scheduler.step(step)


def turns(scheduler: Any, low: int, high: int) -> Iterator[int]:
    """Give the steps between two others at which the curve may turn.

    Args:
        scheduler: A scheduler as `make_scheduler` makes it.
        low: The first step looked at.
        high: The last.
    """
    if isinstance(scheduler, schedulers.SequentialLR):
        edges = [0, *scheduler._milestones]
        for at, part in enumerate(scheduler._schedulers):
            begin = edges[at]
            end = edges[at + 1] - 1 if at + 1 < len(edges) else high
            first, last = max(low, begin), min(high, end)
            if first <= last:
                yield from (first, last)
                yield from (begin + s for s in turns(part, first - begin, last - begin))
        return
    for place in _places(scheduler, low, high):
        for step in {floor(place) - 1, floor(place), ceil(place)}:
            if low <= step <= high:
                yield step


def is_exact(scheduler: Any) -> bool:
    """Say whether `turns` finds every turn."""
    if isinstance(scheduler, schedulers.SequentialLR):
        return all(is_exact(part) for part in scheduler._schedulers)
    return not (isinstance(scheduler, schedulers.CyclicLR) and scheduler.mode == "exp_range")


def _places(scheduler: Any, low: int, high: int) -> Iterable[float]:
    if isinstance(scheduler, schedulers.CosineAnnealingLR):
        return _multiples(scheduler.T_max, 0.0, low, high)
    if isinstance(scheduler, schedulers.CosineAnnealingWarmRestarts):
        if scheduler.T_mult == 1:
            return _multiples(scheduler.T_0, 0.0, low, high)
        return _restarts(scheduler.T_0, scheduler.T_mult, high)
    if isinstance(scheduler, schedulers.CyclicLR):
        size, rise = scheduler.total_size, scheduler.total_size * scheduler.step_ratio
        return [*_multiples(size, 0.0, low, high), *_multiples(size, rise, low, high)]
    if isinstance(scheduler, schedulers.OneCycleLR):
        return [float(phase["end_step"]) for phase in scheduler._schedule_phases]
    if isinstance(scheduler, InverseLR):
        return _inverse(scheduler, low, high)
    # The others only rise or only fall; where they come to rest is worth knowing all the same.
    if isinstance(scheduler, schedulers.MultiStepLR):
        return [float(step) for step in scheduler.milestones if low <= step <= high]
    return [float(getattr(scheduler, "total_iters", 0))]


def _multiples(period: float, offset: float, low: int, high: int) -> list[float]:
    first, last = ceil((low - offset) / period), floor((high - offset) / period)
    numbers = {*range(first, min(first + _CYCLES, last + 1))}
    numbers |= {*range(max(first, last - _CYCLES + 1), last + 1)}
    return [offset + number * period for number in numbers]


def _restarts(first: int, factor: int, high: int) -> list[float]:
    found, place, length = [], first, first
    while place <= high:
        found.append(float(place))
        length *= factor
        place += length
    return found


def _inverse(scheduler: InverseLR, low: int, high: int) -> list[float]:
    """Find where InverseLR turns from rising to falling or back.

    With r = −ln(warmup) its logarithm falls where power · (e^(r·(t+1)) − 1) > r · (inv_gamma + t).
    The difference of the two sides is convex in t: it changes its sign once at most on either side
    of its lowest point, t = −ln(power)/r − 1. From where the decay meets `final_lr` on, it rises.
    """
    power, final = scheduler.power, scheduler.final_lr
    if power <= 0:
        return []
    found: list[float] = []
    for base in scheduler.base_lrs:
        reach = log(base / final) / power if 0 < final < base else _HUGE
        if reach < _HUGE:
            found.append(scheduler.inv_gamma * (exp(reach) - 1))
    if not scheduler.warmup:
        return found
    rate = -log(scheduler.warmup)

    def falls(step: int) -> bool:
        risen = rate * (step + 1)
        return risen > _HUGE or power * expm1(risen) > rate * (scheduler.inv_gamma + step)

    lowest = floor(min(max(low, -log(power) / rate - 1), high))
    for begin, end in ((low, lowest), (lowest, high)):
        if falls(begin) != falls(end):
            found.append(_change(falls, begin, end))
    return found


def _change(told: Callable[[int], bool], low: int, high: int) -> float:
    """Give a place between the two neighbouring steps at which an answer changes; it does once."""
    first = told(low)
    while high - low > 1:
        middle = (low + high) // 2
        if told(middle) == first:
            low = middle
        else:
            high = middle
    return low + 0.5
