"""The GPUs of this machine: NVIDIA's by NVML or `nvidia-smi`, AMD's by the kernel's own files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from shutil import which
from threading import Thread
from typing import Any

from trainer.config.hardware_machine import Gpu, memory_of, visible
from trainer.config.text import clean

_AMD = "0x1002"
_QUERY = "index,name,memory.total,memory.free,compute_cap,uuid,pci.bus_id,driver_version"
# A driver in trouble may keep its asker waiting for good.
_PATIENCE = 10.0
# Jetson's chips by the name of their device tree, with their compute capability.
_TEGRA = {
    "tegra210": (5, 3),
    "tegra186": (6, 2),
    "tegra194": (7, 2),
    "tegra234": (8, 7),
    "tegra264": (11, 0),
}
_SMI = ("nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits")

Asked = tuple[list[Gpu], str, list[str]]
"""GPUs, the driver's version (empty if unknown), and lines on what could not be asked."""


def nvidia(
    root: Path,
    environment: Mapping[str, str],
    nvml: Any = None,
    run: Callable[[tuple[str, ...]], str] | None = None,
    patience: float = _PATIENCE,
) -> Asked:
    """Ask for NVIDIA's GPUs.

    Args:
        root: Below which `proc` is, where the kernel's module shows itself.
        environment: The process's variables; `CUDA_VISIBLE_DEVICES` chooses.
        nvml: The module `pynvml`; imported if None.
        run: Runs a command and gives its output; for `nvidia-smi`, where NVML cannot be asked.
        patience: Seconds that NVML has for its answer.
    """
    module = (root / "proc/driver/nvidia/version").exists()
    said: list[str] = []
    missing = False
    if nvml is None:
        try:
            import pynvml  # type: ignore[import-untyped]  # NVIDIA ships no types

            nvml = pynvml
        except ImportError:
            missing = True
            if module:
                said.append(
                    "NVIDIA's driver is loaded, and NVML cannot be asked: pip install nvidia-ml-py"
                )
    gpus: list[Gpu] = []
    driver, hangs = "", False
    if nvml is not None:
        asked = _in_time(lambda: _by_nvml(nvml, module), patience)
        hangs = asked is None
        found: Asked = asked or ([], "", [f"NVML does not answer within {patience:g} seconds"])
        gpus, driver, more = found
        said += more
    # Under Windows, WSL included, no module shows itself; nvidia-smi would hang as NVML does.
    if not gpus and not hangs and (module or said or (missing and which(_SMI[0]))):
        gpus, driver = _by_smi(run or _run)
    gpus = _jetson(root, gpus)
    return _seen(gpus, environment, said), driver, said


def _in_time(ask: Callable[[], Asked], patience: float) -> Asked | None:
    """Give an answer, or None if it does not come in time; who waits in a driver cannot be stopped."""
    answers: list[Asked] = []
    asking = Thread(target=lambda: answers.append(ask()), name="nvml", daemon=True)
    asking.start()
    asking.join(patience)
    return answers[0] if answers else None


def _by_nvml(nvml: Any, module: bool) -> Asked:
    """Ask NVML; a machine without a driver is no news."""
    try:
        nvml.nvmlInit()
    except Exception as error:  # no driver, an old one, one whose module was replaced
        news = module or "not found" not in str(error).lower()
        return [], "", [f"NVML does not answer: {_words(error)}"] if news else []
    try:
        driver = clean(_string(nvml.nvmlSystemGetDriverVersion()))
        gpus, said = _each(nvml)
    except Exception as error:
        return [], "", [f"NVML does not answer: {_words(error)}"]
    finally:
        _or_none(nvml, "nvmlShutdown")
    return gpus, driver, said


def _jetson(root: Path, gpus: list[Gpu]) -> list[Gpu]:
    """Know a Jetson by its device tree: its GPU shares the main memory, and NVML tells little of it."""
    tree = root / "proc/device-tree"
    chips = _text(tree / "compatible").replace("\0", ",").split(",")
    chip = next((name for name in _TEGRA if name in chips), "")
    if not chip:
        return gpus
    name = clean(_text(tree / "model").strip("\0 \n")) or "Jetson"
    known = gpus or [Gpu(0, name, "cuda")]
    return [
        replace(
            gpu,
            memory=gpu.memory or memory_of(root).usable,
            capability=gpu.capability or _TEGRA[chip],
        )
        for gpu in known
    ]


def _each(nvml: Any) -> tuple[list[Gpu], list[str]]:
    gpus: list[Gpu] = []
    said: list[str] = []
    cuda = _or_none(nvml, "nvmlSystemGetCudaDriverVersion") or 0
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name = clean(_string(nvml.nvmlDeviceGetName(handle)))
        except Exception as error:  # one that has fallen off the bus
            said.append(f"GPU {index} does not answer: {_words(error)}")
            continue
        mig = _or_none(nvml, "nvmlDeviceGetMigMode", handle)
        cut = bool(mig) and mig[0] == 1
        slices = _slices(nvml, handle) if cut else []
        if cut:
            said.append(
                f"GPU {index} is cut into slices (MIG), of which a process uses one"
                if slices
                else f"GPU {index} is to be cut into slices (MIG), and has none: nvidia-smi mig -cgi"
            )
        capability = _or_none(nvml, "nvmlDeviceGetCudaComputeCapability", handle)
        pci = _or_none(nvml, "nvmlDeviceGetPciInfo", handle)
        for each in slices if cut else [handle]:
            memory = _or_none(nvml, "nvmlDeviceGetMemoryInfo", each)
            uuid = _or_none(nvml, "nvmlDeviceGetUUID", each)
            gpus.append(
                Gpu(
                    index,
                    f"{name} (slice)" if cut else name,
                    "cuda",
                    int(memory.total) if memory is not None else None,
                    int(memory.free) if memory is not None else None,
                    (int(capability[0]), int(capability[1])) if capability else None,
                    uuid=_string(uuid) if uuid else "",
                    bus=_string(pci.busId) if pci is not None else "",
                    part=cut,
                    driver_cuda=(cuda // 1000, cuda % 1000 // 10) if cuda else None,
                )
            )
    return gpus, said


def _slices(nvml: Any, handle: Any) -> list[Any]:
    """Give the handles of a GPU's slices; empty where NVML does not tell."""
    count = _or_none(nvml, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0
    found = (
        _or_none(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", handle, at) for at in range(count)
    )
    return [each for each in found if each is not None]


def _by_smi(run: Callable[[tuple[str, ...]], str]) -> tuple[list[Gpu], str]:
    """Ask `nvidia-smi`, which comes with the driver."""
    gpus: list[Gpu] = []
    driver = ""
    for line in run(_SMI).splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(_QUERY.split(",")) or not cells[0].isdecimal():
            continue
        major, _, minor = cells[4].partition(".")
        known = major.isdecimal() and minor.isdecimal()
        total, free = (int(cell) << 20 if cell.isdecimal() else None for cell in cells[2:4])
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
    if not gpus:
        return gpus
    order = environment.get("CUDA_DEVICE_ORDER", "")
    if len({gpu.name for gpu in gpus if not gpu.part}) > 1 and order != "PCI_BUS_ID":
        said.append(
            "the GPUs are of different kinds, and CUDA counts the fastest first: as they are counted "
            "here it does with CUDA_DEVICE_ORDER=PCI_BUS_ID"
        )
    if chosen is None:
        return gpus
    # A UUID may be shortened, as long as it is the only one that begins so.
    kept = _chosen(
        chosen,
        gpus,
        lambda gpu, word: (
            word == str(gpu.index) or (not word.isdecimal() and gpu.uuid.startswith(word))
        ),
    )
    if len(kept) < len(gpus):
        said.append(f"CUDA_VISIBLE_DEVICES leaves {len(kept)} of {len(gpus)} GPUs")
    return kept


def _chosen(words: list[str], gpus: list[Gpu], fits: Callable[[Gpu, str], bool]) -> list[Gpu]:
    """Choose as CUDA and HIP do: the first word that fits no GPU ends the list, one twice empties it."""
    kept: list[Gpu] = []
    for word in words:
        found = [gpu for gpu in gpus if fits(gpu, word)]
        if not found:
            break
        if any(gpu in kept for gpu in found):
            return []
        kept += found
    return kept


def amd(root: Path, environment: Mapping[str, str]) -> Asked:
    """Read AMD's GPUs from the kernel's files: the topology of ROCm's driver, and the cards.

    Args:
        root: Below which `sys` is.
        environment: The process's variables; `ROCR_VISIBLE_DEVICES` and `HIP_VISIBLE_DEVICES` choose.
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
        if not facts.get("simd_count", "0").strip().isdecimal() or int(facts["simd_count"]) == 0:
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
                uuid=_uuid(facts.get("unique_id", "")),
                bus=card.get("bus", ""),
            )
        )
    said = []
    if not gpus and cards:
        said.append("an AMD GPU is there, and ROCm's driver (/dev/kfd) is not: it cannot compute")
    # The runtime chooses first, and HIP, which CUDA's variable speaks to as well, among what is left.
    for names in (("ROCR_VISIBLE_DEVICES",), ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")):
        chosen = visible(environment, *names)
        if chosen is None or not gpus:
            continue
        before = gpus
        at = {id(gpu): str(place) for place, gpu in enumerate(before)}
        kept = _chosen(
            chosen,
            before,
            lambda gpu, word, at=at: (
                word == at[id(gpu)] or bool(gpu.uuid and gpu.uuid == word.lower())
            ),  # type: ignore[misc]
        )
        if len(kept) < len(before):
            name = next(name for name in names if name in environment)
            said.append(f"{name} leaves {len(kept)} of {len(before)} GPUs")
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
            "memory": int(total) if total.isdecimal() else None,
            "used": int(used) if used.isdecimal() else None,
            "bus": device.resolve().name,
        }
    return found


def _banks(node: Path) -> int | None:
    """Add up the memory banks of a GPU in ROCm's topology."""
    total = 0
    for bank in _folders(node / "mem_banks"):
        for line in _text(bank / "properties").splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == "size_in_bytes" and words[1].isdecimal():
                total += int(words[1])
    return total or None


def _gfx(version: str) -> str:
    """Read `90010` as `gfx90a`: major, minor and step, two decimal digits each but the first."""
    if not version.strip().isdecimal() or int(version) == 0:
        return ""
    number = int(version)
    return f"gfx{number // 10000}{number // 100 % 100:x}{number % 100:x}"


def _uuid(unique: str) -> str:
    """Write a card's number as ROCm does: `gpu-` and sixteen hexadecimal digits, in small letters here."""
    return f"gpu-{int(unique):016x}" if unique.strip().isdecimal() and int(unique) else ""


def _run(words: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _or_none(nvml: Any, name: str, *of: Any) -> Any:
    """Ask NVML; None where this device or driver does not tell."""
    try:
        return getattr(nvml, name)(*of)
    except Exception:  # its own error, or a function that an old one lacks
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
