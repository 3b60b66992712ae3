"""What a step brings along besides its loss: named values, and the learning rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from trainer.engine.callbacks.recorder import STEP_METRICS, StepRecorder


def extras(recorder: StepRecorder, metrics: Any) -> None:
    """Keep what a training step returned as `metrics`: names with scalar tensors or numbers."""
    if not isinstance(metrics, Mapping):
        return
    for name, value in metrics.items():
        if isinstance(value, Tensor):
            if value.numel() == 1 and name not in STEP_METRICS:
                recorder.extra(name, value.detach() if value.requires_grad else value)
        elif isinstance(value, int | float) and name not in STEP_METRICS:
            recorder.extra(name, value)


def learning_rates(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Give `lr` of the first group, and `lr/<name or number>` of those whose rate is another.

    Rates that are tensors (capturable optimisers) are copied, not read.
    """
    first = groups[0]["lr"]
    rates = {"lr": first}
    for number, group in enumerate(groups[1:], start=1):
        rate = group["lr"]
        if rate is not first and (isinstance(rate, Tensor) or rate != first):
            rates[f"lr/{group.get('name', number)}"] = rate
    return {
        name: rate.detach().clone() if isinstance(rate, Tensor) else rate
        for name, rate in rates.items()
    }


def weight_decay(groups: list[dict[str, Any]]) -> float | None:
    """Give the greatest weight decay of an optimiser's groups: others are spared it.

    None if the optimiser knows none.
    """
    first = groups[0].get("weight_decay")
    if len(groups) == 1:
        return first if isinstance(first, int | float) else None
    given = [group.get("weight_decay") for group in groups]
    return max((decay for decay in given if isinstance(decay, int | float)), default=None)
