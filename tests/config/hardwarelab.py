"""Machines that tests bring themselves: files below a folder, and an NVML that answers from a list."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

GIB = 2**30
MEMINFO = "MemTotal:       33554432 kB\nMemFree: 1 kB\nMemAvailable:   16777216 kB\n"


def write(root: Path, files: dict[str, str]) -> Path:
    """Write files below a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def host(root: Path, cores: int = 8, **more: str) -> Path:
    """Make a machine with so many cores and 32 GiB, of which 16 are free."""
    cpus = "".join(f"processor\t: {at}\nmodel name\t: Lab  CPU\n\n" for at in range(cores))
    return write(root, {"proc/cpuinfo": cpus, "proc/meminfo": MEMINFO, **more})


class NVMLError(Exception):
    """What NVML raises."""


class Nvml:
    """Stands for `pynvml`.

    Args:
        *gpus: For each its name, GiB and compute capability; None is one that does not answer.
        broken: What `nvmlInit` says instead of working.
        slices: GiB of each slice that the GPUs are cut into; empty: they are whole, or yet to be cut.
        mig: Whether they are to be cut.
        cuda: The newest CUDA that the driver knows, as NVML numbers it.
        hangs: An event that `nvmlInit` waits for.
    """

    NVMLError = NVMLError

    def __init__(
        self,
        *gpus: Any,
        broken: str = "",
        slices: tuple[float, ...] = (),
        mig: bool = False,
        cuda: int = 13000,
        hangs: Any = None,
    ) -> None:
        self.gpus, self.broken, self.slices, self.mig = gpus, broken, slices, mig or bool(slices)
        self.closed, self.cuda, self.hangs = 0, cuda, hangs

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return self.cuda

    def nvmlInit(self) -> None:
        if self.hangs is not None:
            self.hangs.wait(60)
        if self.broken:
            raise NVMLError(self.broken)

    def nvmlShutdown(self) -> None:
        self.closed += 1

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"580.1"

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        if self.gpus[index] is None:
            raise NVMLError("GPU is lost")
        return (index, None)

    def nvmlDeviceGetName(self, handle: Any) -> str:
        return str(self.gpus[handle[0]][0])

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        index, part = handle
        total = self.gpus[index][1] if part is None else self.slices[part]
        return SimpleNamespace(total=int(total * GIB), free=int(total * GIB / 2))

    def nvmlDeviceGetCudaComputeCapability(self, handle: Any) -> tuple[int, int]:
        return tuple(self.gpus[handle[0]][2])  # type: ignore[return-value]

    def nvmlDeviceGetPciInfo(self, handle: Any) -> Any:
        raise NVMLError("Not Supported")

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        index, part = handle
        return f"GPU-{index}abc" if part is None else f"MIG-{index}{part}"

    def nvmlDeviceGetMigMode(self, handle: Any) -> tuple[int, int]:
        if not self.mig:
            raise NVMLError("Not Supported")
        return (1, 1)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, part: int) -> Any:
        if part >= len(self.slices):
            raise NVMLError("Not Found")
        return (handle[0], part)


A100 = ("NVIDIA A100-SXM4-40GB", 40.0, (8, 0))
RTX_4090 = ("NVIDIA GeForce RTX 4090", 23.99, (8, 9))
RTX_5060 = ("NVIDIA GeForce RTX 5060 Ti", 15.9, (12, 0))
T4 = ("Tesla T4", 15.0, (7, 5))
