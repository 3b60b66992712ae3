"""The hardware card: what this machine has, what the profile allows, and what the config uses of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainer.display import duration, size
from trainer.events.text import clean
from tui.screens.launch.clamping import value_at

if TYPE_CHECKING:
    from trainer.config.hardware_batch import Batch
    from trainer.config.hardware_detect import Machine
    from trainer.config.hardware_fit import Verdict
    from tui.screens.launch.need import Need
    from tui.sources.sweepcost import Cost


@dataclass(frozen=True)
class Fact:
    """One line of the card.

    Attributes:
        name: What it is about.
        used: What the config takes.
        limit: What the profile allows, or how it is known.
        key: The config key that sets it; empty if none does.
        wrong: Whether it is too much.
    """

    name: str
    used: str
    limit: str = ""
    key: str = ""
    wrong: bool = False


@dataclass(frozen=True)
class Fit:
    """How the profile of a config stands to this machine.

    Attributes:
        here: What this machine has, in a sentence.
        fitting: The profiles that fit it.
        reasons: Why the config's profile does not; empty if it does.
        unsupported: Why the profile is marked as unsupported; empty if it is not.
        instead: The profiles that allow the config and, if any fits, fit this machine.
    """

    here: str = ""
    fitting: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    unsupported: str = ""
    instead: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """All of it, but for the memory that is estimated later.

    Attributes:
        name: The hardware's name.
        fit: How it stands to this machine.
        facts: The lines, those of the memory excepted.
        cost: What earlier runs like it took; None if there are none.
    """

    name: str = ""
    fit: Fit = field(default_factory=Fit)
    facts: tuple[Fact, ...] = ()
    cost: Cost | None = None


def card_of(
    config: Mapping[str, Any],
    machine: Machine,
    verdicts: list[Verdict],
    cost: Cost | None = None,
    dash: str = "—",
) -> Card:
    """Make the card of a composed config; for a thread.

    Args:
        config: It, however wrong it may be.
        machine: This machine.
        verdicts: What it means for each profile.
        cost: What earlier runs like it took.
        dash: Stands where nothing is known.
    """
    hardware = config.get("hardware")
    if not isinstance(hardware, Mapping):
        return Card()
    name = clean(str(hardware.get("name") or hardware.get("device") or dash))
    facts = (*_facts(config, dash), *_money(config, cost))
    return Card(name, _fit(config, hardware, machine, verdicts), facts, cost)


def _fit(
    config: Mapping[str, Any],
    hardware: Mapping[str, Any],
    machine: Machine,
    verdicts: list[Verdict],
) -> Fit:
    from trainer.config.hardware_detect import facts_of
    from trainer.config.hardware_fit import misfits
    from trainer.config.hardware_rules import excesses

    def allows(profile: Mapping[str, Any]) -> bool:
        held = {**config, "hardware": {**profile, "device": None}}
        # Its precision is chosen anew for another machine.
        return all(excess.key == "trainer.precision" for excess in excesses(held))

    unsupported = ""
    if hardware.get("status") == "unsupported":
        unsupported = clean(str(hardware.get("notes") or "marked so in its profile")).rstrip(".")
    reasons = () if unsupported else tuple(map(clean, misfits(hardware, machine)))
    fitting = tuple(clean(each.name) for each in verdicts if each.fits)
    able = [
        each
        for each in verdicts
        if each.profile.get("status") != "unsupported" and allows(each.profile)
    ]
    instead = [each for each in able if each.fits] or able
    return Fit(
        clean(facts_of(machine)[1]),
        fitting,
        reasons,
        unsupported,
        tuple(clean(each.name) for each in instead) if reasons or unsupported else (),
    )


def _facts(config: Mapping[str, Any], dash: str) -> Iterator[Fact]:
    """Say what the config takes of what there is, line by line."""
    from trainer.config.hardware_batch import batch_of, devices_of
    from trainer.config.hardware_rules import excesses, governs, lengths

    over = {each.key for each in excesses(config)}
    # A run on another kind of device is not measured by this profile.
    unchecked = "" if governs(config) else ", not checked"

    def at(key: str) -> Any:
        return value_at(config, key)

    def fact(name: str, key: str, used: Any, limit: str = "") -> Fact:
        return Fact(
            name, clean(dash if used is None else str(used)), clean(limit), key, key in over
        )

    def most(key: str) -> str:
        limit = at(f"hardware.{key}")
        return f"at most {limit}{unchecked}" if limit is not None else ""

    accelerator, has = at("trainer.accelerator") or at("hardware.device"), at("hardware.devices")
    devices = devices_of(at("trainer.devices"), accelerator)
    several = f"{devices or 'all'} x {accelerator}" if devices != 1 else accelerator
    there = f"{has} x " if has not in (None, 1) else ""
    yield fact("device", "trainer.devices", several, f"has {there}{at('hardware.device') or dash}")
    precision = at("trainer.precision") or ("by amp" if at("trainer.amp") else "32-true")
    known = [half for half in ("fp16", "bf16") if at(f"hardware.supports_{half}")]
    yield fact("precision", "trainer.precision", precision, f"has {', '.join(['fp32', *known])}")
    batch = batch_of(config)
    used = f"{batch.size} per device" if batch is not None else at("dataloader.batch_size")
    yield fact("batch", "dataloader.batch_size", used, most("max_batch_size"))
    if batch is not None and batch.effective != batch.size:
        yield fact("effective", "trainer.accumulate_grad_batches", _effective(batch))
    for key, length in lengths(config):
        yield fact("sequence", key, f"{length} tokens", most("max_sequence_length"))
    rank = at("lora.r")
    if rank is not None:
        yield fact("LoRA rank", "lora.r", rank, most("max_lora_rank"))
    saving = at("model.gradient_checkpointing")
    if isinstance(saving, bool):
        can = at("hardware.supports_gradient_checkpointing")
        limit = "" if can is None else "supported" if can else "not supported"
        key = "model.gradient_checkpointing"
        yield fact("checkpointing", key, "of activations" if saving else "off", limit)


def _effective(batch: Batch) -> str:
    """Say what a step sees, the sum first, as what comes last may be cut off."""
    factors, equals, total = str(batch).partition(" = ")
    return f"{total} = {factors.replace(' per device', '', 1)}" if equals else factors


def _money(config: Mapping[str, Any], cost: Cost | None) -> Iterator[Fact]:
    """Say how long it may take, and what that costs."""
    from tui.sources.sweepcost import said

    wall, hourly = value_at(config, "limits.wall_clock"), value_at(config, "hardware.cost_per_hour")
    limited = isinstance(wall, int | float) and not isinstance(wall, bool)
    if limited or cost is not None:
        used = said(cost, 1, 1) if cost is not None else "unknown"
        limit = f"stops at {duration(wall)}" if limited else ""
        yield Fact("time", clean(used), limit, "limits.wall_clock")
    if isinstance(hourly, int | float) and not isinstance(hourly, bool):
        about = f", about {hourly * cost.each / 3600:.2f} $" if cost is not None else ""
        most = f"at most {hourly * wall / 3600:.2f} $" if limited else ""
        used = f"{hourly:.2f} $ an hour{about}" if hourly else "nothing to pay"
        yield Fact("cost", used, most if hourly else "", "hardware.cost_per_hour")


def memory_fact(config: Mapping[str, Any], need: Need | None) -> Fact:
    """Say how much memory it takes of how much.

    Args:
        config: The composed config.
        need: What is known of it so far; None if nothing is asked.
    """
    from trainer.runs.estimate import limit_of

    key, limit = "hardware.available_memory_gb", limit_of(config)
    has = f"has {value_at(config, key):g} GB" if limit is not None else "no limit is known"
    found = need.estimate if need is not None else None
    if found is None:
        said = need.said if need is not None and not need.wrong else ""
        return Fact("memory", said or "unknown", has, key)
    used = size(found.total) if found.whole else f"at least {size(found.total)}"
    return Fact("memory", used, has, key, found.fits(limit) is False)
