"""What to turn down when memory ran out, with the values for this config and its profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.config.hardware_batch import batch_of, whole
from trainer.config.hardware_rules import ACCELERATORS, excesses
from trainer.config.torch_rules import text_of

# Below these nothing is gained any more.
_LEAST = {"max_sequence_length": 64, "max_lora_rank": 1}
_LENGTHS = ("data.sequence_length", "data.context", "dataloader.max_length")


def less_memory(config: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Choose what to turn down first: the batch, then the sequence, then the adapter's rank.

    Args:
        config: A canonical, resolved config whose run used too much.

    Returns:
        The settings that halve it, with the effective batch as it was, and in words what else
        would save memory on this hardware; empty where there is nothing.
    """
    settings: dict[str, Any] = {}
    batch = batch_of(config)
    lengths = [whole(_at(config, key)) or 0 for key in _LENGTHS]
    for limit, value in (
        ("max_batch_size", batch.size if batch is not None else 0),
        ("max_sequence_length", max(lengths)),
        ("max_lora_rank", whole(_at(config, "lora.r")) or 0),
    ):
        if value // 2 >= _LEAST.get(limit, 1):
            held = {**config, "hardware": {limit: value // 2}}
            for excess in excesses(held):
                settings |= excess.settings
            if settings:
                break
    return settings, "; ".join(_further(config))


def words_of(settings: Mapping[str, Any]) -> list[str]:
    """Write settings as overrides."""
    return [f"{key}={text_of(value)}" for key, value in settings.items()]


def advice(config: Mapping[str, Any]) -> str:
    """Say in a sentence or two what to turn down; empty where there is nothing."""
    settings, further = less_memory(config)
    first = f"For this run: {' '.join(words_of(settings))}." if settings else ""
    return " ".join(part for part in (first, f"Then: {further}." if further else "") if part)


def _further(config: Mapping[str, Any]) -> list[str]:
    hardware = config.get("hardware") or {}
    precision = str(_at(config, "trainer.precision") or "32-true")
    device = hardware.get("device")
    governed = _at(config, "trainer.accelerator") in ACCELERATORS.get(str(device), ())
    found = []
    if governed and device != "cpu" and precision.startswith(("32", "64")):
        half = next((f for f in ("bf16", "fp16") if hardware.get(f"supports_{f}") is True), "")
        if half:
            name = "bf16-mixed" if half == "bf16" else "16-mixed"
            found.append(f"half precision (trainer.precision={name})")
    if _at(config, "model.gradient_checkpointing") is False and (
        hardware.get("supports_gradient_checkpointing") is not False
    ):
        found.append("gradient checkpointing (model.gradient_checkpointing=true)")
    limits = [
        f"hardware.{name}"
        for name in ("max_batch_size", "max_sequence_length", "max_lora_rank")
        if hardware.get(name) is not None
    ]
    if governed and limits:
        found.append(f"lower limits in the hardware profile ({', '.join(limits)})")
    return found


def _at(config: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    found = config.get(section)
    return found.get(name) if isinstance(found, Mapping) else None
