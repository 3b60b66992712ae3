"""What is wrong, or without effect, in the keys of `health` taken together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainer.config.schema_health import KINDS, Health
from trainer.config.torch_rules import origin, text_of
from trainer.errors import Problem, nearest


def health_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find alerts that nobody knows, and commands that are missing. Runs and looks up nothing."""
    section = config.get("health")
    if not isinstance(section, Mapping):
        return
    kinds = section.get("per_kind")
    for kind in kinds if isinstance(kinds, Mapping) else ():
        if kind not in KINDS:
            yield Problem(
                f"'health.per_kind' has {text_of(kind)}, and there is no such alert.",
                origin(f"health.per_kind.{kind}", where),
                f"{nearest(str(kind), KINDS)} There are {', '.join(KINDS)}.".strip(),
                f"health.per_kind.{kind}",
            )
    command = section.get("command")
    if isinstance(command, list) and (not command or not str(command[0]).strip()):
        yield Problem(
            "'health.command' names no program.",
            origin("health.command", where),
            "Give the program and its arguments as a list: [notify-send, training].",
            "health.command",
        )
    elif not command:
        key = _asks_for_command(section)
        if key:
            yield Problem(
                f"'{key}' asks for a command, and 'health.command' is not set.",
                origin(key, where),
                "Set it to the program and its arguments: health.command=[notify-send, training].",
                "health.command",
            )


def health_notes(config: Mapping[str, Any]) -> Iterator[str]:
    """Tell of a command that no alert would run, and of a level to stop at where none stops."""
    section = config.get("health")
    if not isinstance(section, Mapping):
        return
    usual = Health.model_fields["stop_from"].default
    if section.get("stop_from", usual) != usual and section.get("on_alert") != "stop":
        yield "health.stop_from: stops nothing without health.on_alert=stop"
    if not section.get("command"):
        return
    if section.get("enabled") is False:
        yield "health.command: nothing is watched while health.enabled is false"
    elif section.get("on_alert") == "warn" and not _asks_for_command(section):
        yield "health.command: runs only where health.on_alert is command or stop"


def _asks_for_command(section: Mapping[str, Any]) -> str:
    """Give the key that asks for the command; empty if none does."""
    if section.get("on_alert") == "command":
        return "health.on_alert"
    kinds = section.get("per_kind")
    for kind, action in kinds.items() if isinstance(kinds, Mapping) else ():
        if action == "command":
            return f"health.per_kind.{kind}"
    return ""
