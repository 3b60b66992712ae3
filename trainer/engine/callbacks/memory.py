"""Memory of the process and of its GPU, sampled at most once a second and without a device sync."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

METRICS: dict[str, dict[str, str]] = {
    "memory/rss_bytes": {"unit": "bytes"},
    "gpu/allocated_bytes": {"unit": "bytes"},
    "gpu/reserved_bytes": {"unit": "bytes"},
    "gpu/peak_bytes": {"unit": "bytes"},
}
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_STATM = Path("/proc/self/statm")


def declared(device: torch.device) -> dict[str, dict[str, str]]:
    """Give the metrics, with units, that a sampler on this device will give."""
    return {k: v for k, v in METRICS.items() if device.type == "cuda" or not k.startswith("gpu/")}


class MemorySampler:
    """Samples memory when it is due.

    Args:
        device: Where the model trains.
        interval: The least time between two samples, in seconds.
    """

    def __init__(self, device: torch.device, interval: float = 1.0) -> None:
        self._device = device
        self._interval = interval
        self._due = 0.0

    def sample(self, now: float) -> list[tuple[str, torch.Tensor | float]]:
        """Give (name, bytes) if a sample is due at `now` (seconds of any clock), else nothing."""
        if now < self._due:
            return []
        self._due = now + self._interval
        found: list[tuple[str, torch.Tensor | float]] = []
        rss = rss_bytes()
        if rss:
            found.append(("memory/rss_bytes", rss))
        if self._device.type == "cuda":
            # Counters of torch's own allocator: reading them asks the GPU nothing.
            found += [
                ("gpu/allocated_bytes", torch.cuda.memory_allocated(self._device)),
                ("gpu/reserved_bytes", torch.cuda.memory_reserved(self._device)),
                ("gpu/peak_bytes", torch.cuda.max_memory_allocated(self._device)),
            ]
        return found


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
