"""The folder that is left of a fine-tuning: the adapter, the tokenizer, and what is known of both."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from trainer.recipes.lora.data import Instructions
from trainer.recipes.lora.hub import ADAPTER, open_weights
from trainer.recipes.lora.measure import Evaluation
from trainer.recipes.lora.model import LoraModel

METADATA = "metadata.json"
_DAY = 24 * 3600.0


def save(
    place: Path, name: str, model: LoraModel, data: Instructions, metadata: Mapping[str, Any]
) -> Path:
    """Write a finished model's folder; whole, or not at all.

    Args:
        place: Where it goes.
        name: What it is called; with a number behind it where there is one of that name.
        model: What was trained.
        data: What on.
        metadata: What `metadata.json` tells; the files are added to it.

    Returns:
        The folder.

    Raises:
        OSError: The disk refuses.
    """
    place.mkdir(parents=True, exist_ok=True)
    clear(place)
    aside = place / f".making-{name}-{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        _save_adapter(aside, model)
        _name_base(aside, model)
        model.network.config.save_pretrained(aside)
        data.tokenizer.save_pretrained(aside)
        _special_tokens(aside, data.tokenizer)
        card = aside / "README.md"  # of the hub, and empty
        card.unlink(missing_ok=True)
        written = sorted([*(path.name for path in aside.iterdir()), METADATA])
        _write_json(aside / METADATA, {**metadata, "files": written})
        return _moved(aside, place, name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def clear(place: Path) -> None:
    """Take away models that were killed while they were written, a day ago or more.

    By their age and not by their process, which may be another machine's on a shared disk.
    """
    for left in place.glob(".making-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _DAY:
                shutil.rmtree(left, ignore_errors=True)


def metadata_of(
    config: Mapping[str, Any],
    model: LoraModel,
    data: Instructions,
    *,
    seconds: float,
    steps: int,
    epochs: int,
    now: datetime,
    evaluation: Evaluation | None,
    run: Path,
) -> dict[str, Any]:
    """Give what `metadata.json` tells; `output.metadata.include_*` leave parts out.

    Args:
        config: The run's config.
        model: What was trained.
        data: What on.
        seconds: How long it took.
        steps: Optimiser steps.
        epochs: Epochs that were done.
        now: When it ended.
        evaluation: How good it is, if that was measured.
        run: The run's folder.
    """
    included = (config.get("output") or {}).get("metadata") or {}
    expert, lora = config.get("expert") or {}, config.get("lora") or {}
    trainer, hardware = config.get("trainer") or {}, config.get("hardware") or {}
    optimizer = (config.get("optimizer") or {}).get("config") or {}
    side = data.side("train")

    def wants(what: str) -> bool:
        return included.get(f"include_{what}", True) is not False

    training: dict[str, Any] = {"dataset": str(data.folder), "num_samples": len(side.sequences)}
    if wants("dataset_stats"):
        training |= {
            "domains": side.records.domains,
            "below_quality": side.records.low,
            "other_domains": side.records.other,
            "cut": side.cut,
            "left_out": side.dropped,
        }
    if wants("hyperparameters"):
        training |= {
            "num_epochs": trainer.get("max_epochs") or epochs,
            "batch_size": (config.get("dataloader") or {}).get("batch_size"),
            "gradient_accumulation": trainer.get("accumulate_grad_batches"),
            "learning_rate": optimizer.get("lr"),
            "sequence_length": data.sequence_length,
            "steps": steps,
        }
    if wants("training_duration"):
        training |= {
            "duration_seconds": round(seconds, 3),
            "duration_minutes": round(seconds / 60, 2),
        }
    told: dict[str, Any] = {
        "expert": {
            "name": expert.get("display_name") or expert.get("name"),
            **{key: expert.get(key) for key in ("role", "group", "specialization")},
        },
        "model": {
            "base": model.base.name,
            "lora_rank": lora.get("r"),
            "lora_alpha": _whole(lora.get("lora_alpha")),
            "base_digest": model.digest,
            "base_revision": model.base.revision,
        },
        "training": training,
    }
    if wants("hardware_info"):
        precision = str(trainer.get("precision") or "32-true")
        told["hardware"] = {
            "name": hardware.get("name"),
            "device": hardware.get("device") or trainer.get("accelerator"),
            "fp16": precision.startswith("16"),
            "bf16": precision.startswith("bf16"),
        }
    if evaluation is not None:
        told["evaluation"] = {
            key: value for key, value in evaluation.plain().items() if key != "answers"
        }
    about: dict[str, Any] = {"created": now.isoformat(), "run": str(run)}
    if wants("git_commit"):
        about["git_commit"] = _commit(run)
    told["metadata"] = about
    return told


def _save_adapter(folder: Path, model: LoraModel) -> None:
    from safetensors import SafetensorError

    try:
        model.network.save_pretrained(folder)
    except SafetensorError as error:  # so it tells that a disk is full
        raise OSError(str(error)) from error
    open_weights(folder, ADAPTER)


def _name_base(folder: Path, model: LoraModel) -> None:
    """Let the adapter name its base as people do, and not by where it lay in a cache."""
    path = folder / ADAPTER
    config = json.loads(path.read_text("utf-8"))
    local = model.base.revision is None
    config["base_model_name_or_path"] = str(model.base.folder) if local else model.base.name
    if not local:
        config["revision"] = model.base.revision
    _write_json(path, config)


def _special_tokens(folder: Path, tokenizer: Any) -> None:
    """Write `special_tokens_map.json`, which other programs read and transformers no longer writes."""
    path = folder / "special_tokens_map.json"
    if not path.exists():
        named = {key: str(value) for key, value in tokenizer.special_tokens_map.items()
                 if isinstance(value, str)}  # fmt: skip
        _write_json(path, named)


def _moved(aside: Path, place: Path, name: str) -> Path:
    number = 1
    while True:
        wanted = place / (name if number == 1 else f"{name}-{number}")
        if not wanted.exists():
            try:
                return aside.rename(wanted)
            except OSError:
                if not wanted.exists():
                    raise
        number += 1


def _whole(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _commit(run: Path) -> str | None:
    """Give the commit that the run was started from, short; None outside a repository."""
    try:
        told = json.loads((run / "run_hash_summary.json").read_text("utf-8"))
        commit = told["code"]["project"]["commit"]
        return None if commit is None else str(commit)[:8]  # a repository with no commit yet
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no repository; or no run of the launcher's
    try:
        said = subprocess.run(
            ["git", "rev-parse", "--short=8", "HEAD"], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.decode("ascii", "replace").strip() or None if said.returncode == 0 else None


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n", "utf-8")
