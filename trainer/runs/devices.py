"""Which devices of this machine a config uses, by name, without asking torch."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NAME = re.compile(r"cpu|mps|cuda:[A-Za-z0-9-]{1,60}")


def is_name(text: str) -> bool:
    """Tell whether a text names a device, as "cpu", "mps" or "cuda:0"."""
    return _NAME.fullmatch(text) is not None


def of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the devices that a canonical config trains on.

    Args:
        config: `trainer.accelerator`, `trainer.devices` and `hardware.device` decide.

    Returns:
        At least one name. GPUs are named as `CUDA_VISIBLE_DEVICES` has them, so that runs
        which see different parts of the machine do not wait for each other.
    """
    trainer = config.get("trainer") or {}
    hardware = config.get("hardware") or {}
    accelerator = str(trainer.get("accelerator") or "auto")
    if accelerator == "auto":
        accelerator = str(hardware.get("device") or "auto")
    visible = _visible_gpus()
    if accelerator == "auto":
        accelerator = "cuda" if visible else "cpu"
    if accelerator == "mps":
        return ("mps",)
    if accelerator not in ("cuda", "gpu"):
        return ("cpu",)
    return tuple(f"cuda:{name}" for name in _chosen(trainer.get("devices"), visible or ["0"]))


def _chosen(wanted: object, visible: list[str]) -> list[str]:
    """Read Lightning's `devices`: a number, a list of indices, or all of them."""
    text = str(wanted).strip() if isinstance(wanted, str) else ""
    if isinstance(wanted, list | tuple):
        indices = [int(index) for index in wanted if str(index).isdecimal()]
    elif "," in text:
        indices = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    elif isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0:
        indices = list(range(wanted))
    elif text.isdecimal() and int(text) > 0:
        indices = list(range(int(text)))
    else:
        return visible
    return [visible[index] if index < len(visible) else str(index) for index in indices] or visible


def _visible_gpus() -> list[str]:
    """Name the GPUs that processes started here would see."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        parts = [part.strip() for part in chosen.split(",")]
        return [
            part for part in parts if re.fullmatch(r"[A-Za-z0-9-]{1,60}", part) and part != "-1"
        ]
    folder = Path("/proc/driver/nvidia/gpus")
    try:
        return [str(index) for index, _ in enumerate(folder.iterdir())]
    except OSError:
        return []
