"""Another learning rate or weight decay than the checkpoint's, from the moment of resuming on."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from torch.optim import Optimizer

from trainer.engine.optim import NO_DECAY

# Kept in the parameter groups, and so in the checkpoints: which override has been made already.
_MADE = "resumed_with"


def override(trainer: Any, *, lr: float | None, weight_decay: float | None, run: str = "") -> None:
    """Go on with another learning rate or weight decay than the checkpoint's.

    The first parameter group takes the new learning rate as its base; the bases of others, such as
    AdamW's beside Muon, keep their proportion to it. Schedulers take the new bases and go on where
    they are. Groups that were spared the weight decay stay without.

    Each run makes its override once: a run that is interrupted and resumed goes on from its own
    checkpoint, in which it has been made, and a reduction by a plateau since then stays.

    Args:
        trainer: A Lightning trainer whose optimisers and schedulers have been restored.
        lr: The new base learning rate; None keeps the old.
        weight_decay: The new weight decay; None keeps the old.
        run: Name of the run that goes on.
    """
    for optimizer in trainer.optimizers:
        if weight_decay is not None:
            _decay(optimizer, weight_decay)
        groups = optimizer.param_groups
        mark = f"{run} lr={lr!r}"
        if lr is None or groups[0].get(_MADE) == mark:
            continue
        old = [group.get("initial_lr", group["lr"]) for group in groups]
        for group, base in zip(groups, _bases(old, lr), strict=True):
            group["lr"] = group["initial_lr"] = base
            group[_MADE] = mark
        for config in trainer.lr_scheduler_configs:
            if getattr(config.scheduler, "optimizer", optimizer) is optimizer:
                _rebase(config.scheduler, lr)
                _set_now(config.scheduler)


def _decay(optimizer: Optimizer, weight_decay: float) -> None:
    groups = optimizer.param_groups
    some = any(group.get("weight_decay") for group in groups)
    for group in groups:
        # Where some have a weight decay, those without were spared it, whoever made the groups.
        spared = group.get(NO_DECAY) or (some and not group.get("weight_decay"))
        if "weight_decay" in group and not spared:
            group["weight_decay"] = weight_decay


def _bases(old: list[Any], lr: float) -> list[float]:
    first = float(old[0])
    return [lr if float(base) == first or not first else float(base) * (lr / first) for base in old]


def _rebase(scheduler: Any, lr: float) -> None:
    """Give a scheduler, and those that it is made of, new bases.

    A cycle keeps its shape: peak and floor move with the base. The base of OneCycleLR is its peak,
    `max_lr`; that of CyclicLR its floor, `base_lr`. One that watches a metric has none: it
    multiplies whatever there is.
    """
    for part in getattr(scheduler, "_schedulers", []):
        _rebase(part, lr)
    if not hasattr(scheduler, "base_lrs"):
        return
    old = [float(base) for base in scheduler.base_lrs]
    new = _bases(old, lr)
    if hasattr(scheduler, "_schedule_phases"):
        groups = scheduler.optimizer.param_groups
        peaks = [float(group["max_lr"]) for group in groups]
        for group, start, was, peak in zip(groups, old, peaks, _bases(peaks, lr), strict=True):
            factor = peak / was if was else 1.0
            group["max_lr"], group["initial_lr"] = peak, start * factor
            group["min_lr"] = float(group["min_lr"]) * factor
        new = [group["initial_lr"] for group in groups]
    elif hasattr(scheduler, "max_lrs"):
        scheduler.max_lrs = [
            float(peak) * (base / was) if was else float(peak)
            for peak, was, base in zip(scheduler.max_lrs, old, new, strict=True)
        ]
    scheduler.base_lrs = new


def _set_now(scheduler: Any) -> None:
    """Compute the lr of the step that a scheduler stands at from its base, not from the last lr."""
    if hasattr(scheduler, "_milestones") and hasattr(scheduler, "_schedulers"):
        turn = scheduler._schedulers[bisect_right(scheduler._milestones, scheduler.last_epoch)]
        _set_now(turn)
        scheduler._last_lr = turn._last_lr
        return
    if not hasattr(scheduler, "base_lrs"):
        return
    if hasattr(scheduler, "_get_closed_form_lr"):
        now = scheduler._get_closed_form_lr()
    else:
        # The others compute it from their step anyway; they warn unless they think they step.
        scheduler._get_lr_called_within_step = True
        now = scheduler.get_lr()
        scheduler._get_lr_called_within_step = False
    for group, value in zip(scheduler.optimizer.param_groups, now, strict=True):
        group["lr"] = value
    scheduler._last_lr = list(now)
