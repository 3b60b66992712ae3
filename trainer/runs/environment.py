"""The environment of a run: what is installed, on which machine; found without importing any of it.

`environment.json` holds all of it. Its hash covers what can change a result, and neither host
names, paths nor times. A package counts by its version and by a hash over its RECORD, the list of
its installed files with their hashes.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trainer.runs import installed
from trainer.runs.orders import TRAINING_ENV
from trainer.runs.values import printable
from trainer.secrets import mask

# Variables that change what is computed; others (which GPU, where caches lie) do not.
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDNN_CONV_WSCAP_DBG",
    "DNNL_MAX_CPU_ISA",
    "KMP_DETERMINISTIC_REDUCTION",
    "LD_PRELOAD",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "NCCL_ALGO",
    "NCCL_PROTO",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONOPTIMIZE",
    "PYTORCH_ENABLE_MPS_FALLBACK",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCH_BLAS_PREFER_CUBLASLT",
    "TORCH_COMPILE_DISABLE",
)
_HASHED = ("threads", "python", "implementation", "platform", "libc", "cpu", "driver", "gpus")
_CHUNK = 8192


def lock(threads: int | None = None, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Find out everything about the environment that a training process started now would have.

    Args:
        threads: How many threads compute: the last bits of every sum depend on it.
        env: Variables that the process gets besides this one's.

    Returns:
        `{"v": 1, "hash", "threads", "python", "implementation", "build", "compiler", "platform",
        "kernel", "libc", "cpu", "driver", "gpus", "torch", "variables", "packages"}`.
        `packages` gives for each name `{"version", "record", "source"}`.
    """
    packages = installed.packages()
    found: dict[str, Any] = {
        "threads": threads,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "build": " ".join(platform.python_build()),
        "compiler": platform.python_compiler(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "kernel": platform.release(),
        "libc": _libc(),
        "cpu": _cpu(),
        "driver": driver(),
        "gpus": _gpus(),
        "torch": _torch(packages),
        "variables": variables(env),
        "packages": packages,
    }
    return {"v": 1, "hash": _digest(_counted(found)), **found}


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give the part of `lock` that its hash covers, with the hash, short enough to be looked at."""
    packages = found.get("packages")
    names = packages if isinstance(packages, Mapping) else {}
    versions = {name: package.get("version") for name, package in names.items()}
    return {"hash": found.get("hash"), **_counted(found), "packages": versions}


def variables(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the variables that change what is computed, as far as they are set."""
    known = {**TRAINING_ENV, **os.environ, **(env or {})}
    return {name: mask(printable(known[name]))[:500] for name in VARIABLES if name in known}


def requirements(found: Mapping[str, Any]) -> str:
    """Write the packages as a requirements file.

    Versions only: pip checks hashes of the archives that it downloads, and those are known of what
    is already installed only where it came from a URL.
    """
    lines = [
        f"# Python {found['python']} ({found['implementation']}), {found['platform']}",
        "# pip install -r requirements.lock",
        "# Versions only. Nobody knows any more which archives were installed; environment.json has",
        "# a hash over the installed files of each package.",
    ]
    for name, package in sorted(found["packages"].items()):
        lines += _requirement(name, package)
    return "\n".join(lines) + "\n"


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Tell in which points of those that count two environments differ, in words.

    Args:
        one: What `lock` or `summary` gave, perhaps read from a file.
        other: Another such.
    """
    found = []
    for name in (*_HASHED, "variables"):
        # An older or damaged file may lack a point: nothing can be said of it then.
        if name not in one or name not in other or one[name] == other[name]:
            continue
        if name == "variables":
            found += _apart(_mapping(one[name]), _mapping(other[name]))
        else:
            found.append(f"{name} {_shown(one[name])} → {_shown(other[name])}")
    first, second = (_versions(side.get("packages")) for side in (one, other))
    found += _apart(first, second)
    records = [_records(side.get("packages")) for side in (one, other)]
    found += [
        f"{name} {first[name]} of another build"
        for name in sorted(records[0].keys() & records[1].keys())
        if first.get(name) == second.get(name) and records[0][name] != records[1][name]
    ]
    if not found and one.get("records") != other.get("records") and "records" in one:
        found.append("a package of the same version but another build")
    return [printable(text) for text in found]


def _apart(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} {_shown(first.get(name))} → {_shown(second.get(name))}"
        for name in sorted(first.keys() | second.keys(), key=str)
        if first.get(name) != second.get(name)
    ]


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return "none" if value is None else str(value)[:200]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _versions(packages: object) -> dict[str, str]:
    """Give name and version from either form: of `lock` or of `summary`."""
    return {
        str(name): str(entry.get("version") if isinstance(entry, Mapping) else entry)
        for name, entry in _mapping(packages).items()
    }


def _records(packages: object) -> dict[str, Any]:
    return {
        str(name): (entry.get("record"), _code_of(entry))
        for name, entry in _mapping(packages).items()
        if isinstance(entry, Mapping)
    }


def _code_of(package: Mapping[str, Any]) -> Any:
    """Give what an editable package's code is known by: its commit and its changes."""
    return _mapping(package.get("source")).get("code")


def _counted(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give what can change a result."""
    packages = _mapping(found.get("packages"))
    content = {name: [*map(_json_of, parts)] for name, parts in _records(packages).items()}
    return {
        **{name: found.get(name) for name in _HASHED},
        "variables": found.get("variables"),
        "packages": _versions(packages),
        "records": _digest(content),
    }


def _json_of(value: object) -> str:
    # Nearly all are hashes, or nothing.
    if isinstance(value, str) and value.isascii() and value.isalnum():
        return f'"{value}"'
    return json.dumps(value, sort_keys=True)


def _requirement(name: str, package: Mapping[str, Any]) -> list[str]:
    version, source = package["version"], _mapping(package.get("source"))
    pinned = f"{name}=={version}"
    url = str(source.get("url") or "")
    if source.get("editable"):
        return [f"# {pinned}: editable, its code lies in {url}"]
    if source.get("vcs") and source.get("commit") and "***" not in url:
        return [f"{name} @ {source['vcs']}+{url}@{source['commit']}"]
    if url.startswith("http") and source.get("sha256") and "***" not in url:
        return [f"{name} @ {url}#sha256={source['sha256']}"]
    if url:
        return [f"# {name} came from {url}", pinned]
    if "+" in version:
        return [f"# {pinned} has a local version: it needs the index that it came from", pinned]
    return [pinned]


def _libc() -> str | None:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None


def _cpu() -> str | None:
    """Name the kind of processor; libraries choose their code by it, and so their rounding."""
    text = _start_of("/proc/cpuinfo")
    found = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", text, re.MULTILINE)
    if found:
        return printable(" ".join(found[1].split()))
    part = re.search(r"^CPU part\s*:\s*(\S+)$", text, re.MULTILINE)
    return f"part {part[1]}" if part else platform.processor() or None


def driver() -> str | None:
    """Give the version of NVIDIA's driver, as far as the kernel shows it."""
    found = re.search(r"\s(\d{3,}\.\d[\d.]*)\s", _start_of("/proc/driver/nvidia/version"))
    return found[1] if found else None


def _gpus() -> list[str]:
    """Name the kinds of GPU in this machine, as NVIDIA's driver does."""
    kinds = set()
    try:
        folders = sorted(Path("/proc/driver/nvidia/gpus").iterdir())
    except OSError:
        return []
    for folder in folders:
        found = re.search(r"^Model:\s*(.+)$", _start_of(folder / "information"), re.MULTILINE)
        if found:
            kinds.add(printable(found[1].strip()))
    return sorted(kinds)


def _torch(packages: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read what torch says of itself, from its file: importing it takes seconds."""
    for folder in sys.path:
        text = _start_of(Path(folder or ".") / "torch" / "version.py")
        if not text:
            continue
        told: dict[str, Any] = {}
        for name in ("__version__", "cuda", "hip", "git_version"):
            found = re.search(rf"^{name}\b[^=\n]*=\s*(.+)$", text, re.MULTILINE)
            try:
                told[name.strip("_")] = ast.literal_eval(found[1]) if found else None
            except (ValueError, SyntaxError):
                told[name.strip("_")] = None
        cudnn = (packages[name]["version"] for name in packages if name.startswith("nvidia-cudnn-"))
        return {**told, "cudnn": next(cudnn, None)}
    return None


def _start_of(path: Path | str) -> str:
    """Read the start of a text file; some of those in /proc are long and slow."""
    try:
        with Path(path).open("rb") as file:
            return file.read(_CHUNK).decode("utf-8", "replace")
    except OSError:
        return ""


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def several(items: Iterable[str], most: int = 4) -> str:
    """Join a few items in a line, and count the rest."""
    listed = list(items)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")
