"""What this machine has, read without torch: cores, memory, GPUs, and the PyTorch that is installed.

Everything is read below a root folder, so that tests bring machines of their own. What cannot be
asked is said in a line; nothing here raises for what a machine lacks.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
# What a control group without a limit reports is near the largest integer, rounded to a page.
_NO_LIMIT = 2**60


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processors.

    Attributes:
        name: As the machine names them; empty if unknown.
        cores: Logical cores of the machine.
        usable: Cores that this process may use, by its affinity and its control group's quota.
        limited_by: What allows fewer than there are, in words; empty if nothing does.
    """

    name: str
    cores: int
    usable: float
    limited_by: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """The main memory, in bytes.

    Attributes:
        total: Of the machine; None if unknown.
        usable: What this process may come to hold: the machine's, or its control group's limit.
        available: What of it is free now; None if unknown.
        limited_by: What allows less than there is, in words; empty if nothing does.
    """

    total: int | None
    usable: int | None
    available: int | None
    limited_by: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One accelerator.

    Attributes:
        index: As the tools of its maker count it.
        name: As its maker names it.
        kind: `"cuda"`, `"rocm"` or `"mps"`.
        memory: Bytes that it has; None if unknown. For MPS the share of main memory that Metal
            recommends to use.
        free: Bytes of it that are free now; None if unknown.
        capability: CUDA's compute capability, such as `(8, 9)`; None if it has none.
        arch: AMD's name of its architecture, such as `gfx90a`; empty if it has none.
        uuid: Its maker's identifier; empty if unknown.
        bus: Its address on the PCI bus; empty if unknown.
        part: Whether it is a slice of a GPU (MIG), of which a process can use one.
        driver_cuda: The newest CUDA that its driver knows; None if unknown.
    """

    index: int
    name: str
    kind: str
    memory: int | None = None
    free: int | None = None
    capability: tuple[int, int] | None = None
    arch: str = ""
    uuid: str = ""
    bus: str = ""
    part: bool = False
    driver_cuda: tuple[int, int] | None = None

    @property
    def sm(self) -> str:
        """The architecture as PyTorch names it: `sm_89`, `gfx90a`; empty if unknown."""
        if self.capability is not None:
            return "sm_{}{}".format(*self.capability)
        return self.arch


def cpu_of(root: Path = Path("/"), affinity: int | None = None) -> Cpu:
    """Read the processors.

    Args:
        root: Below which `proc` and `sys` are.
        affinity: Cores that this process may run on; asked of the system if None.
    """
    name, cores = "", 0
    for line in _text(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "processor":
            cores += 1
        elif key.strip() in ("model name", "Hardware") and not name:
            name = " ".join(value.split())
    if not cores:
        cores = os.cpu_count() or 1
    if not name:
        name = sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()
    usable, why = float(cores), ""
    if affinity is None:
        affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    if affinity < usable:
        usable, why = float(affinity), "its affinity"
    quota = _cpu_quota(root)
    if quota is not None and quota < usable:
        usable, why = quota, "its control group"
    return Cpu(name, cores, usable, why)


def memory_of(root: Path = Path("/")) -> Memory:
    """Read the main memory.

    Args:
        root: Below which `proc` and `sys` are.
    """
    facts = {}
    for line in _text(root / "proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdecimal():
            facts[key] = int(words[0]) * 1024
    total, available = facts.get("MemTotal"), facts.get("MemAvailable")
    if total is None and (said := sysctl("hw.memsize")).isdecimal():
        total = int(said)
    limit, used = _memory_limit(root)
    if limit is None or (total is not None and limit >= total):
        return Memory(total, total, available)
    left = max(limit - used, 0) if used is not None else limit
    left = left if available is None else min(left, available)
    return Memory(total, limit, left, "its control group")


def mps_of(memory: Memory, system: str | None = None, machine: str | None = None) -> list[Gpu]:
    """Find Apple's GPU, which every Mac with an Apple chip has.

    Metal recommends a working set of two thirds of the memory, three quarters above 36 GB.

    Args:
        memory: The main memory, which it shares.
        system: As `sys.platform`.
        machine: As `platform.machine()`.
    """
    system, machine = system or sys.platform, machine or platform.machine()
    if system != "darwin" or machine != "arm64":
        return []
    name = sysctl("machdep.cpu.brand_string") or "Apple GPU"
    share = None
    if memory.total is not None:
        share = memory.total * 3 // 4 if memory.total > 36 * GIB else memory.total * 2 // 3
    return [Gpu(0, name, "mps", share)]


def sysctl(name: str) -> str:
    """Ask macOS for one of its facts; empty on every other system."""
    if platform.system() != "Darwin":
        return ""
    try:
        done = subprocess.run(
            ["sysctl", "-n", name],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _cpu_quota(root: Path) -> float | None:
    """Give the cores that the control groups above this process leave it; None: no limit."""
    found = []
    for folder in _groups(root, ""):
        parts = _text(folder / "cpu.max").split()
        if len(parts) == 2 and all(part.isdecimal() for part in parts) and int(parts[1]) > 0:
            found.append(int(parts[0]) / int(parts[1]))
    for folder in _groups(root, "cpu"):
        quota, period = (_number(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota is not None and quota > 0 and period:
            found.append(quota / period)
    return min(found, default=None)


def _memory_limit(root: Path) -> tuple[int | None, int | None]:
    """Give the least limit of the control groups above this process, and what that one uses."""
    found = []
    for controller, limit, used in (
        ("", "memory.max", "memory.current"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        for folder in _groups(root, controller):
            most = _number(folder / limit)
            if most is not None and 0 <= most < _NO_LIMIT:
                held = _number(folder / used)
                found.append((most, None if held is None else max(0, held - _cached(folder))))
    return min(found, key=lambda pair: pair[0], default=(None, None))


def _cached(folder: Path) -> int:
    """Give the bytes of a control group that are files read before, which yield to whoever needs them."""
    for line in _text(folder / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file") and value.strip().isdecimal():
            return int(value)
    return 0


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Give the folders of this process's control group and those above it.

    Args:
        root: Below which `proc` and `sys` are.
        controller: Of version 1; empty for version 2.
    """
    mount = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller:
            if controller not in controllers.split(","):
                continue
            # A controller's folder may carry its name alone or those of all that share it.
            top = next((mount / n for n in (controllers, controller) if (mount / n).is_dir()), None)
        else:
            top = None if controllers else mount
        if top is None:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        # Inside a container the path is the host's and the mount is the group itself.
        for length in range(len(parts), -1, -1):
            yield top.joinpath(*parts[:length])


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.removeprefix("-").isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def visible(environment: Mapping[str, str], *names: str) -> list[str] | None:
    """Give what a variable such as `CUDA_VISIBLE_DEVICES` leaves to be seen; None: everything.

    Args:
        environment: The process's variables.
        *names: Of the variables, the first one set counts.
    """
    text = next((environment[name] for name in names if name in environment), None)
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    # The tools stop at the first word that they do not know, and -1 is one.
    return words[: words.index("-1")] if "-1" in words else [word for word in words if word]
