"""What a hardware profile means here: whether this machine has it, and which presets it lets train."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.sources.profiles import Entry
from tui.text import clean

if TYPE_CHECKING:
    from trainer.config.edit import ProfileText
    from trainer.config.hardware_fit import Use
    from tui.context import Context
    from tui.screens.profiles.editing import Look


@dataclass(frozen=True)
class Fitting:
    """What is known of it.

    Attributes:
        text: The text of the profile that this holds for.
        machine: What this machine has, in words.
        reasons: Why the profile does not fit it; empty if it does.
        presets: What each preset becomes with it; empty if nothing can train with it.
    """

    text: str
    machine: str
    reasons: tuple[str, ...]
    presets: tuple[Use, ...] = ()


def fitting(entry: Entry, profile: ProfileText, seen: Look, context: Context) -> Fitting | None:
    """Find out what a hardware profile means here; takes tenths of a second.

    Args:
        entry: The profile.
        profile: Its text.
        seen: What that composes to.
        context: Where profiles lie.

    Returns:
        What is known; None where nothing could be composed.
    """
    from trainer.config.hardware_detect import facts_of, machine
    from trainer.config.hardware_fit import misfits, uses

    if seen.composed is None:
        return None
    here = machine()
    hardware = seen.composed.config.get("hardware") or {}
    presets = uses(
        entry.name,
        context.profiles_dir,
        context.config_file,
        cwd=context.cwd,
        texts={str(entry.path) if entry.table else entry.full: profile.text},
    )
    supported = hardware.get("status") != "unsupported"
    return Fitting(
        profile.text,
        facts_of(here)[1],
        tuple(misfits(hardware, here)),
        tuple(presets) if supported else (),
    )


def fitting_lines(found: Fitting | None) -> Iterator[str]:
    """Say it in lines, harmless."""
    if found is None:
        return
    if found.reasons:
        yield clean(f"not this machine: {'; '.join(found.reasons)}")
    else:
        yield "fits this machine"
    yield clean(f"this machine: {found.machine}")
    fit = [use.preset for use in found.presets if use.words and not use.clamp]
    if fit:
        yield clean(f"presets that fit: {', '.join(fit)}")
    over = [f"{use.preset} ({', '.join(use.beyond)})" for use in found.presets if use.clamp]
    if over:
        yield clean(f"beyond its limits, for --clamp to lower: {', '.join(over)}")
    cannot = [use for use in found.presets if not use.words]
    for why in dict.fromkeys(use.why for use in cannot):
        names = ", ".join(use.preset for use in cannot if use.why == why)
        yield clean(f"{names} cannot: {why}")
