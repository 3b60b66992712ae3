"""The gradient norm before clipping: taken from clipping where that computes it, else computed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainer.engine.callbacks import flavour

if TYPE_CHECKING:
    import pytorch_lightning as pl

# Each rank of these holds a part of every gradient, so that a norm needs all ranks' cooperation.
_SHARDED = ("FSDP", "DeepSpeed", "ModelParallel")


class GradNorm:
    """Finds the total 2-norm of the gradients of each optimiser step, as a tensor.

    Where Lightning clips by norm, the norm that clipping computes anyway is kept: `clip_grad_by_norm`
    of the trainer's precision plugin is replaced, on that one object and until `detach`, by the same
    operation that remembers its result. Elsewhere the norm is computed in `before_step`.

    Args:
        enabled: False never computes and never reports a norm.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.mode = "off"
        self._last: Tensor | None = None
        self._plugin: Any = None
        self._params: list[torch.nn.Parameter] = []
        self._owner: Any = None

    def attach(self, trainer: pl.Trainer) -> None:
        """Choose how the norm is found: `mode` becomes `clipping`, `computed` or `off`."""
        self._last = None
        self._owner = None
        if not self.enabled:
            self.mode = "off"
        elif _clips_by_norm(trainer):
            self.mode = "clipping"
            self._plugin = trainer.precision_plugin
            self._plugin.clip_grad_by_norm = self._clip_and_keep
        elif any(name in type(trainer.strategy).__name__ for name in _SHARDED):
            self.mode = "off"
        else:
            self.mode = "computed"

    def detach(self) -> None:
        """Give the trainer its own clipping back."""
        if self._plugin is not None:
            vars(self._plugin).pop("clip_grad_by_norm", None)
            self._plugin = None

    def _clip_and_keep(self, optimizer: Any, clip_val: float) -> None:
        parameters = self._plugin.main_params(optimizer)
        self._last = torch.nn.utils.clip_grad_norm_(parameters, clip_val)

    def before_step(self, optimizer: Any) -> None:
        """Compute the norm now, in mode `computed`; gradients must be whole and unscaled."""
        if self.mode != "computed":
            return
        if optimizer is not self._owner:
            self._owner = optimizer
            self._params = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in self._params if p.grad is not None]
        self._last = total_norm(gradients) if gradients else None

    def take(self) -> Tensor | None:
        """Give the norm of the step that has just been made, once; None if there is none."""
        last, self._last = self._last, None
        return last


def total_norm(gradients: list[Tensor]) -> Tensor:
    """Give the 2-norm of all gradients together, a scalar tensor, without a device sync."""
    first = gradients[0]
    if first.layout == torch.strided and type(first) is Tensor:
        try:
            # What get_total_norm comes down to for one device, without sorting the list first.
            one_device: Tensor = torch.linalg.vector_norm(
                torch.stack(torch._foreach_norm(gradients))
            )
            return one_device
        except (
            RuntimeError,
            NotImplementedError,
        ):  # several devices, or sparse gradients among them
            pass
    dense = [g.coalesce().values() if g.layout == torch.sparse_coo else g for g in gradients]
    norm: Tensor = torch.nn.utils.get_total_norm(dense)
    return norm


def _clips_by_norm(trainer: pl.Trainer) -> bool:
    """Tell whether Lightning itself will clip every step by norm, through its own operation."""
    algorithm = trainer.gradient_clip_algorithm
    module = trainer.lightning_module
    plugin: Any = type(trainer.precision_plugin)
    name = flavour.chosen().__name__
    precision = import_module(f"{name}.plugins.precision").Precision
    is_overridden = import_module(f"{name}.utilities.model_helpers").is_overridden
    return bool(
        trainer.gradient_clip_val
        and (algorithm is None or str(getattr(algorithm, "value", algorithm)) == "norm")
        and module.automatic_optimization
        and not is_overridden("configure_gradient_clipping", module)
        and plugin.clip_grad_by_norm is precision.clip_grad_by_norm
        and plugin.clip_gradients is precision.clip_gradients
    )
