"""What a hardware profile allows: refused before launch where a config asks for more.

Each excess knows the settings that would mend it, so that the error, `--clamp` and the screens say
the same. A profile speaks of its own kind of device only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.config.hardware_batch import batch_of, devices_of, whole
from trainer.config.text import clean
from trainer.config.torch_rules import is_number, origin, text_of
from trainer.errors import Problem, TraindeckError

ACCELERATORS = {"cuda": ("gpu", "cuda"), "mps": ("mps", "gpu"), "cpu": ("cpu",)}
"""What `trainer.accelerator` may be for each `hardware.device`."""

# Every key that says how many tokens a sample has, and the loader that it belongs to.
_LENGTHS = (
    ("data.sequence_length", None),
    ("data.context", None),
    ("dataloader.max_length", "TextDataLoader"),
)
# Half precisions by what they need, with what stands for them in the other half and in full.
_HALVES = {
    "16": ("supports_fp16", "bf16", "32"),
    "16-mixed": ("supports_fp16", "bf16-mixed", "32-true"),
    "16-true": ("supports_fp16", "bf16-true", "32-true"),
    "transformer-engine-float16": ("supports_fp16", "bf16-mixed", "32-true"),
    "bf16": ("supports_bf16", "16", "32"),
    "bf16-mixed": ("supports_bf16", "16-mixed", "32-true"),
    "bf16-true": ("supports_bf16", "16-true", "32-true"),
    "transformer-engine": ("supports_bf16", "16-mixed", "32-true"),
}
# Each excess that is mended may bring another; no config needs as many rounds.
_ROUNDS = 20
_COUNTED = (
    "val_check_interval",
    "limit_train_batches",
    "limit_val_batches",
    "limit_test_batches",
    "overfit_batches",
)


@dataclass(frozen=True, slots=True)
class Excess:
    """One thing that a config asks for and its hardware profile does not allow.

    Attributes:
        key: The key that asks for it.
        limit: The key of the profile that does not allow it.
        what: What is wrong, in a sentence.
        settings: The values that would mend it, by key.
        inexact: What would not stay the same with them, in words; empty if nothing.
    """

    key: str
    limit: str
    what: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    inexact: str = ""


def governs(config: Mapping[str, Any]) -> bool:
    """Say whether a config trains on the kind of device that its hardware profile describes."""
    hardware, trainer = _section(config, "hardware"), _section(config, "trainer")
    device = hardware.get("device")
    if device is None:
        return True
    return trainer.get("accelerator") in ACCELERATORS.get(str(device), ())


def excesses(config: Mapping[str, Any]) -> Iterator[Excess]:
    """Find what a config asks for beyond its hardware profile; values of wrong types are passed over."""
    if governs(config):
        for rule in (_devices, _batch, _sequence, _rank, _precision, _checkpointing):
            yield from rule(config)


def in_turn(config: Mapping[str, Any]) -> Iterator[Excess]:
    """Find the same one after the other, each on the config in which those before it are mended.

    So the settings of all of them together keep the effective batch.
    """
    settled: dict[str, Any] = {name: config[name] for name in config}
    for _ in range(_ROUNDS):
        excess = next(excesses(settled), None)
        if excess is None:
            return
        for key, value in excess.settings.items():
            section, _, name = key.partition(".")
            settled[section] = {**(settled.get(section) or {}), name: value}
        yield excess


def hardware_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Refuse what the hardware profile does not allow, with the settings that would do."""
    hardware = _section(config, "hardware")
    if hardware.get("status") == "unsupported":
        why = str(hardware.get("notes") or "").rstrip(".")
        named = text_of(hardware.get("name") or hardware.get("device") or "this hardware")
        yield Problem(
            f"Hardware {named} is unsupported{f': {why}' if why else ''}.",
            origin("hardware.status", where),
            f"Choose another ({_others(config)}), or set hardware.status=supported if it works for "
            "you; `traindeck hardware` tells what this machine can do.",
            "hardware.status",
        )
        return
    for excess in in_turn(config):
        limit = origin(excess.limit, where)
        words = " ".join(f"{key}={text_of(value)}" for key, value in excess.settings.items())
        loose = f" ({excess.inexact})" if excess.inexact else ""
        yield Problem(
            f"{excess.what} ({excess.limit}{f', {limit}' if limit else ''}).",
            origin(excess.key, where),
            f"Set {words}{loose}, or let `--clamp` do so; if the profile is wrong, change "
            f"{excess.limit}.",
            excess.key,
        )


def hardware_notes(config: Mapping[str, Any]) -> Iterator[str]:
    """Tell where a profile says nothing about what trains, or a guard could never act."""
    hardware, trainer = _section(config, "hardware"), _section(config, "trainer")
    if not governs(config):
        held = {**config, "hardware": {**hardware, "device": None}}
        if any(True for _ in excesses(held)):
            yield (
                f"{hardware_name(config)} is of another kind than "
                f"trainer.accelerator={trainer.get('accelerator')}, so its limits are not checked"
            )
        return
    limits, memory = _section(config, "limits"), hardware.get("available_memory_gb")
    key = "gpu_memory_gb" if hardware.get("device") == "cuda" else "memory_gb"
    asked = limits.get(key)
    if is_number(asked) and is_number(memory) and asked > memory:
        yield (
            f"limits.{key}={asked:g} is more than {hardware_name(config)} has ({memory:g} GB), which "
            "may run out first"
        )


def hardware_name(config: Mapping[str, Any]) -> str:
    """Give the profile's name as a sentence has it."""
    name = _section(config, "hardware").get("name")
    return f"hardware '{clean(name)}'" if isinstance(name, str) and name else "the hardware profile"


def _devices(config: Mapping[str, Any]) -> Iterator[Excess]:
    hardware, trainer = _section(config, "hardware"), _section(config, "trainer")
    most, asked = whole(hardware.get("devices")), devices_of(trainer.get("devices"))
    if hardware.get("device") == "cpu" or most is None or asked is None or asked <= most:
        return
    wanted: Any = trainer["devices"]
    settings: dict[str, Any] = {"trainer.devices": _first(wanted, most)}
    inexact = ""
    if batch := batch_of(config):
        accumulate = -(-batch.accumulate * asked // most)
        settings |= _steps(config, accumulate, asked / most)
        if accumulate * most != batch.accumulate * asked:
            was, now = (
                batch.size * batch.nodes * n for n in (batch.accumulate * asked, accumulate * most)
            )
            inexact = f"the effective batch becomes {now} instead of {was}"
    yield Excess(
        "trainer.devices",
        "hardware.devices",
        f"'trainer.devices' is {text_of(wanted)}, and {hardware_name(config)} has {most}",
        settings,
        inexact,
    )


def _first(wanted: Any, most: int) -> Any:
    """Give the first so many of `trainer.devices`, which counts or names them."""
    if isinstance(wanted, list | tuple):
        return list(wanted[:most])
    if isinstance(wanted, str) and "," in wanted:
        return [int(part) for part in wanted.split(",") if part.strip()][:most]
    return most


def _batch(config: Mapping[str, Any]) -> Iterator[Excess]:
    most, batch = whole(_section(config, "hardware").get("max_batch_size")), batch_of(config)
    if most is None or batch is None or batch.size <= most:
        return
    # Of the sizes down to half the limit the largest with which the effective batch stays.
    together = batch.size * batch.accumulate
    exact = (size for size in range(most, (most - 1) // 2, -1) if together % size == 0)
    size = next(exact, most)
    accumulate = -(-together // size)
    inexact = ""
    if accumulate * size != together:
        others = (batch.devices or 1) * batch.nodes
        inexact = f"the effective batch becomes {accumulate * size * others} instead of {together * others}"
    yield Excess(
        "dataloader.batch_size",
        "hardware.max_batch_size",
        f"'dataloader.batch_size' is {batch.size}, and {hardware_name(config)} takes at most {most}",
        {"dataloader.batch_size": size, **_steps(config, accumulate, batch.size / size)},
        inexact,
    )


def _steps(config: Mapping[str, Any], accumulate: int, times: float) -> dict[str, Any]:
    """Give the settings that keep the steps what they were while batches are so many times as many.

    What is counted in batches grows with them: the same samples are trained on and validated.
    """
    trainer = _section(config, "trainer")
    settings: dict[str, Any] = {"trainer.accumulate_grad_batches": accumulate}
    for name in _COUNTED:
        count = whole(trainer.get(name))
        if count is not None:
            settings[f"trainer.{name}"] = max(1, round(count * times))
    return settings


def lengths(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Give every key that says how many tokens a sample has, with its value."""
    for key, loader in _LENGTHS:
        section, _, name = key.partition(".")
        length = whole(_section(config, section).get(name))
        fits = loader is None or _section(config, "dataloader").get("type") == loader
        if length is not None and fits:
            yield key, length


def _sequence(config: Mapping[str, Any]) -> Iterator[Excess]:
    most = whole(_section(config, "hardware").get("max_sequence_length"))
    for key, length in lengths(config):
        if most is not None and length > most:
            yield Excess(
                key,
                "hardware.max_sequence_length",
                f"'{key}' is {length}, and {hardware_name(config)} takes at most {most} tokens",
                {key: most},
            )


def _rank(config: Mapping[str, Any]) -> Iterator[Excess]:
    most = whole(_section(config, "hardware").get("max_lora_rank"))
    lora = _section(config, "lora")
    rank, pattern = whole(lora.get("r")), _section(lora, "rank_pattern")
    if most is None:
        return
    if rank is not None and rank > most:
        key, asked = "lora.r", f"'lora.r' is {rank}"
    else:
        name = next((name for name in pattern if (whole(pattern[name]) or 0) > most), None)
        if name is None:
            return
        key, asked = "lora.rank_pattern", f"'lora.rank_pattern' gives {name} {pattern[name]}"
    yield Excess(
        key,
        "hardware.max_lora_rank",
        f"{asked}, and {hardware_name(config)} takes a rank of at most {most}",
        _lower_ranks(lora, most),
    )


def _lower_ranks(lora: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Give the settings that lower all ranks to `most` while each adapter's scale stays.

    The scale is alpha / r, with `use_rslora` alpha / √r.
    """
    rank, alpha = whole(lora.get("r")), lora.get("lora_alpha")
    ranks, alphas = _section(lora, "rank_pattern"), _section(lora, "alpha_pattern")
    power = 0.5 if lora.get("use_rslora") is True else 1.0

    def scaled(value: Any, of: int | None) -> Any:
        if not is_number(value) or value <= 0 or of is None or of <= most:
            return value
        lowered = value * (most / of) ** power
        return round(lowered) if abs(lowered - round(lowered)) < 1e-9 else lowered

    settings: dict[str, Any] = {}
    if rank is not None and rank > most:
        settings["lora.r"] = most
        if alpha is not None:
            settings["lora.lora_alpha"] = scaled(alpha, rank)
    lowered = {
        name: min(rank, most) if (rank := whole(value)) else value for name, value in ranks.items()
    }
    if lowered != ranks:
        settings["lora.rank_pattern"] = lowered
    found = dict(alphas)
    for name in (*ranks, *alphas):
        own = scaled(alphas.get(name, alpha), whole(ranks.get(name, rank)))
        if name in alphas or own != settings.get("lora.lora_alpha", alpha):
            found[name] = own
    if found != alphas:
        settings["lora.alpha_pattern"] = found
    return settings


def _precision(config: Mapping[str, Any]) -> Iterator[Excess]:
    hardware, trainer = _section(config, "hardware"), _section(config, "trainer")
    precision = trainer.get("precision")
    known = _HALVES.get(str(precision)) if not isinstance(precision, bool) else None
    if known is None or hardware.get(known[0]) is not False:
        return
    flag, other, full = known
    flag_of_other = _HALVES[other][0]
    takes = other if hardware.get(flag_of_other) is True else full
    half = flag.removeprefix("supports_")
    yield Excess(
        "trainer.precision",
        f"hardware.{flag}",
        f"'trainer.precision' is {precision}, and {hardware_name(config)} does not support {half}",
        {"trainer.precision": takes},
    )


def _checkpointing(config: Mapping[str, Any]) -> Iterator[Excess]:
    model = _section(config, "model")
    if model.get("gradient_checkpointing") is not True:
        return
    if _section(config, "hardware").get("supports_gradient_checkpointing") is False:
        yield Excess(
            "model.gradient_checkpointing",
            "hardware.supports_gradient_checkpointing",
            f"'model.gradient_checkpointing' is true, and {hardware_name(config)} does not support it",
            {"model.gradient_checkpointing": False},
        )


def _others(config: Mapping[str, Any]) -> str:
    """Name the hardware profiles with which a config would be allowed."""

    def allowed(profile: Mapping[str, Any]) -> bool:
        with_it = {**config, "hardware": {**profile, "device": None}}
        # Its precision is chosen anew for another machine.
        return not any(excess.key != "trainer.precision" for excess in excesses(with_it))

    found = supported_profiles(allowed) or supported_profiles(lambda _: True)
    return ", ".join(f"hardware={name}" for name in found) or "hardware=cpu"


def supported_profiles(allowed: Callable[[Mapping[str, Any]], bool]) -> list[str]:
    """Name the hardware profiles that are not marked unsupported and pass a test, sorted."""
    return [
        name
        for name, profile in hardware_profiles().items()
        if profile.get("status") != "unsupported" and allowed(profile)
    ]


def hardware_profiles(
    profiles_dir: Path | None = None, config_file: Path | None = None
) -> dict[str, Mapping[str, Any]]:
    """Read every hardware profile that can be read, YAML files and TOML tables, by its option's name.

    Args:
        profiles_dir: The project's profiles.
        config_file: A TOML file in place of the project's.
    """
    from trainer.config.sources import search_path
    from trainer.config.tables import profile

    found: dict[str, Mapping[str, Any]] = {}
    with suppress(TraindeckError, OSError):
        sources = search_path(profiles_dir, config_file=config_file)
        for name in sources.options("hardware"):
            with suppress(TraindeckError):
                read = profile(sources, f"hardware/{name}")
                values = read.values if read is not None else {}
                below = values.get("hardware", values)
                found[name] = below if isinstance(below, Mapping) else {}
    return found


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, Mapping) else {}
