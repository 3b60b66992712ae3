"""The machine as a whole, and what it means for a hardware profile: `hardware=auto`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from trainer.config import hardware_gpus, hardware_torch
from trainer.config.hardware_machine import GIB, Cpu, Gpu, Memory, cpu_of, memory_of, mps_of
from trainer.config.hardware_torch import Torch

# Within this many seconds the machine is taken to be the same: a form composes with every key.
_FRESH = 60.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found.

    Attributes:
        cpu: The processors.
        memory: The main memory.
        gpus: Every GPU that programs started here see.
        drivers: The version of each driver by its maker: `nvidia`, `amdgpu`.
        torch: The installed PyTorch; None if there is none.
        said: What could not be asked, or is not as one might think, a line each.
    """

    cpu: Cpu
    memory: Memory
    gpus: tuple[Gpu, ...] = ()
    drivers: tuple[tuple[str, str], ...] = ()
    torch: Torch | None = None
    said: tuple[str, ...] = ()

    def lacking(self, gpu: Gpu) -> str:
        """Say why PyTorch cannot compute on a GPU; empty if nothing speaks against it."""
        return self.torch.lacks(gpu) if self.torch is not None else ""

    @property
    def usable(self) -> tuple[Gpu, ...]:
        """The GPUs that the installed PyTorch can compute on, if any is installed."""
        return tuple(gpu for gpu in self.gpus if not self.lacking(gpu))

    def as_dict(self) -> dict[str, Any]:
        """Give all facts as plain values; memory is in bytes."""
        found = asdict(self)
        found["drivers"] = dict(self.drivers)
        for gpu, plain in zip(self.gpus, found["gpus"], strict=True):
            plain["lacking"] = self.lacking(gpu)
        return found


def detect(
    root: Path = Path("/"), environment: Mapping[str, str] | None = None, nvml: Any = None
) -> Machine:
    """Look at this machine. Takes milliseconds; with a GPU and a PyTorch never asked before, seconds.

    Args:
        root: Below which `proc` and `sys` are.
        environment: The process's variables; the real ones if None.
        nvml: The module `pynvml`; imported if None.
    """
    variables = os.environ if environment is None else environment
    memory = memory_of(root)
    gpus, driver, said = hardware_gpus.nvidia(root, variables, nvml)
    theirs, amdgpu, more = hardware_gpus.amd(root, variables)
    found = [*gpus, *theirs, *mps_of(memory)]
    versions = (("nvidia", driver), ("amdgpu", amdgpu))
    return Machine(
        cpu_of(root),
        memory,
        tuple(found),
        tuple((name, version) for name, version in versions if version),
        hardware_torch.installed(found),
        (*said, *more),
    )


_last: tuple[float, Machine] | None = None


def machine() -> Machine:
    """Give this machine as it was found within the last minute, or look again."""
    global _last
    now = monotonic()
    if _last is None or now - _last[0] > _FRESH:
        _last = (now, detect())
    return _last[1]


def facts_of(found: Machine) -> tuple[dict[str, Any], str]:
    """Say what a machine is in the keys of the `hardware` section, and in a sentence.

    The most memory of one kind of GPU counts; where PyTorch can compute on none, the CPU does.
    """
    usable = found.usable
    kinds = {gpu.kind for gpu in usable}
    kind = next((name for name in ("cuda", "rocm", "mps") if name in kinds), "")
    if not kind:
        return _cpu_facts(found)
    gpus = [gpu for gpu in usable if gpu.kind == kind]
    slices = [gpu for gpu in gpus if gpu.part]
    # With a slice among them a process sees one device, the first that it is given.
    gpus = gpus[:1] if slices else gpus
    # Processes side by side can do what the smallest of their GPUs can.
    sizes = [gpu.memory for gpu in gpus if gpu.memory is not None]
    memory = round(min(sizes) / GIB, 1) if len(sizes) == len(gpus) else None
    facts: dict[str, Any] = {
        "name": _named(gpus),
        "device": "mps" if kind == "mps" else "cuda",
        "devices": len(gpus),
        "available_memory_gb": memory,
        "supports_fp16": True,
        "supports_bf16": all(has_bf16(gpu) for gpu in gpus),
        "supports_gradient_checkpointing": kind != "mps",
        "status": "supported",
    }
    size = f" with {memory:g} GB{' each' if len(gpus) > 1 else ''}" if memory is not None else ""
    formats = "fp16 and bf16" if facts["supports_bf16"] else "fp16"
    return facts, f"{facts['name']}{size}, {formats}"


def _named(gpus: list[Gpu]) -> str:
    """Name GPUs: `A`, `2 x A`, `2 x A + B`."""
    counts = Counter(gpu.name for gpu in gpus)
    return " + ".join(name if n == 1 else f"{n} x {name}" for name, n in counts.items())


def _cpu_facts(found: Machine) -> tuple[dict[str, Any], str]:
    facts: dict[str, Any] = {
        "name": found.cpu.name or "CPU",
        "device": "cpu",
        "devices": 1,
        "available_memory_gb": gigabytes(found.memory.usable),
        "supports_fp16": False,
        "supports_bf16": True,
        "supports_gradient_checkpointing": True,
        "status": "supported",
    }
    size = facts["available_memory_gb"]
    text = f"{facts['name']}, {found.cpu.usable:g} of {found.cpu.cores} cores"
    text += f", {size:g} GB" if size is not None else ""
    idle = [f"{gpu.name} is not used: {found.lacking(gpu)}" for gpu in found.gpus]
    return facts, "; ".join([text, *idle])


def has_bf16(gpu: Gpu) -> bool:
    """Say whether a GPU computes in bf16 by itself: NVIDIA's from 8.0 on, AMD's gfx9 from 90a on."""
    if gpu.kind == "cuda":
        return gpu.capability is not None and gpu.capability >= (8, 0)
    if gpu.kind == "rocm":
        return gpu.arch.startswith(("gfx90a", "gfx94", "gfx95", "gfx11", "gfx12"))
    return False


def gigabytes(size: int | None) -> float | None:
    """Give bytes in GiB, to a tenth."""
    return None if size is None else round(size / GIB, 1)
