"""What the installed PyTorch was built for, without importing it here.

Its version and kind of build stand in a small file of its own. The list of CUDA architectures is
known to its library alone: a process of its own is asked for it, once for each installation.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from trainer.config.hardware_machine import Gpu
from trainer.config.text import clean

_ARCH = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)\Z")
# Older ones give an empty list where no GPU can be used, which is when it matters.
_ASK = """
import json, torch
flags = getattr(torch._C, "_cuda_getArchFlags", lambda: "")()
print(json.dumps((flags or "").split() or torch.cuda.get_arch_list()))
"""


@dataclass(frozen=True, slots=True)
class Torch:
    """An installed PyTorch.

    Attributes:
        version: Such as `2.13.0+cu129`.
        cuda: The CUDA that it was built with; empty if none.
        hip: The ROCm that it was built with; empty if none.
        arches: The architectures that its kernels are compiled for, such as `sm_90`; None if
            nobody asked, or it did not answer.
    """

    version: str
    cuda: str = ""
    hip: str = ""
    arches: tuple[str, ...] | None = None

    @property
    def build(self) -> str:
        """What it was built for, in words."""
        if self.cuda:
            return f"CUDA {self.cuda}"
        return f"ROCm {self.hip}" if self.hip else "CPU"

    def lacks(self, gpu: Gpu) -> str:
        """Say why it cannot compute on a GPU; empty if it can, or nothing speaks against it."""
        if gpu.kind == "mps":
            return ""
        built = self.cuda if gpu.kind == "cuda" else self.hip
        if not built:
            wanted = "CUDA" if gpu.kind == "cuda" else "ROCm"
            return f"PyTorch {self.version} is built without {wanted}"
        major = self.cuda.partition(".")[0]
        # Within one major version an older driver does (NVIDIA's "minor version compatibility").
        if gpu.driver_cuda and major.isdecimal() and gpu.driver_cuda[0] < int(major):
            knows = "{}.{}".format(*gpu.driver_cuda)
            return (
                f"its driver knows CUDA up to {knows}, and PyTorch {self.version} is built with CUDA "
                f"{self.cuda}: update the driver, or install a PyTorch for CUDA {gpu.driver_cuda[0]}"
            )
        if not self.arches or not gpu.sm or self._knows(gpu):
            return ""
        kind = "CUDA capability" if gpu.kind == "cuda" else "architecture"
        return (
            f"{kind} {gpu.sm} not supported by PyTorch {self.version}, which knows "
            f"{', '.join(self.arches)}"
        )

    def _knows(self, gpu: Gpu) -> bool:
        assert self.arches is not None
        if gpu.capability is None:
            return any(arch.partition(":")[0] == gpu.arch for arch in self.arches)
        for arch in self.arches:
            found = _ARCH.match(arch)
            if found is None:
                continue
            version = int(found[2]), int(found[3])
            # Machine code runs within its major version, PTX is compiled for whatever is newer; what
            # is compiled for one architecture alone (sm_90a) runs on that one.
            newer = version <= gpu.capability if found[4] != "a" else version == gpu.capability
            if newer and (found[1] == "compute" or version[0] == gpu.capability[0]):
                return True
        return False


def installed(
    gpus: list[Gpu],
    folder: Path | None = None,
    ask: Callable[[], list[str] | None] | None = None,
    cache: Path | None = None,
) -> Torch | None:
    """Find the installed PyTorch; None if there is none.

    Args:
        gpus: What it might compute on: only for a GPU of NVIDIA's or AMD's that its build is for is
            the list of architectures asked for.
        folder: Where it lies; looked for if None.
        ask: Gives the list of architectures; a process of its own if None.
        cache: The file that keeps the answer.
    """
    if folder is None:
        spec = find_spec("torch")
        if spec is None or not spec.origin:
            return None
        folder = Path(spec.origin).parent
    file = folder / "version.py"
    facts = _assigned(file)
    version = clean(facts.get("__version__", ""))
    if not version:
        return None
    cuda, hip = clean(facts.get("cuda", "")), clean(facts.get("hip", ""))
    kinds = {gpu.kind for gpu in gpus}
    if not ((cuda and "cuda" in kinds) or (hip and "rocm" in kinds)):
        return Torch(version, cuda, hip)
    arches = _kept(file, version, ask or _asked, cache or _cache_file())
    return Torch(version, cuda, hip, None if arches is None else tuple(arches))


def _assigned(file: Path) -> dict[str, str]:
    """Read the texts that a Python file assigns to names, without running it."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            names, value = [node.target], node.value
        else:
            continue
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found |= {name.id: value.value for name in names if isinstance(name, ast.Name)}
    return found


def _kept(
    file: Path, version: str, ask: Callable[[], list[str] | None], cache: Path
) -> list[str] | None:
    """Give what was answered before for this very installation, or ask and keep the answer."""
    try:
        same = {"file": str(file), "version": version, "changed": file.stat().st_mtime_ns}
    except OSError:
        return ask()
    with suppress(OSError, ValueError):
        kept = json.loads(cache.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and isinstance(kept.get("arches"), list):
            arches = [clean(str(arch), 40) for arch in kept.pop("arches")]
            if kept == same:
                return arches
    arches_now = ask()
    if arches_now:
        with suppress(OSError):
            cache.parent.mkdir(parents=True, exist_ok=True)
            own = cache.with_name(f"{cache.name}.{os.getpid()}")
            own.write_text(json.dumps({**same, "arches": arches_now}), encoding="utf-8")
            own.replace(cache)
    return arches_now


def _asked() -> list[str] | None:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    return [clean(str(arch), 40) for arch in found] if isinstance(found, list) else None


def _cache_file() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(configured) if configured.startswith("/") else Path.home() / ".cache"
    return base / "traindeck" / "torch.json"
