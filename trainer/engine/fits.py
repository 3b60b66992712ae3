"""Whether a model can fit into the memory that the hardware profile promises, before it is tried.

Weights, gradients and optimiser state are known exactly once the model is built; activations come on
top, so this refuses only what cannot work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.optim import Optimizer

from trainer.config.hardware_rules import governs, hardware_name
from trainer.engine.module import TrainModule
from trainer.engine.optim import make_optimizer
from trainer.engine.sharding import divides, share_of
from trainer.errors import ConfigError, Problem, TraindeckError

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a training needs at least, without activations."""

    weights: int
    gradients: int
    state: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.state


def need_of(module: nn.Module, config: Mapping[str, Any]) -> Need:
    """Add up what a built model needs at least.

    Args:
        module: What is trained.
        config: Says in which precision and by which optimiser.
    """
    dtype = true_dtype(str(config["trainer"].get("precision")))
    weights = trained = 0
    for tensor in [*module.parameters(), *module.buffers()]:
        if isinstance(tensor, UninitializedParameter):
            continue
        size = tensor.numel() * _dtype_of(tensor, dtype).itemsize
        weights += size
        if tensor.requires_grad:
            trained += size
    return Need(weights, trained, _state(module, config, dtype) if trained else 0)


def state_of(optimizer: Optimizer, dtype: torch.dtype | None = None) -> int | None:
    """Give the bytes of an optimiser's state after its first step, which is taken on shapes alone.

    Single numbers, such as counters of steps, are left out: they may lie on the host.

    Args:
        optimizer: Not yet stepped; spoilt by this.
        dtype: What floating weights will be converted to; None leaves them.

    Returns:
        None if it cannot step here, as one that needs a closure.
    """
    groups = [list(group["params"]) for group in optimizer.param_groups]
    try:
        _step(optimizer, groups, lambda p: torch.empty_like(p, device="meta", dtype=dtype))
        return held_by(optimizer)
    except Exception:
        # Some look at numbers, which shapes do not have: small weights tell how much is kept of each.
        pass
    trained = sum(p.numel() * (dtype or p.dtype).itemsize for params in groups for p in params)
    try:
        optimizer.state.clear()
        _step(optimizer, groups, lambda p: torch.ones([2] * p.ndim, dtype=dtype or p.dtype))
        small = sum(2**p.ndim * (dtype or p.dtype).itemsize for params in groups for p in params)
        return int(trained * held_by(optimizer) / small)
    except Exception:
        return None


def held_by(optimizer: Optimizer) -> int:
    """Give the bytes of the tensors that an optimiser keeps, single numbers left out."""
    parts = getattr(optimizer, "parts", {"": optimizer})
    return sum(
        value.numel() * value.element_size()
        for part in parts.values()
        for state in part.state.values()
        for value in state.values()
        if isinstance(value, Tensor) and value.ndim
    )


def check_memory(module: pl.LightningModule, config: Mapping[str, Any]) -> None:
    """Refuse a model that needs more memory than each device of the hardware profile has.

    Raises:
        ConfigError: It does.
    """
    available = (config.get("hardware") or {}).get("available_memory_gb")
    if available is None or not governs(config):
        return
    need, divided = need_of(module, config), ""
    if divides(config):
        share = share_of(module, config, need.state)
        if share is None:
            return
        need = Need(share.weights, share.gradients, share.state)
        divided = f", of which {config['trainer']['strategy']} gives each of {share.ranks} devices its share"
    if need.total <= available * GIB:
        return
    weights, gradients, state = (
        f"{part / GIB:.3g}" for part in (need.weights, need.gradients, need.state)
    )
    raise ConfigError(
        Problem(
            f"The model needs at least {need.total / GIB:.3g} GB for its weights ({weights}), "
            f"gradients ({gradients}) and optimiser state ({state}){divided}, activations not counted, and "
            f"{hardware_name(config)} has {available:g} GB (hardware.available_memory_gb).",
            "",
            "Take a smaller model, half precision for the weights (trainer.precision=bf16-true), an "
            "optimiser that keeps less (optimizer.type=SGD), or other hardware: `traindeck hardware` "
            "shows what fits.",
            "hardware.available_memory_gb",
        )
    )


def true_dtype(precision: str) -> torch.dtype | None:
    """Give what a precision converts floating weights to; None where they stay as they are."""
    if precision.endswith("16-true"):
        return torch.bfloat16 if precision.startswith("bf") else torch.float16
    return torch.float64 if precision in ("64", "64-true") else None


def _dtype_of(tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    return dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype


def _state(module: nn.Module, config: Mapping[str, Any], dtype: torch.dtype | None) -> int:
    """Give the bytes of the optimiser's state; 0 where nobody knows."""
    if isinstance(module, pl.LightningModule) and not isinstance(module, TrainModule):
        own = type(module).configure_optimizers is not pl.LightningModule.configure_optimizers
        if own:
            return 0
    section = {**config["optimizer"], "no_decay_verbose": False}
    try:
        return state_of(make_optimizer(module, section), dtype) or 0
    except TraindeckError:
        return 0  # it is refused where the optimiser is made


def _step(
    optimizer: Optimizer,
    groups: Sequence[Sequence[Tensor]],
    like: Callable[[Tensor], Tensor],
) -> None:
    """Let others stand for the weights, and step."""
    for group, params in zip(optimizer.param_groups, groups, strict=True):
        group["params"] = [nn.Parameter(like(p.detach())) for p in params]
        for p in group["params"]:
            p.grad = torch.ones_like(p)
            if isinstance(optimizer, torch.optim.SparseAdam):
                p.grad = p.grad.to_sparse()
    optimizer.step()
