"""Grows a model's context when training goes on from a checkpoint: weights first, then optimisers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor, nn

from trainer.engine.protocols import ResizesContext, keywords_of, network
from trainer.errors import ConfigError, Problem, nearest

KEY = "trainer.resume_context"


def known_before(carried: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the context was resized to in the run that made a checkpoint; empty if it was not."""
    return dict(carried.get("context") or {})


def asked_for(written: Mapping[str, Any] | None, before: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is asked for now and was not done before: it is done once only."""
    wanted = {name: value for name, value in (written or {}).items() if value is not None}
    return {name: value for name, value in wanted.items() if before.get(name) != value}


def resize(module: nn.Module, keys: Mapping[str, Any]) -> None:
    """Resize the context of the model that is trained.

    Raises:
        ConfigError: The model has no `resize_context`, takes other keys, or refuses their values.
    """
    model = network(module)
    if not isinstance(model, ResizesContext):
        raise ConfigError(
            Problem(
                f"{type(model).__name__} has no method 'resize_context'.",
                "",
                f"Leave out {KEY}, or give the model one (see docs/own-model.md).",
                KEY,
            )
        )
    known = keywords_of(model.resize_context)
    if known is not None and (unknown := [name for name in keys if name not in known]):
        raise ConfigError(
            *(
                Problem(
                    f"{type(model).__name__}.resize_context takes no '{name}'.",
                    "",
                    nearest(name, known) or f"It takes {', '.join(known) or 'none'}.",
                    f"{KEY}.{name}",
                )
                for name in unknown
            )
        )
    try:
        model.resize_context(**keys)
    except ValueError as error:
        raise ConfigError(
            Problem(f"{type(model).__name__} refuses to be resized: {error}.", "", "", KEY)
        ) from error


def resize_data(source: Any, keys: Mapping[str, Any]) -> None:
    """Let data that can do so give samples of the new length."""
    if not isinstance(source, ResizesContext):
        return
    known = keywords_of(source.resize_context)
    source.resize_context(**{k: v for k, v in keys.items() if known is None or k in known})


class Growth(pl.Callback):
    """Makes of a checkpoint's state that of a model with a longer context, on its way in.

    Args:
        keys: What `resize_context` is called with, once the checkpoint's weights are loaded.
    """

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self._keys = dict(keys)
        self._shapes: dict[str, torch.Size] = {}

    def install(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put it between the checkpoint's file and the trainer.

        Raises:
            ConfigError: The strategy loads checkpoints in another way.
        """
        strategy = trainer.strategy
        if strategy.restore_checkpoint_after_setup:
            raise ConfigError(
                Problem(
                    f"The context cannot be resized under {type(strategy).__name__}.",
                    "",
                    "Resume once on one device or with `trainer.strategy=ddp`, then go on.",
                    KEY,
                )
            )
        strategy.checkpoint_io = _Growing(self, module)
        trainer.callbacks.append(self)  # type: ignore[attr-defined]  # Lightning sets it at run time

    def grow(self, module: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
        """Load a checkpoint's weights, resize, and give the checkpoint with the weights of now.

        Raises:
            ConfigError: The model refuses, or the checkpoint holds averaged weights as well.
        """
        if "current_model_state" in state:
            raise ConfigError(
                Problem(
                    "The context cannot be resized while weights are averaged: the average would "
                    "keep its old shape.",
                    "",
                    "Leave out the averaging callback, or resize from a checkpoint without it.",
                    KEY,
                )
            )
        module.load_state_dict(state["state_dict"])
        self._shapes = {name: p.shape for name, p in module.named_parameters()}
        resize(module, self._keys)
        return state | {"state_dict": module.state_dict()}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the optimisers' restored state follow the parameters that have grown."""
        grown: dict[Tensor, torch.Size] = {
            p: self._shapes[name]
            for name, p in pl_module.named_parameters()
            if name in self._shapes and self._shapes[name] != p.shape
        }
        for optimizer in trainer.optimizers:
            inner = getattr(optimizer, "optimizer", optimizer)
            for part in getattr(inner, "parts", {"": inner}).values():
                grow_state(part, grown)


class _Growing(TorchCheckpointIO):
    """Loads a checkpoint as if its model had always had the longer context."""

    def __init__(self, growth: Growth, module: nn.Module) -> None:
        self._growth = growth
        self._module = module

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load the file and grow what it holds."""
        return self._growth.grow(self._module, super().load_checkpoint(path, *args, **kwargs))


def grow_state(optimizer: torch.optim.Optimizer, grown: Mapping[Tensor, torch.Size]) -> None:
    """Pad an optimiser's state to its parameters' new shapes.

    Old entries keep their values; new ones are what a fresh state would hold. A state without
    shape, as the history of L-BFGS, begins anew.

    Args:
        optimizer: With the state of before.
        grown: Parameters of a new shape, with the shape that they had.
    """
    if not grown:
        return
    if isinstance(optimizer, torch.optim.LBFGS):
        optimizer.state.clear()
        return
    for group in optimizer.param_groups:
        # Everything else is summed or averaged from nothing.
        fresh = {
            "sum": group.get("initial_accumulator_value", 0.0),
            "step_size": group.get("lr", 0.0),
        }
        for parameter in group["params"]:
            old = grown.get(parameter)
            if old is None:
                continue
            state = optimizer.state[parameter]
            for name, value in state.items():
                if isinstance(value, Tensor):
                    state[name] = _padded(value, old, parameter.shape, float(fresh.get(name, 0.0)))


def _padded(value: Tensor, old: Iterable[int], new: Iterable[int], fill: float) -> Tensor:
    before, after = tuple(old), tuple(new)
    # A factored state (Adafactor's) is 1 in the dimensions that it does not look at.
    if value.ndim != len(before) or any(
        n not in (1, b) for n, b in zip(value.shape, before, strict=True)
    ):
        return value
    shape = [a if n == b else n for n, b, a in zip(value.shape, before, after, strict=True)]
    grown = value.new_full(shape, fill)
    grown[tuple(slice(n) for n in value.shape)] = value
    return grown
