"""The last touches to a composed config: lengths of time in seconds, device and precision decided.

What is decided here for the person is told, with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from trainer.config.durations import seconds as parse_duration
from trainer.config.hardware_rules import hardware_notes
from trainer.config.health_rules import health_notes
from trainer.config.loader_rules import loader_notes
from trainer.config.loss_rules import waiting_notes
from trainer.config.schema import defaults, fields
from trainer.config.schema_base import Key
from trainer.config.torch_together import plateau_notes
from trainer.config.trainer_rules import trainer_notes

__all__ = ["finalize", "parse_duration"]

_DURATIONS = ("limits.wall_clock", "limits.grace")
_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}
# Half precision that a CPU lacks; Lightning would put bf16 in its place without a word.
_NOT_ON_CPU = ("16-mixed", "16", 16)


def finalize(
    config: Mapping[str, Any], provenance: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Decide what the composition left open.

    Values of a wrong type or out of bounds are left as they are, for `validate` to name.

    Args:
        config: The composed, resolved config in canonical keys; it is not changed.
        provenance: For each dotted key what set it.

    Returns:
        The final config, notes for the person, and for each key set here the reason.
    """
    # Only these sections are changed, and only at their top: the rest may be shared.
    final = {
        name: dict(section) if isinstance(section, dict) else section
        for name, section in config.items()
    }
    notes: list[str] = []
    reasons: dict[str, str] = {}
    _numbers(final)
    _detected(final, notes, reasons)
    _device(final, reasons)
    _precision(final, notes, reasons)
    _language_model(final, reasons)
    notes += _two_ends(final, provenance or {})
    notes += hardware_notes(final)
    notes += trainer_notes(final)
    notes += loader_notes(final)
    notes += plateau_notes(final)
    notes += health_notes(final)
    notes += _not_acted_on(final)
    notes += waiting_notes(final)
    return final, notes, reasons


def _two_ends(config: dict[str, Any], provenance: Mapping[str, Any]) -> list[str]:
    """Say so where both ends of training are set: the person may have thought of one only."""
    trainer = config.get("trainer")
    if not isinstance(trainer, dict):
        return []
    ends = {
        key: value
        for key in ("max_epochs", "max_steps")
        if isinstance(value := trainer.get(key), int) and value > 0
    }
    if len(ends) < 2:
        return []
    texts = [
        f"trainer.{key}={value} ({provenance.get(f'trainer.{key}', 'unknown')})"
        for key, value in ends.items()
    ]
    return [f"training ends at {' or '.join(texts)}, whichever comes first"]


def _numbers(config: dict[str, Any]) -> None:
    """Make lengths of time seconds, and whole floats integers where the schema wants integers."""
    for key in _DURATIONS:
        section, name = _place(config, key)
        if section is None or name not in section:
            continue
        try:
            section[name] = parse_duration(section[name])
        except ValueError:
            continue
        if section[name] is None and key == "limits.grace":
            section[name] = 0.0
    for path in _integer_keys():
        node: Any = config
        for part in path[:-1]:
            node = node.get(part) if isinstance(node, dict) else None
        value = node.get(path[-1]) if isinstance(node, dict) else None
        if isinstance(value, float) and value.is_integer():
            _set(config, path, int(value))


@cache
def _integer_keys() -> tuple[tuple[str, ...], ...]:
    """Give the keys that take integers and no other numbers."""
    return tuple(
        tuple(known.key.split("."))
        for known in fields().values()
        if "int" in known.type.split(" | ") and "float" not in known.type.split(" | ")
    )


def _set(config: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value below; the sections on the way, which may be shared, are copied."""
    node = config
    for part in path[:-1]:
        node[part] = dict(node[part])
        node = node[part]
    node[path[-1]] = value


def _detected(config: dict[str, Any], notes: list[str], reasons: dict[str, str]) -> None:
    """Fill in what this machine has where the hardware profile asks for that, once and for all."""
    hardware = config.get("hardware")
    if not isinstance(hardware, dict) or hardware.get("detect") is not True:
        return
    from trainer.config.hardware_detect import facts_of, machine

    facts, told = facts_of(machine())
    hardware["detect"] = False
    reasons["hardware.detect"] = "found already; the config holds it"
    for name, value in facts.items():
        if hardware.get(name) is None and value is not None:
            hardware[name] = value
            reasons[f"hardware.{name}"] = "found on this machine"
    notes.append(f"hardware: {told}")


def _device(config: dict[str, Any], reasons: dict[str, str]) -> None:
    trainer, hardware = config.get("trainer"), config.get("hardware")
    if not isinstance(trainer, dict) or not isinstance(hardware, dict):
        return
    device = hardware.get("device")
    named = _hardware_name(hardware)
    accelerator = _ACCELERATORS.get(device) if isinstance(device, str) else None
    if trainer.get("accelerator") == "auto" and accelerator is not None:
        trainer["accelerator"] = accelerator
        reasons["trainer.accelerator"] = f"the device of {named}"
    if trainer.get("devices") != "auto":
        return
    if trainer.get("accelerator") == "cpu":
        trainer["devices"] = 1
        reasons["trainer.devices"] = "one process on a CPU"
    elif isinstance(hardware.get("devices"), int) and trainer.get("accelerator") == accelerator:
        trainer["devices"] = hardware["devices"]
        reasons["trainer.devices"] = f"the devices of {named}"


def _precision(config: dict[str, Any], notes: list[str], reasons: dict[str, str]) -> None:
    trainer, hardware = config.get("trainer"), config.get("hardware")
    if not isinstance(trainer, dict):
        return
    hardware = hardware if isinstance(hardware, dict) else {}
    written, amp = trainer.get("precision"), trainer.get("amp") is True
    on_cpu = trainer.get("accelerator") == "cpu"
    chosen, why = None, ""
    if on_cpu and ((written is None and amp) or _one_of(written, _NOT_ON_CPU)):
        chosen, why = "32-true", f"{_hardware_name(hardware, 'the accelerator')} is a CPU"
        if hardware.get("device") != "cpu":
            why = "the accelerator is a CPU"
    elif written is None and amp:
        chosen, why = _mixed(hardware, str(trainer.get("accelerator")))
    if chosen is None or chosen == written:
        return
    trainer["precision"] = chosen
    reasons["trainer.precision"] = why
    before = "amp" if written is None else written
    notes.append(f"trainer.precision: {before} -> {chosen}, because {why}")


def _mixed(hardware: Mapping[str, Any], accelerator: str) -> tuple[str, str]:
    """Choose a mixed precision: bf16 before fp16, as far as the hardware profile knows."""
    device = hardware.get("device")
    if isinstance(device, str) and accelerator in (device, _ACCELERATORS.get(device)):
        named = _hardware_name(hardware)
        if hardware.get("supports_bf16") is True:
            return "bf16-mixed", f"{named} supports bf16"
        if hardware.get("supports_fp16") is False:
            return "32-true", f"{named} supports neither bf16 nor fp16"
        return "16-mixed", f"{named} supports fp16 and not bf16"
    return "16-mixed", f"nothing more is known of the accelerator '{accelerator}'"


_DTYPES = {"bf16": "bfloat16", "16": "float16"}


def _language_model(config: dict[str, Any], reasons: dict[str, str]) -> None:
    """Decide what a language model's frozen weights are kept in, and whether it saves activations."""
    model, hardware = config.get("model"), config.get("hardware")
    if not isinstance(model, dict) or "base_model" not in model:
        return
    hardware = hardware if isinstance(hardware, dict) else {}
    if model.get("dtype", "") is None:
        trainer = config.get("trainer")
        written = trainer.get("precision") if isinstance(trainer, dict) else None
        precision = str(written or "32-true")
        model["dtype"] = _DTYPES.get(precision.partition("-")[0], "float32")
        reasons["model.dtype"] = f"trainer.precision is {precision}"
    if model.get("gradient_checkpointing", "") is None:
        supported = hardware.get("supports_gradient_checkpointing") is True
        # Main memory is seldom what a CPU lacks, and computing twice is what it can spare least.
        wanted = model["gradient_checkpointing"] = supported and hardware.get("device") != "cpu"
        on = "supports it" if supported else "does not support it"
        why = f"{_hardware_name(hardware)} {on}"
        reasons["model.gradient_checkpointing"] = why if wanted or not supported else "on a CPU"


def _not_acted_on(config: Mapping[str, Any]) -> Iterator[str]:
    """Name keys that were set and that this version does nothing about."""
    reported: list[str] = []
    for known, usual in _idle_keys():
        section, name = _place(config, known.key)
        if section is None or name not in section:
            continue
        if section[name] == usual or (_empty(section[name]) and _empty(usual)):
            continue
        if any(known.key.startswith(f"{key}.") for key in reported):
            continue
        if known.section and _known_below(known) and not _extras(section[name], known.key):
            continue  # its keys are named one by one
        reported.append(known.key)
        yield _idle(known)


def _idle(known: Key) -> str:
    _, never, why = known.doc.partition("Without effect: ")
    if never:
        return f"{known.key} has no effect: {why.rstrip('.').replace('`', '')}"
    return f"{known.key}: recognised, not acted on by this version"


@cache
def _idle_keys() -> tuple[tuple[Key, Any], ...]:
    """Give the keys that this version does nothing about, with their defaults."""
    base = defaults()
    return tuple(
        (known, (_place(base, known.key)[0] or {}).get(known.key.rpartition(".")[2]))
        for known in fields().values()
        if not known.acted_on
    )


def _known_below(section: Key) -> list[str]:
    return [key for key in fields() if key.startswith(f"{section.key}.")]


def _extras(value: Any, key: str) -> bool:
    return isinstance(value, Mapping) and any(f"{key}.{name}" not in fields() for name in value)


def _place(config: Mapping[str, Any], key: str) -> tuple[dict[str, Any] | None, str]:
    node: Any = config
    *above, name = key.split(".")
    for part in above:
        node = node.get(part) if isinstance(node, Mapping) else None
    return (node if isinstance(node, dict) else None), name


def _empty(value: Any) -> bool:
    return value is None or value in ({}, [])


def _one_of(value: Any, known: tuple[Any, ...]) -> bool:
    return not isinstance(value, bool) and isinstance(value, str | int) and value in known


def _hardware_name(hardware: Mapping[str, Any], otherwise: str = "the hardware profile") -> str:
    name = hardware.get("name")
    return f"hardware '{name}'" if isinstance(name, str) and name else otherwise
