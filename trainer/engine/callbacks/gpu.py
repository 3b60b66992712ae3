"""How busy the GPU is, asked of NVML about once a second and never by the training thread."""

from __future__ import annotations

import threading
from typing import Any

import torch


class Utilization:
    """Asks NVML in a thread of its own: a call can take milliseconds, and the first one seconds.

    Where there is no NVML, or it does not tell (as for a slice of a GPU, MIG), there is no value.

    Args:
        device: A CUDA device, as torch counts them.
        interval: Seconds between two questions.
    """

    def __init__(self, device: torch.device, interval: float = 1.0) -> None:
        self._interval = interval
        self._value: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        names = names_of(torch.cuda.get_device_properties(device))
        self._thread = threading.Thread(
            target=self._run, args=names, name="gpu-utilization", daemon=True
        )
        self._thread.start()

    def take(self) -> float | None:
        """Give the share of the last interval in which the GPU computed, in %, once.

        None if there is no new value.
        """
        value, self._value = self._value, None
        return value

    def close(self) -> None:
        """Ask no more; does not wait for a question under way."""
        self._stop.set()

    def _run(self, uuids: list[str], bus_id: str) -> None:
        try:
            import pynvml  # type: ignore[import-untyped]  # NVIDIA ships no types

            pynvml.nvmlInit()
        except Exception:  # not installed, no driver, another system
            return
        try:
            handle = handle_of(pynvml, uuids, bus_id)
            while handle is not None and not self._stop.wait(self._interval):
                self._value = float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        except Exception:  # a device that does not tell, or that has gone
            return
        finally:
            pynvml.nvmlShutdown()


def names_of(properties: Any) -> tuple[list[str], str]:
    """Give what NVML may call a device: UUIDs, and its PCI bus id (empty if unknown).

    Its index will not do: torch counts only what CUDA_VISIBLE_DEVICES leaves, in its order.

    Args:
        properties: From `torch.cuda.get_device_properties`.
    """
    uuid = str(getattr(properties, "uuid", "") or "")
    uuids = [f"GPU-{uuid}", f"MIG-{uuid}"] if uuid else []
    bus = getattr(properties, "pci_bus_id", None)
    if bus is None:
        return uuids, ""
    domain = getattr(properties, "pci_domain_id", 0)
    device = getattr(properties, "pci_device_id", 0)
    return uuids, f"{domain:08X}:{bus:02X}:{device:02X}.0"


def handle_of(nvml: Any, uuids: list[str], bus_id: str) -> Any:
    """Find a device by one of its names; None if NVML knows none of them."""
    for uuid in uuids:
        try:
            return nvml.nvmlDeviceGetHandleByUUID(uuid)
        except nvml.NVMLError:
            continue
    if not bus_id:
        return None
    try:
        return nvml.nvmlDeviceGetHandleByPciBusId(bus_id)
    except nvml.NVMLError:
        return None
