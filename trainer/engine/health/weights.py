"""Whether the weights are worth keeping."""

from __future__ import annotations

import torch
from torch import nn


def spoilt(module: nn.Module) -> str:
    """Give the name of a parameter that holds NaN or an infinite value; empty if none does.

    Reads every parameter on its device and waits for it: to be asked only where there is cause.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.numel() == 0 or not (
                parameter.is_floating_point() or parameter.is_complex()
            ):
                continue
            # Of a sharded one this rank's part: the other ranks are not asking.
            local = getattr(parameter, "to_local", None)
            values = parameter if local is None else local()
            values = torch.view_as_real(values) if values.is_complex() else values
            if not bool(torch.isfinite(values).all()):
                return name
    return ""
