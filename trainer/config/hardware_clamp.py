"""`--clamp`: lowers what a config asks for to what its hardware profile allows.

The effective batch stays: what a batch loses, accumulation makes up for. Told is what could not stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.config.hardware_batch import batch_of
from trainer.config.hardware_rules import in_turn
from trainer.config.torch_rules import text_of


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that clamping sets.

    Attributes:
        key: The canonical key.
        value: Its new value.
        why: Which key of the profile asks for it, and what it was.
    """

    key: str
    value: Any
    why: str


def clamp(config: Mapping[str, Any]) -> list[Setting]:
    """Find the settings with which a config keeps to its hardware profile.

    Args:
        config: A canonical, finished config; it is not changed.

    Returns:
        The settings in order, none if the config keeps to it.
    """
    settings: dict[str, Setting] = {}
    for excess in in_turn(config):
        for key, value in excess.settings.items():
            why = f"clamped from {text_of(_of(config, key))} by {excess.limit}"
            settings[key] = Setting(key, value, why)
    return [each for each in settings.values() if each.value != _of(config, each.key)]


def unlike(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Tell what did not stay the same: the effective batch, where no division keeps it.

    Args:
        before: A finished config.
        after: What clamping made of it.
    """
    was, now = (batch_of(config) for config in (before, after))
    if was is None or now is None:
        return []
    # Where all devices of a machine train, their number is the same before and after.
    old, new = (
        each.size * each.accumulate * each.nodes * (each.devices or 1) for each in (was, now)
    )
    if old == new:
        return []
    each = " per device" if was.devices is None else ""
    return [f"--clamp: the effective batch becomes {new}{each} instead of {old}"]


def _of(config: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    found = config.get(section)
    return found.get(name) if isinstance(found, Mapping) else None
