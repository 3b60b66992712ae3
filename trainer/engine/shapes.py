"""A model of shapes alone: built on torch's meta device, it takes no memory, however large it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.parameter import UninitializedParameter
from torch.utils._pytree import tree_map_only

from trainer.engine.build import module_of
from trainer.errors import TraindeckError


def module_of_shapes(config: Mapping[str, Any]) -> pl.LightningModule:
    """Make what is trained on the meta device; for real, if its constructor needs true numbers.

    Raises:
        ConfigError: It cannot be made either way.
    """
    try:
        with torch.device("meta"):
            return module_of(config)
    except TraindeckError as error:
        # A constructor that looks at a number fails here as a class that refuses its arguments.
        if not isinstance(error.__cause__, RuntimeError | NotImplementedError):
            raise
    except (RuntimeError, NotImplementedError):
        pass
    return module_of(config)


def make_fake(module: nn.Module, mode: FakeTensorMode) -> None:
    """Turn a module's tensors into fake ones: of shapes alone, but on the CPU as kernels see it.

    What a kernel saves depends on the device: on the meta device itself attention would be computed
    in a way that no device takes.

    Args:
        module: Changed in place.
        mode: What the fake tensors belong to.
    """
    made: dict[int, Tensor] = {}

    def fake(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            with mode:
                like = torch.empty_strided(
                    tensor.size(), tensor.stride(), dtype=tensor.dtype, device="cpu"
                )
            if isinstance(tensor, nn.Parameter):
                like = nn.Parameter(like, requires_grad=tensor.requires_grad)
            made[id(tensor)] = like
        return made[id(tensor)]

    for part in module.modules():
        places: tuple[dict[str, Any], ...] = (part._parameters, part._buffers, part.__dict__)
        for held in places:
            for name, value in list(held.items()):
                if isinstance(value, Tensor) and not isinstance(value, UninitializedParameter):
                    held[name] = fake(value)


@contextmanager
def as_if_real() -> Iterator[None]:
    """Let transformers take fake tensors for real ones, as long as this lasts.

    It would otherwise make masks that a training does without, and attention would take more memory.
    """
    tools: Any = sys.modules.get("transformers.utils.import_utils")
    asked = getattr(tools, "is_fake_tensor", None)
    if asked is None:
        yield
        return
    tools.is_fake_tensor = lambda _: False
    try:
        yield
    finally:
        tools.is_fake_tensor = asked


def fake_batch(batch: Any, mode: FakeTensorMode) -> Any:
    """Give a batch of the same shapes, of fake tensors."""

    def fake(tensor: Tensor) -> Tensor:
        with mode:
            return torch.empty(tensor.size(), dtype=tensor.dtype, device="cpu")

    return tree_map_only(Tensor, fake, batch)
