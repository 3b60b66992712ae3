"""What a person most likely meant by a value that a key does not take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trainer.config.alias_table import ALIASES
from trainer.config.schema import fields
from trainer.config.schema_base import Key
from trainer.config.torch_rules import origin, text_of
from trainer.errors import Problem, nearest

_TRUTH = {
    "true": ("true", "yes", "y", "on", "1"),
    "false": ("false", "no", "n", "off", "0"),
}
# As other tools write them; by letters alone fp16 would be nearer to bf16, which is another thing.
_PRECISIONS = {
    "fp16": "16-mixed",
    "float16": "16-mixed",
    "half": "16-mixed",
    "mixed": "16-mixed",
    "amp": "16-mixed",
    "bfloat16": "bf16-mixed",
    "fp32": "32-true",
    "float32": "32-true",
    "single": "32-true",
    "full": "32-true",
    "fp64": "64-true",
    "float64": "64-true",
    "double": "64-true",
}
_NUMBERS = {
    "int": re.compile(r"[+-]?\d+"),
    "float": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"),
}


def spelled_sections() -> dict[str, list[str]]:
    """Give the sections that exist in other spellings only, such as `lightning`, with their keys."""
    found: dict[str, list[str]] = {}
    for row in ALIASES:
        top, _, name = row.old.partition(".")
        if name and "." not in name and top not in fields():
            found.setdefault(top, []).append(name)
    return found


def in_spelled_section(section: str, value: Any, where: Mapping[str, Any]) -> list[Problem]:
    """Tell what is wrong in a section of other spellings: what is left in it stands for nothing.

    Args:
        section: Its name.
        value: What is left of it.
        where: For each dotted key what set it.

    Returns:
        The problems; none if there is no such section.
    """
    names = spelled_sections().get(section)
    if names is None:
        return []
    if not isinstance(value, Mapping) or not value:
        what = f"'{section}' is a section of keys, not {text_of(value)}."
        return [Problem(what, origin(section, where), f"It has {', '.join(names)}.", section)]
    problems = []
    for name in value:
        key = f"{section}.{name}"
        meant = nearest(str(name), names).replace("mean '", f"mean '{section}.")
        remedy = meant or f"'{section}' has {', '.join(names)}."
        problems.append(Problem(f"there is no key '{key}'.", origin(key, where), remedy, key))
    return problems


def remedy_for(known: Key, value: Any) -> str:
    """Say how to mend a value.

    Args:
        known: The key, which does not take the value.
        value: The value as written.

    Returns:
        A sentence or two; empty if nothing can be guessed.
    """
    kinds = known.type.split(" | ")
    text = value.strip().lower() if isinstance(value, str) else ""
    if known.key == "trainer.precision" and text in _PRECISIONS:
        return f"Did you mean '{_PRECISIONS[text]}'?"
    said = text or (str(value) if type(value) is int and value in (0, 1) else "")
    truth = next((name for name, words in _TRUTH.items() if said in words), "")
    if truth and "bool" in kinds and not (said in ("0", "1") and "int" in kinds):
        return f"Write {truth}{' without quotes' if text == truth else ''}."
    if isinstance(value, str) and known.choices:
        return nearest(value, [str(choice) for choice in known.choices])
    forms = [form for kind, form in _NUMBERS.items() if kind in kinds]
    if any(form.fullmatch(text) for form in forms):
        return f"Write {text} without quotes."
    if isinstance(value, str) and "list[str]" in kinds:
        return f"Write a list: [{value}]."
    if isinstance(value, str) and known.key == "trainer.callbacks":
        return f"Write a list of classes: [{{_target_: …}}]; callbacks={value} chooses a profile."
    if "dict" in kinds and (text or isinstance(value, list)):
        names = [name.rpartition(".")[2] for name in fields() if _is_right_below(name, known.key)]
        if names:
            return f"It has keys of its own: {known.key}.{names[0]}, {', '.join(names[1:])}."
    return ""


def _is_right_below(name: str, above: str) -> bool:
    return name.startswith(f"{above}.") and "." not in name[len(above) + 1 :]
