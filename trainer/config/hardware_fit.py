"""Which hardware profiles fit a machine and why others do not, and a profile written for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config.hardware_detect import Machine, facts_of, gigabytes, has_bf16
from trainer.config.hardware_machine import Gpu
from trainer.config.hardware_rules import excesses, hardware_profiles
from trainer.config.text import clean

if TYPE_CHECKING:
    from trainer.config.compose import Composed

# What a card is sold with is a little more than what it can give.
_SOLD = 0.9
_LIMITS = (
    "max_batch_size",
    "max_sequence_length",
    "max_lora_rank",
    "recommended_gradient_accumulation",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a machine means for one hardware profile.

    Attributes:
        name: The profile's option.
        profile: Its keys.
        reasons: Why it does not fit; empty if it does.
    """

    name: str
    profile: Mapping[str, Any]
    reasons: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether it fits."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Use:
    """What to type to train a preset on a machine.

    Attributes:
        preset: Its name.
        words: The overrides, the preset's name first; empty if it cannot train here.
        clamp: Whether `--clamp` is needed.
        why: Why it cannot, or what clamping changes; empty if there is nothing to say.
        beyond: The keys that clamping changes.
    """

    preset: str
    words: tuple[str, ...]
    clamp: bool = False
    why: str = ""
    beyond: tuple[str, ...] = ()


def verdicts(
    machine: Machine, profiles_dir: Path | None = None, config_file: Path | None = None
) -> list[Verdict]:
    """Judge every hardware profile, those that fit first.

    Args:
        machine: The machine.
        profiles_dir: The project's profiles.
        config_file: A TOML file in place of the project's.
    """
    found = [
        Verdict(name, profile, tuple(misfits(profile, machine)))
        for name, profile in hardware_profiles(profiles_dir, config_file).items()
    ]
    return sorted(found, key=lambda verdict: not verdict.fits)


def misfits(profile: Mapping[str, Any], machine: Machine) -> list[str]:
    """Say why a profile does not fit a machine; empty if it does."""
    reasons = []
    if profile.get("status") == "unsupported":
        why = clean(str(profile.get("notes") or "")).rstrip(".")
        reasons.append(f"marked unsupported{f': {why}' if why else ''}")
    device = profile.get("device")
    if profile.get("detect") is True or device in (None, "cpu"):
        return reasons
    if device == "mps":
        if not any(gpu.kind == "mps" for gpu in machine.gpus):
            reasons.append("needs Apple's MPS, and this is no Mac with an Apple chip")
        return reasons + _too_little(profile, [gpu for gpu in machine.gpus if gpu.kind == "mps"])
    gpus = [gpu for gpu in machine.gpus if gpu.kind != "mps"]
    if not gpus:
        return [*reasons, "needs a CUDA GPU, and none is found"]
    usable = [gpu for gpu in gpus if not machine.lacking(gpu)]
    if not usable:
        return [*reasons, machine.lacking(gpus[0])]
    return reasons + _too_little(profile, usable)


def _too_little(profile: Mapping[str, Any], gpus: Sequence[Gpu]) -> list[str]:
    """Say what too few of these GPUs have."""
    wanted = profile.get("devices") or 1
    reasons = []
    if any(gpu.part for gpu in gpus):
        gpus = gpus[:1]  # of slices a process uses one
    if gpus and len(gpus) < wanted:
        reasons.append(f"needs {wanted} GPUs, and there is {len(gpus)}")
    memory = profile.get("available_memory_gb")
    chosen = sorted(gpus, key=lambda gpu: -(gpu.memory or 0))[:wanted]
    known = [gpu for gpu in chosen if gpu.memory is not None]
    least = gigabytes(known[-1].memory) if known else None
    if isinstance(memory, int | float) and least is not None and least < _SOLD * memory:
        reasons.append(f"needs {memory:g} GB, and {known[-1].name} has {least:g}")
    lacks = [gpu for gpu in chosen if gpu.kind != "mps" and not has_bf16(gpu)]
    if profile.get("supports_bf16") is True and lacks:
        reasons.append(f"needs bf16, which {lacks[0].name}{_sm(lacks[0])} lacks")
    return reasons


def _sm(gpu: Gpu) -> str:
    return f" ({gpu.sm})" if gpu.sm else ""


def best(found: Sequence[Verdict]) -> Verdict | None:
    """Choose the profile of those that fit that uses most of the machine."""

    def worth(verdict: Verdict) -> tuple[bool, float, int]:
        profile = verdict.profile
        memory = profile.get("available_memory_gb")
        return (
            profile.get("device") not in (None, "cpu"),
            (memory if isinstance(memory, int | float) else 0) * (profile.get("devices") or 1),
            # Where two are alike, one that knows its limits.
            sum(profile.get(name) is not None for name in _LIMITS),
        )

    fitting = [verdict for verdict in found if verdict.fits and not verdict.profile.get("detect")]
    return max(fitting, key=worth, default=None)


def uses(
    hardware: str,
    profiles_dir: Path | None = None,
    config_file: Path | None = None,
    *,
    cwd: Path | None = None,
    texts: Mapping[str, str] | None = None,
) -> list[Use]:
    """Find out for every preset what to type to train it with a hardware profile.

    Args:
        hardware: The option of `hardware` that fits the machine.
        profiles_dir: The project's profiles.
        config_file: A primary file of the person's own.
        cwd: The project.
        texts: What an editor holds in place of files, as for `compose`.
    """
    from trainer.config.compose import compose
    from trainer.config.sources import options_of, search_path

    composed = partial(
        compose, profiles_dir=profiles_dir, config_file=config_file, cwd=cwd, texts=texts
    )
    presets = options_of(search_path(profiles_dir, cwd, config_file), "preset")
    return [_use(option.name, hardware, composed) for option in presets]


def _use(name: str, hardware: str, composed: Callable[..., Composed]) -> Use:
    from trainer.config.hardware_rules import governs
    from trainer.errors import ConfigError

    words = (f"preset={name}", f"hardware={hardware}")
    try:
        found = composed(words, check=False)
    except ConfigError as error:
        return Use(name, (), why=error.problems[0].what)
    beyond = {excess.key: excess for excess in excesses(found.config)}
    others = [problem for problem in found.problems if problem.key not in beyond]
    if others:
        return Use(name, (), why=others[0].what)
    if not governs(found.config):
        accelerator = found.config["trainer"].get("accelerator")
        return Use(name, (), why=f"it asks for trainer.accelerator={accelerator}")
    typed = (name, f"hardware={hardware}")
    if found.choices.get("hardware") != hardware:
        return Use(name, (), why=f"it asks for hardware={found.choices.get('hardware')}")
    why = "; ".join(excess.what for excess in beyond.values())
    return Use(name, typed, bool(beyond), why, tuple(beyond))


def profile_text(machine: Machine, found: Sequence[Verdict]) -> str:
    """Write a profile for a machine: what it has, and the limits of the nearest known one to choose.

    Args:
        machine: The machine.
        found: The verdicts on the known profiles.
    """
    facts, told = facts_of(machine)
    lines = [f"# This machine: {clean(told, 180)}."]
    lines += [f"{name}: {json.dumps(value)}" for name, value in facts.items() if value is not None]
    near = best([each for each in found if each.profile.get("device") == facts["device"]])
    known = {name: near.profile.get(name) for name in _LIMITS} if near is not None else {}
    lines.append("# Limits of your own; a config that asks for more is refused, or clamped.")
    if near is not None and any(value is not None for value in known.values()):
        lines.append(
            f"# Those of {near.name}, the largest known profile that fits, made for language models:"
        )
    lines += [f"# {name}: {known.get(name) or ''}".rstrip() for name in _LIMITS]
    lines.append("# cost_per_hour:")
    return "\n".join(lines) + "\n"
