"""The GPUs of this machine: NVIDIA's by NVML or `nvidia-smi`, AMD's by the kernel's own files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.config.hardware_machine import Gpu, visible
from trainer.config.text import clean

_AMD = "0x1002"
_QUERY = "index,name,memory.total,memory.free,compute_cap,uuid,pci.bus_id,driver_version"
_SMI = ("nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits")

Asked = tuple[list[Gpu], str, list[str]]
"""GPUs, the driver's version (empty if unknown), and lines on what could not be asked."""


def nvidia(
    root: Path,
    environment: Mapping[str, str],
    nvml: Any = None,
    run: Callable[[tuple[str, ...]], str] | None = None,
) -> Asked:
    """Ask for NVIDIA's GPUs.

    Args:
        root: Below which `proc` is, where the kernel's module shows itself.
        environment: The process's variables; `CUDA_VISIBLE_DEVICES` chooses.
        nvml: The module `pynvml`; imported if None.
        run: Runs a command and gives its output; for `nvidia-smi`, where NVML cannot be asked.
    """
    module = (root / "proc/driver/nvidia/version").exists()
    said: list[str] = []
    if nvml is None:
        try:
            import pynvml  # type: ignore[import-untyped]  # NVIDIA ships no types

            nvml = pynvml
        except ImportError:
            if module:
                said.append(
                    "NVIDIA's driver is loaded, and NVML cannot be asked: pip install nvidia-ml-py"
                )
    gpus: list[Gpu] = []
    driver = ""
    if nvml is not None:
        try:
            nvml.nvmlInit()
        except Exception as error:  # no driver, an old one, one whose module was replaced
            if module or "not found" not in str(error).lower():
                said.append(f"NVML does not answer: {_words(error)}")
        else:
            try:
                driver = _string(nvml.nvmlSystemGetDriverVersion())
                gpus, more = _by_nvml(nvml)
                said += more
            except Exception as error:
                said.append(f"NVML does not answer: {_words(error)}")
            finally:
                _or_none(nvml.nvmlShutdown)
    if not gpus and (module or said):
        gpus, driver = _by_smi(run or _run)
    return _seen(gpus, environment, said), driver, said


def _by_nvml(nvml: Any) -> tuple[list[Gpu], list[str]]:
    gpus: list[Gpu] = []
    said: list[str] = []
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name = clean(_string(nvml.nvmlDeviceGetName(handle)))
        except Exception as error:  # one that has fallen off the bus
            said.append(f"GPU {index} does not answer: {_words(error)}")
            continue
        mig = _or_none(nvml.nvmlDeviceGetMigMode, handle)
        slices = _slices(nvml, handle) if mig and mig[0] == 1 else []
        if slices:
            said.append(f"GPU {index} is cut into slices (MIG), of which a process uses one")
        capability = _or_none(nvml.nvmlDeviceGetCudaComputeCapability, handle)
        pci = _or_none(nvml.nvmlDeviceGetPciInfo, handle)
        for each in slices or [handle]:
            memory = _or_none(nvml.nvmlDeviceGetMemoryInfo, each)
            uuid = _or_none(nvml.nvmlDeviceGetUUID, each)
            gpus.append(
                Gpu(
                    index,
                    f"{name} (slice)" if slices else name,
                    "cuda",
                    int(memory.total) if memory is not None else None,
                    int(memory.free) if memory is not None else None,
                    (int(capability[0]), int(capability[1])) if capability else None,
                    uuid=_string(uuid) if uuid else "",
                    bus=_string(pci.busId) if pci is not None else "",
                )
            )
    return gpus, said


def _slices(nvml: Any, handle: Any) -> list[Any]:
    """Give the handles of a GPU's slices; empty where NVML does not tell."""
    count = _or_none(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0
    found = (_or_none(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, at) for at in range(count))
    return [each for each in found if each is not None]


def _by_smi(run: Callable[[tuple[str, ...]], str]) -> tuple[list[Gpu], str]:
    """Ask `nvidia-smi`, which comes with the driver."""
    gpus: list[Gpu] = []
    driver = ""
    for line in run(_SMI).splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(_QUERY.split(",")) or not cells[0].isdigit():
            continue
        major, _, minor = cells[4].partition(".")
        known = major.isdigit() and minor.isdigit()
        total, free = (int(cell) << 20 if cell.isdigit() else None for cell in cells[2:4])
        gpus.append(
            Gpu(
                int(cells[0]),
                clean(cells[1]),
                "cuda",
                total,
                free,
                (int(major), int(minor)) if known else None,
                uuid=cells[5],
                bus=cells[6],
            )
        )
        driver = clean(cells[7])
    return gpus, driver


def _seen(gpus: list[Gpu], environment: Mapping[str, str], said: list[str]) -> list[Gpu]:
    """Leave out what `CUDA_VISIBLE_DEVICES` hides from programs started here."""
    chosen = visible(environment, "CUDA_VISIBLE_DEVICES")
    if chosen is None or not gpus:
        return gpus
    kept = [
        gpu
        for word in chosen
        for gpu in gpus
        # A UUID may be shortened, as long as it is the only one that begins so.
        if word == str(gpu.index) or (not word.isdigit() and gpu.uuid.startswith(word))
    ]
    if len(kept) < len(gpus):
        said.append(f"CUDA_VISIBLE_DEVICES leaves {len(kept)} of {len(gpus)} GPUs")
    return kept


def amd(root: Path, environment: Mapping[str, str]) -> Asked:
    """Read AMD's GPUs from the kernel's files: the topology of ROCm's driver, and the cards.

    Args:
        root: Below which `sys` is.
        environment: The process's variables; `HIP_VISIBLE_DEVICES` and `ROCR_VISIBLE_DEVICES`
            choose.
    """
    version = _text(root / "sys/module/amdgpu/version").strip()
    cards = _cards(root)
    gpus: list[Gpu] = []
    nodes = root / "sys/class/kfd/kfd/topology/nodes"
    for node in sorted(_folders(nodes), key=lambda path: (len(path.name), path.name)):
        facts = dict(
            line.split(maxsplit=1)
            for line in _text(node / "properties").splitlines()
            if len(line.split()) == 2
        )
        if not facts.get("simd_count", "0").strip().isdigit() or int(facts["simd_count"]) == 0:
            continue  # a processor
        card = cards.get(facts.get("drm_render_minor", ""), {})
        memory = card.get("memory") or _banks(node)
        gpus.append(
            Gpu(
                len(gpus),
                clean(card.get("name") or _text(node / "name").strip() or "AMD GPU"),
                "rocm",
                memory,
                memory - card["used"] if memory and card.get("used") is not None else None,
                arch=_gfx(facts.get("gfx_target_version", "")),
                bus=card.get("bus", ""),
            )
        )
    said = []
    if not gpus and cards:
        said.append("an AMD GPU is there, and ROCm's driver (/dev/kfd) is not: it cannot compute")
    chosen = visible(environment, "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
    if chosen is not None and gpus:
        kept = [gpu for word in chosen for gpu in gpus if word == str(gpu.index)]
        if len(kept) < len(gpus):
            said.append(f"HIP_VISIBLE_DEVICES leaves {len(kept)} of {len(gpus)} GPUs")
        gpus = kept
    return gpus, clean(version), said


def _cards(root: Path) -> dict[str, dict[str, Any]]:
    """Read AMD's cards by the number of their render node."""
    found: dict[str, dict[str, Any]] = {}
    for render in _folders(root / "sys/class/drm"):
        device = render / "device"
        if not render.name.startswith("renderD") or _text(device / "vendor").strip() != _AMD:
            continue
        total, used = (
            _text(device / f"mem_info_vram_{name}").strip() for name in ("total", "used")
        )
        found[render.name.removeprefix("renderD")] = {
            "name": _text(device / "product_name").strip(),
            "memory": int(total) if total.isdigit() else None,
            "used": int(used) if used.isdigit() else None,
            "bus": device.resolve().name,
        }
    return found


def _banks(node: Path) -> int | None:
    """Add up the memory banks of a GPU in ROCm's topology."""
    total = 0
    for bank in _folders(node / "mem_banks"):
        for line in _text(bank / "properties").splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == "size_in_bytes" and words[1].isdigit():
                total += int(words[1])
    return total or None


def _gfx(version: str) -> str:
    """Read `90010` as `gfx90a`: major, minor and step, two decimal digits each but the first."""
    if not version.strip().isdigit() or int(version) == 0:
        return ""
    number = int(version)
    return f"gfx{number // 10000}{number // 100 % 100:x}{number % 100:x}"


def _run(words: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _or_none(ask: Callable[..., Any], *of: Any) -> Any:
    """Ask NVML; None where this device or driver does not tell."""
    try:
        return ask(*of)
    except Exception:  # its own error, or a function that an old driver lacks
        return None


def _words(error: Exception) -> str:
    return clean(" ".join(str(error).split())) or type(error).__name__


def _string(value: Any) -> str:
    """Older bindings give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
