"""`--clamp`: lowers what a config asks for to what its hardware profile allows.

The effective batch stays: what a batch loses, accumulation makes up for. Told is what could not stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.config.hardware_rules import excesses
from trainer.config.torch_rules import text_of

# Each excess that is mended may bring another; no config needs as many rounds.
_ROUNDS = 20


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


def clamp(config: Mapping[str, Any]) -> tuple[list[Setting], list[str]]:
    """Find the settings with which a config keeps to its hardware profile.

    Args:
        config: A canonical, finished config; it is not changed.

    Returns:
        The settings in order, none if the config keeps to it, and notes on what does not stay the
        same with them.
    """
    settled: dict[str, Any] = {name: config[name] for name in config}
    settings: dict[str, Setting] = {}
    notes: list[str] = []
    for _ in range(_ROUNDS):
        excess = next(excesses(settled), None)
        if excess is None:
            break
        for key, value in excess.settings.items():
            section, _, name = key.partition(".")
            before = _of(config, key)
            settled[section] = {**(settled.get(section) or {}), name: value}
            why = f"clamped from {text_of(before)} by {excess.limit}"
            settings[key] = Setting(key, value, why)
        if excess.inexact:
            notes.append(f"--clamp: {excess.inexact}")
    changed = [each for each in settings.values() if each.value != _of(config, each.key)]
    return changed, notes


def _of(config: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    found = config.get(section)
    return found.get(name) if isinstance(found, Mapping) else None
