"""What the training process finds around it, written beside what the launcher expected."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from trainer.runs import environment
from trainer.runs.layout import RunFolder, read_json_or_empty, write_bytes_atomic, write_json_atomic

if TYPE_CHECKING:
    from pathlib import Path

_MOST_ENTRIES = 200


class Around:
    """What lies around this process before the engine has changed anything.

    Args:
        threads: How many threads compute.
    """

    def __init__(self, threads: int | None) -> None:
        self._found = environment.lock(threads)

    def write(self, folder: Path, trainer: Any, *, attempt: int) -> None:
        """Add this attempt to `environment.trainer.json`; call it on rank 0.

        A disk that fails costs the record, no more.

        Args:
            folder: The run folder.
            trainer: Lightning's trainer, whose device tells what computes.
            attempt: 1 for the first start in this folder.
        """
        run = RunFolder(folder)
        expected = read_json_or_empty(run.environment)
        entry = {
            "hash": self._found["hash"],
            # Between a launch and its start, or a run and its resume, packages may have changed.
            "differs": environment.differences(expected, self._found)[:50] if expected else [],
            **of_torch(trainer),
        }
        before = read_json_or_empty(run.environment_seen).get("seen")
        seen = [e for e in before if isinstance(e, dict)] if isinstance(before, list) else []
        same = {k: value for k, value in seen[-1].items() if k != "attempts"} if seen else None
        if same == entry and isinstance(seen[-1].get("attempts"), list):
            seen[-1]["attempts"].append(attempt)
        else:
            seen.append({"attempts": [attempt], **entry})
        with contextlib.suppress(OSError):
            write_json_atomic(run.environment_seen, {"v": 1, "seen": seen[-_MOST_ENTRIES:]})


def keep_config_beside(run: RunFolder, checkpoints: Path) -> None:
    """Copy the config into a checkpoint folder that lies elsewhere, so that neither is lost alone."""
    if run.path in checkpoints.parents:
        return
    with contextlib.suppress(OSError):
        checkpoints.mkdir(parents=True, exist_ok=True)
        for path in (run.config, run.environment):
            if path.is_file():
                write_bytes_atomic(checkpoints / path.name, path.read_bytes())


def of_torch(trainer: Any) -> dict[str, Any]:
    """Tell what torch says about itself, its settings and the GPUs in use."""
    device = str(getattr(getattr(trainer.strategy, "root_device", None), "type", "cpu"))
    backends = torch.backends
    told: dict[str, Any] = {
        "torch": torch.__version__,
        "device": device,
        "world_size": int(trainer.world_size),
        "threads": torch.get_num_threads(),
        "cpu_capability": backends.cpu.get_cpu_capability(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "build": _build(),
    }
    if device != "cuda":
        return told
    return told | {
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "cudnn": backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "cudnn_benchmark": backends.cudnn.benchmark,
        "cudnn_deterministic": backends.cudnn.deterministic,
        "tf32": backends.cudnn.allow_tf32,
        "driver": _driver(),
        "gpus": [_gpu(number) for number in range(torch.cuda.device_count())],
    }


def _gpu(number: int) -> dict[str, Any]:
    about = torch.cuda.get_device_properties(number)
    return {
        "name": about.name,
        "capability": f"{about.major}.{about.minor}",
        "memory_bytes": about.total_memory,
    }


def _driver() -> str | None:
    """Ask the driver for its version; it is not visible as a file in every container."""
    try:
        import pynvml  # type: ignore[import-untyped]

        pynvml.nvmlInit()
        try:
            version = pynvml.nvmlSystemGetDriverVersion()
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # not installed, no driver, an AMD GPU: each has errors of its own
        return environment.driver()
    return version.decode() if isinstance(version, bytes) else str(version)


def _build() -> dict[str, str]:
    """Read of `torch.__config__` which libraries compute."""
    text = torch.__config__.show()
    wanted: Mapping[str, str] = {
        "compiler": r"^\s*- (GCC|clang|MSVC)\b *(.*)$",
        "mkl": r"^\s*- (?:Intel\(R\) )?(oneAPI Math Kernel Library|MKL)\b(.*)$",
        "onednn": r"^\s*- Intel\(R\) (MKL-DNN|oneDNN)\s*(.*)$",
        "blas": r"\b(BLAS_INFO)=(\w+)",
    }
    found = {name: re.search(pattern, text, re.MULTILINE) for name, pattern in wanted.items()}
    return {name: " ".join(match[2].split()) for name, match in found.items() if match}
