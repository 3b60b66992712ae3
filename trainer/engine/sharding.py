"""What each device holds where a strategy divides weights, gradients and state among devices.

Computed by the strategies' own papers and pages, and not measured: it takes several GPUs to do so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedParameter

from trainer.config.hardware_batch import devices_of

# How far each of DeepSpeed's names goes: ZeRO's stage. Lightning's own default is the second.
_STAGES = {
    "deepspeed": 2,
    "deepspeed_stage_1": 1,
    "deepspeed_stage_2": 2,
    "deepspeed_stage_2_offload": 2,
    "deepspeed_stage_3": 3,
    "deepspeed_stage_3_offload": 3,
    "deepspeed_stage_3_offload_nvme": 3,
}
_FSDP = ("fsdp", "fsdp_cpu_offload")
_FULL = 4  # bytes of a value in fp32


@dataclass(frozen=True, slots=True)
class Share:
    """Bytes that each device holds.

    Attributes:
        ranks: Among how many devices what is divided is divided.
        weights: Of weights and buffers, all the time.
        gradients: Of gradients.
        state: Of the optimiser's state, and of the copies of the weights in fp32 that it updates.
        gathered: Of weights and gradients that are whole for as long as they are used.
    """

    ranks: int
    weights: int
    gradients: int
    state: int
    gathered: int

    @property
    def kept(self) -> int:
        """What is held all the time."""
        return self.weights + self.gradients + self.state


def divides(config: Mapping[str, Any]) -> bool:
    """Say whether the strategy of a config divides what DDP keeps whole on each device."""
    strategy = config["trainer"].get("strategy")
    return strategy in _FSDP or strategy in _STAGES


def ranks_of(config: Mapping[str, Any]) -> int | None:
    """Give how many processes train together; None if that shows only when training starts."""
    section = config["trainer"]
    devices = devices_of(section.get("devices"), section.get("accelerator"))
    return None if devices is None else devices * (section.get("num_nodes") or 1)


def share_of(module: nn.Module, config: Mapping[str, Any], state: int) -> Share | None:
    """Divide what a training needs.

    Args:
        module: What is trained, built in fp32.
        config: Says by which strategy, on how many devices and in which precision.
        state: Bytes that the optimiser keeps of the whole model, in the type of the weights.

    Returns:
        Each device's share; None if the strategy divides nothing, or nobody knows the devices.
    """
    strategy, ranks = str(config["trainer"].get("strategy")), ranks_of(config)
    if not divides(config) or ranks is None:
        return None
    precision = str(config["trainer"].get("precision"))
    params = [p for p in module.parameters() if not isinstance(p, UninitializedParameter)]
    sizes = _Sizes(
        sum(p.numel() for p in params),
        sum(p.numel() for p in params if p.requires_grad),
        sum(b.numel() * b.element_size() for b in module.buffers()),
        max((_own(part) for part in module.modules()), default=0),
        2 if "16" in precision else _FULL,
    )
    true = precision.endswith("16-true")
    if strategy in _FSDP:
        return _fsdp(sizes, state, ranks, 2 if true else _FULL, strategy)
    return _deepspeed(sizes, state * 2 if true else state, ranks, strategy)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Values of the weights, of those that are trained and of the largest layer; bytes of buffers.

    `used` is the bytes of a value where it computes.
    """

    weights: int
    trained: int
    buffers: int
    layer: int
    used: int


def _fsdp(sizes: _Sizes, state: int, ranks: int, stored: int, strategy: str) -> Share:
    """Divide as FSDP's FULL_SHARD does, which Lightning takes: weights, gradients and state by the ranks.

    A unit of FSDP is gathered whole, in the type that computes, from its forward to its backward
    pass, and its gradient is whole until it is reduced. Lightning makes one unit of a model that
    wraps none of its parts itself. Source: Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully
    Sharded Data Parallel", section 3.2.1 (arXiv:2304.11277): the sum of all shards, and the largest
    unit on top. Buffers stay whole. Offloaded to the host are shards, gradients and state.

    Args:
        sizes: Of the model.
        state: Bytes of the whole.
        ranks: Devices.
        stored: Bytes of a value of a shard.
        strategy: Lightning's name.
    """
    gathered = (sizes.weights + sizes.trained) * sizes.used if ranks > 1 else 0
    if strategy == "fsdp_cpu_offload":
        return Share(ranks, sizes.buffers, 0, 0, gathered)
    return Share(
        ranks,
        _part(sizes.weights * stored, ranks) + sizes.buffers,
        _part(sizes.trained * stored, ranks),
        _part(state, ranks),
        gathered,
    )


def _deepspeed(sizes: _Sizes, state: int, ranks: int, strategy: str) -> Share:
    """Divide as DeepSpeed does by ZeRO's stages: 1 the state, 2 gradients too, 3 weights too.

    Weights and gradients are in half precision where anything is, and what the optimiser updates
    is a copy in fp32 that is divided with its state. Source: Rajbhandari et al., "ZeRO: Memory
    Optimizations Toward Training Trillion Parameter Models", section 5 (arXiv:1910.02054): with K
    bytes of state and copy for each value, 2 + 2 + K/N, 2 + (2 + K)/N and (2 + 2 + K)/N. Of stage 3
    the largest layer and its gradient are whole for a moment (`estimate_zero3_model_states_mem_needs`
    of DeepSpeed). With the optimiser, gradients are offloaded to the host. Buckets come on top.

    Args:
        sizes: Of the model.
        state: Bytes of the whole, kept in fp32.
        ranks: Devices.
        strategy: Lightning's name.
    """
    stage, offload = _STAGES[strategy], "offload" in strategy
    weights, gradients = sizes.weights * sizes.used, sizes.trained * sizes.used
    updated = _part(state + sizes.trained * _FULL, ranks)
    return Share(
        ranks,
        sizes.buffers + (weights if stage < 3 else 0 if offload else _part(weights, ranks)),
        0 if offload else gradients if stage < 2 else _part(gradients, ranks),
        0 if offload else updated,
        sizes.layer * 2 * sizes.used if stage == 3 else 0,
    )


def _own(part: nn.Module) -> int:
    """Count the values that a module holds itself, not by its parts."""
    own = part.parameters(recurse=False)
    return sum(p.numel() for p in own if not isinstance(p, UninitializedParameter))


def _part(size: int, ranks: int) -> int:
    return -(-size // ranks)
