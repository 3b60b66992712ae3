"""What a launch decides where the config leaves it open: the seed, and how many threads compute."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.config.compose import Composed


def settled(composed: Composed) -> Composed:
    """Settle `run.num_threads` and `seed`, so that the run can be repeated as it was.

    Args:
        composed: The resolved config with its provenance.
    """
    return _with_seed(_with_threads(composed))


def _with_threads(composed: Composed) -> Composed:
    """Settle `run.num_threads`, on which the last bits of every sum depend."""
    section = composed.config.get("run")
    if not isinstance(section, dict) or section.get("num_threads") is not None:
        return composed
    resolved = {**section, "num_threads": max(1, usable_cores() // _processes(composed.config))}
    return replace(composed, config={**composed.config, "run": resolved})


def _processes(config: Mapping[str, Any]) -> int:
    """Count the processes that share the cores: one for each device."""
    from trainer.config.hardware_batch import devices_of

    return devices_of((config.get("trainer") or {}).get("devices")) or 1


def _with_seed(composed: Composed) -> Composed:
    """Draw the seed of a run that was given none, so that it can be repeated all the same."""
    from trainer.config.provenance import Origin

    if "seed" not in composed.config or composed.config["seed"] is not None:
        return composed
    seed = secrets.randbelow(2**32)
    drawn = Origin("resolved", text="drawn at the launch, as none was given", kind="finalize")
    return replace(
        composed,
        config={**composed.config, "seed": seed},
        provenance={**composed.provenance, "seed": drawn},
        notes=(*composed.notes, f"the seed {seed} was drawn, as none was given"),
    )


def usable_cores() -> int:
    """Count the physical cores that this process may use, at least 1."""
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:
        return os.cpu_count() or 1
    siblings = set()
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text())
        except OSError:
            siblings.add(str(cpu))
    cores = len(siblings)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return max(1, cores)
