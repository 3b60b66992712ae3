"""Memory of the process and of its GPU, at most once a second and without a device sync."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from trainer.engine.callbacks.gpu import Utilization

METRICS: dict[str, dict[str, str]] = {
    "memory/rss_bytes": {"unit": "bytes"},
    "gpu/memory_allocated_gb": {"unit": "GiB"},
    "gpu/memory_reserved_gb": {"unit": "GiB"},
    "gpu/max_memory_allocated_gb": {"unit": "GiB"},
    "gpu/utilization": {"unit": "%"},
}
# Apple's GPUs keep no peak, and do not tell how busy they are.
_GIVEN = {"cuda": 5, "mps": 3}
_GIB = 2**30
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_STATM = Path("/proc/self/statm")


def declared(device: torch.device) -> dict[str, dict[str, str]]:
    """Give the metrics, with units, that a sampler on this device will give."""
    return dict(list(METRICS.items())[: _GIVEN.get(device.type, 1)])


class MemorySampler:
    """Samples memory, and how busy a GPU is, when it is due.

    Args:
        device: Where the model trains.
        interval: The least time between two samples, in seconds.
    """

    def __init__(self, device: torch.device, interval: float = 1.0) -> None:
        self._device = device
        self._interval = interval
        self._due = 0.0
        self._utilization = Utilization(device, interval) if device.type == "cuda" else None

    def sample(self, now: float) -> list[tuple[str, torch.Tensor | float]]:
        """Give (name, value) if a sample is due at `now` (seconds of any clock), else nothing."""
        if now < self._due:
            return []
        self._due = now + self._interval
        found: list[tuple[str, torch.Tensor | float]] = []
        rss = rss_bytes()
        if rss:
            found.append(("memory/rss_bytes", rss))
        found += [(f"gpu/{name}_gb", round(size / _GIB, 6)) for name, size in self._gpu().items()]
        busy = self._utilization.take() if self._utilization is not None else None
        if busy is not None:
            found.append(("gpu/utilization", busy))
        return found

    def close(self) -> None:
        """Sample no more."""
        if self._utilization is not None:
            self._utilization.close()

    def _gpu(self) -> dict[str, int]:
        """Give bytes by name: counters of torch's own allocator, which ask the GPU nothing."""
        if self._device.type == "cuda":
            stats = torch.cuda.memory_stats(self._device)
            return {
                "memory_allocated": stats.get("allocated_bytes.all.current", 0),
                "memory_reserved": stats.get("reserved_bytes.all.current", 0),
                "max_memory_allocated": stats.get("allocated_bytes.all.peak", 0),
            }
        if self._device.type == "mps":
            return {
                "memory_allocated": torch.mps.current_allocated_memory(),
                "memory_reserved": torch.mps.driver_allocated_memory(),
            }
        return {}


def rss_bytes() -> int:
    """Give this process's resident memory in bytes; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        pass
    try:
        import resource
    except ImportError:
        return 0
    # Without /proc only the peak is to be had; macOS counts it in bytes, others in KiB.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
