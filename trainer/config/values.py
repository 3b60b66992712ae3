"""One key at a time: what it takes, what a person typed for it, and how its value is written.

Every form reads these: the profiles' and the launch screen's. Nothing is composed here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.config.schema import fields
from trainer.config.schema_base import Key
from trainer.config.text import clean

_INDEX = re.compile(r"\.\d+(?=\.|$)")
_CLASSES = {"optimizer.config": "optimizer.type", "scheduler.config": "scheduler.type"}
_DURATIONS = ("limits.wall_clock", "limits.grace")
_HELP = {
    "lr": "Learning rate.",
    "weight_decay": "How strongly weights are drawn towards zero.",
    "betas": "How slowly the means of gradients and of their squares move.",
    "momentum": "How much of the last step is kept.",
    "eps": "Keeps a division from being one by zero.",
    "T_max": "Steps or epochs of half a cosine.",
    "eta_min": "Lowest learning rate.",
    "gamma": "Factor of the learning rate at each decay.",
    "milestones": "Where the learning rate decays.",
    "max_lr": "Highest learning rate.",
    "total_steps": "Steps of the whole schedule.",
    "pct_start": "Share of the schedule in which the learning rate rises.",
    "patience": "How long a metric may fail to improve.",
    "factor": "Factor of the learning rate.",
    "step_size": "Steps or epochs between two decays.",
}


def about(key: str, config: Mapping[str, Any] | None = None) -> Key | None:
    """Tell what a key takes: a key of the schema, or a keyword of the optimiser or scheduler.

    Args:
        key: The canonical dotted key.
        config: The config it stands in, which says which optimiser and scheduler there is.
    """
    known = fields().get(_INDEX.sub(".*", key))
    if known is not None:
        return known
    above, _, name = key.rpartition(".")
    if above not in _CLASSES:
        return None
    return next(
        (found for found in _keywords(above, config) if found.key.endswith(f".{name}")), None
    )


def known_keys(config: Mapping[str, Any] | None = None) -> list[Key]:
    """Give every key that may be set, those of a list's items left out.

    Args:
        config: As for `about`.
    """
    found: list[Key] = []
    for known in fields().values():
        if known.key in _CLASSES:
            found += _keywords(known.key, config)
        elif not known.section and "*" not in known.key:
            found.append(known)
    return found


def _keywords(section: str, config: Mapping[str, Any] | None) -> Iterator[Key]:
    """Give the keywords of the class that a section configures as keys."""
    from trainer.config.torch_args import OPTIMIZERS, SCHEDULERS

    above = section.partition(".")[0]
    classes = OPTIMIZERS if above == "optimizer" else SCHEDULERS
    name = _chosen(config, above)
    for word in classes.get(name, ()):
        kind = "list[float]" if word.kind.startswith("float*") else word.kind
        yield Key(
            key=f"{section}.{word.name}",
            type=f"{kind} | null" if word.nullable and kind != "any" else kind,
            default=word.default,
            doc=_HELP.get(word.name, f"Keyword of {name}."),
        )


def _chosen(config: Mapping[str, Any] | None, section: str) -> str:
    below = (config or {}).get(section)
    name = below.get("type") if isinstance(below, Mapping) else None
    if name is None and section == "optimizer":
        name = fields()["optimizer.type"].default
    return name if isinstance(name, str) else ""


def typed(text: str, known: Key | None) -> Any:
    """Read what a person typed for a key, by the rules of profiles.

    Text is taken as it is where the key takes nothing else; numbers, lists and so on are YAML.

    Args:
        text: As typed.
        known: What the key takes; None if nothing is known of it.

    Raises:
        ValueError: The text is no YAML; the message says why.
    """
    from trainer.config.loader import parse
    from trainer.errors import ConfigError

    text = text.strip()
    kinds = known.type.split(" | ") if known is not None else []
    if kinds and set(kinds) <= {"str", "null"}:
        return None if text in ("", "null", "~") and "null" in kinds else _unquoted(text)
    if not text:
        return None if "null" in kinds else ""
    if known is not None and known.key in _DURATIONS and ":" in text:
        return _unquoted(text)  # YAML would read a clock as one large number
    try:
        return parse(f"x: {text}\n", "", "").values.get("x")
    except ConfigError as error:
        if "str" in kinds:
            return text
        raise ValueError(error.problems[0].what) from None


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def shown(value: Any) -> str:
    """Write a value as a person reads and types it: YAML on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if value.isprintable() and value else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {shown(below)}" for name, below in value.items()) + "}"
    return str(value)


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf")


def problem_with(key: str, value: Any, config: Mapping[str, Any] | None = None) -> str:
    """Say what is wrong with a value of a key taken alone; empty if nothing is.

    Args:
        key: The canonical dotted key.
        value: The value, as it would be read from a profile.
        config: As for `about`.
    """
    from trainer.config.durations import seconds
    from trainer.config.validate import validate

    if isinstance(value, str) and "${" in value:
        return ""
    if key in _DURATIONS:
        try:
            value = seconds(value)
        except ValueError as error:
            return clean(f"'{key}' {error}.")
    section = key.rpartition(".")[0]
    tree: dict[str, Any] = {}
    if section in _CLASSES:
        _put(tree, _CLASSES[section], _chosen(config, section.partition(".")[0]) or None)
    _put(tree, key, value)
    for problem in validate(tree):
        if problem.key == key or problem.key.startswith(f"{key}."):
            return f"{problem.what} {problem.remedy}".strip()
    return ""


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *above, name = key.split(".")
    for part in above:
        tree = tree.setdefault(part, {})
    tree[name] = value


def override(key: str, value: Any) -> str:
    """Write an override that sets a key to a value, in Hydra's grammar.

    Args:
        key: The canonical dotted key.
        value: Any plain value.
    """
    from trainer.config.overrides import Override, parse

    plain = f"{key}={value}" if isinstance(value, str) else ""
    if plain:
        found = parse(plain)
        if isinstance(found, Override) and found.value == value and isinstance(found.value, str):
            return plain
    return f"{key}={_grammar(value)}"


def _grammar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return shown(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value)
        return f"'{escaped}'"
    if isinstance(value, list):
        return "[" + ",".join(map(_grammar, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_grammar(below)}" for name, below in value.items()) + "}"
    return str(value)
