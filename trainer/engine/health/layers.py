"""How unlike the gradients of the layers are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

#: One step in so many is looked at: the look costs about what a gradient norm does.
EVERY_STEPS = 25


class LayerRatio:
    """Gives the smallest over the largest gradient norm of the weights of two and more dimensions.

    Biases and scales are left out, and so are gradients that are exactly zero: a branch that is
    switched off is not one whose gradient vanishes on its way. Nothing is read from the device.
    """

    def __init__(self) -> None:
        self._owner: Any = None
        self._weights: list[torch.nn.Parameter] = []

    def of(self, optimizer: Any) -> Tensor | None:
        """Give the ratio, a scalar tensor; None where fewer than two layers have a gradient."""
        if optimizer is not self._owner:
            self._owner = optimizer
            self._weights = [
                p for group in optimizer.param_groups for p in group["params"] if p.ndim > 1
            ]
        gradients = [p.grad for p in self._weights if p.grad is not None]
        if len(gradients) < 2 or any(g.layout != torch.strided for g in gradients):
            return None
        try:
            norms = torch.stack(torch._foreach_norm(gradients)).float()
        except RuntimeError:  # several devices
            return None
        return torch.where(norms > 0.0, norms, torch.inf).amin() / norms.amax()
