"""How many samples an optimiser step sees: per device, and over all devices and added-up batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch of a config.

    Attributes:
        size: Samples in a batch, per device.
        accumulate: Batches whose gradients are added up.
        devices: Devices that train side by side; None if that shows only when training starts.
        nodes: Machines that train together.
    """

    size: int
    accumulate: int = 1
    devices: int | None = 1
    nodes: int = 1

    @property
    def effective(self) -> int | None:
        """Samples of an optimiser step; None if the number of devices is not known yet."""
        if self.devices is None:
            return None
        return self.size * self.accumulate * self.devices * self.nodes

    def __str__(self) -> str:
        """Give it in words: `64 per device x 2 devices x 4 accumulated = 512 a step`."""
        parts = [f"{self.size} per device"]
        if self.devices is None:
            parts.append("all devices")
        elif self.devices > 1:
            parts.append(f"{self.devices} devices")
        if self.nodes > 1:
            parts.append(f"{self.nodes} nodes")
        if self.accumulate > 1:
            parts.append(f"{self.accumulate} accumulated")
        if len(parts) == 1:
            return f"{self.size} a step"
        end = f" = {self.effective} a step" if self.effective is not None else ""
        return " x ".join(parts) + end

    def facts(self) -> dict[str, int | None]:
        """Give it as plain data, as events and `--json` hold it."""
        return {
            "per_device": self.size,
            "devices": self.devices,
            "nodes": self.nodes,
            "accumulate": self.accumulate,
            "effective": self.effective,
        }

    @classmethod
    def told(cls, facts: object) -> Batch | None:
        """Read what `facts` gave, from an event that anybody may have written; None if it is not that."""
        if not isinstance(facts, Mapping):
            return None
        size = whole(facts.get("per_device"))
        if size is None:
            return None
        accumulate, nodes = (whole(facts.get(name)) or 1 for name in ("accumulate", "nodes"))
        return cls(size, accumulate, whole(facts.get("devices")), nodes)


def batch_of(config: Mapping[str, Any]) -> Batch | None:
    """Read the batch of a config; None where it is not written, or found by `tune_batch_size`."""
    trainer, loader = config.get("trainer"), config.get("dataloader")
    if not isinstance(trainer, Mapping) or not isinstance(loader, Mapping):
        return None
    size = whole(loader.get("batch_size"))
    if size is None or trainer.get("tune_batch_size") is True:
        return None
    return Batch(
        size,
        whole(trainer.get("accumulate_grad_batches")) or 1,
        devices_of(trainer.get("devices"), trainer.get("accelerator")),
        whole(trainer.get("num_nodes")) or 1,
    )


def devices_of(wanted: Any, accelerator: Any = None) -> int | None:
    """Count what Lightning's `devices` asks for; None for all of them, or what is no such thing.

    Of an accelerator of which a machine has one (`cpu` as Lightning counts it, `mps`), all are one.
    """
    if isinstance(wanted, list | tuple):
        return len(wanted) or None
    if isinstance(wanted, str):
        if "," in wanted:
            named = [part.strip() for part in wanted.split(",") if part.strip()]
            return len(named) or None if all(part.isdecimal() for part in named) else None
        wanted = int(wanted) if wanted.strip().isdecimal() else None
    return 1 if whole(wanted) is None and accelerator in ("cpu", "mps") else whole(wanted)


def whole(value: Any) -> int | None:
    """Give a whole number of 1 or more; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return None
    return value
