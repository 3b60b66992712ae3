"""Whether a model can fit into the memory that the hardware profile promises, before it is tried.

Weights, gradients and optimiser state are known exactly once the model is built; activations come on
top, so this refuses only what cannot work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from torch import nn
from torch.nn.parameter import UninitializedParameter

from trainer.config.hardware_rules import governs, hardware_name
from trainer.engine.module import TrainModule
from trainer.errors import ConfigError, Problem

GIB = 2**30
# Values that an optimiser keeps for each trained one (torch.optim); others are taken for none.
_KEPT = {
    "Adam": 2,
    "AdamW": 2,
    "NAdam": 2,
    "RAdam": 2,
    "Adamax": 2,
    "SparseAdam": 2,
    "Adadelta": 2,
    "Rprop": 2,
    "RMSprop": 1,
    "Adagrad": 1,
    "ASGD": 1,
}
# These split weights, gradients or state between devices, or keep them on the host.
_SPLIT = ("fsdp", "deepspeed", "model_parallel")


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
    size = _true_size(str(config["trainer"].get("precision")))
    weights = trained = 0
    for tensor in [*module.parameters(), *module.buffers()]:
        if isinstance(tensor, UninitializedParameter):
            continue
        width = size if size and tensor.is_floating_point() else tensor.element_size()
        weights += tensor.numel() * width
        if tensor.requires_grad:
            trained += tensor.numel() * width
    return Need(weights, trained, trained * _kept(module, config["optimizer"]))


def check_memory(module: pl.LightningModule, config: Mapping[str, Any]) -> None:
    """Refuse a model that needs more memory than each device of the hardware profile has.

    Raises:
        ConfigError: It does.
    """
    available = (config.get("hardware") or {}).get("available_memory_gb")
    strategy = str(config["trainer"].get("strategy"))
    if available is None or not governs(config) or strategy.startswith(_SPLIT):
        return
    need = need_of(module, config)
    if need.total <= available * GIB:
        return
    weights, gradients, state = (
        f"{part / GIB:.3g}" for part in (need.weights, need.gradients, need.state)
    )
    raise ConfigError(
        Problem(
            f"The model needs at least {need.total / GIB:.3g} GB for its weights ({weights}), "
            f"gradients ({gradients}) and optimiser state ({state}), activations not counted, and "
            f"{hardware_name(config)} has {available:g} GB (hardware.available_memory_gb).",
            "",
            "Take a smaller model, half precision for the weights (trainer.precision=bf16-true), an "
            "optimiser that keeps less (optimizer.type=SGD), or other hardware: `traindeck hardware` "
            "shows what fits.",
            "hardware.available_memory_gb",
        )
    )


def _true_size(precision: str) -> int:
    """Give the bytes of a weight where the precision converts them; 0 where they stay as they are."""
    if precision.endswith("16-true"):
        return 2
    return 8 if precision in ("64", "64-true") else 0


def _kept(module: nn.Module, optimizer: Mapping[str, Any]) -> int:
    """Give how many values the optimiser keeps for each trained one."""
    if isinstance(module, pl.LightningModule) and not isinstance(module, TrainModule):
        own = type(module).configure_optimizers is not pl.LightningModule.configure_optimizers
        if own:
            return 0
    keywords = optimizer.get("config") or {}
    name = str(optimizer.get("type"))
    if name == "SGD":
        return 1 if keywords.get("momentum") else 0
    kept = _KEPT.get(name, 0) + bool(keywords.get("amsgrad"))
    if name == "RMSprop":
        kept += bool(keywords.get("momentum")) + bool(keywords.get("centered"))
    return kept
