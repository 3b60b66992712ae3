"""Reads `symbolic`: rules that a model's output should follow, each switched and weighted by name.

The table names their classes and keywords; nothing is imported, so that a slip is found before
anything is launched. A test holds the keywords against the classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainer.config.loss_rules import TermSpec
from trainer.config.loss_terms import TermKind
from trainer.config.targets_allowed import TARGET
from trainer.config.torch_rules import is_number, origin
from trainer.errors import Problem, nearest

GROUP = "symbolic"
"""What metrics put before a rule's name: `loss/symbolic/molecular_fingerprint`."""

_RULES = "trainer.recipes.spectra.rules."
# Keys of a rule that are no keywords of its class.
_OWN = ("name", "enabled", "weight", TARGET)

RULES: dict[str, TermKind] = {
    "molecular_fingerprint": TermKind(
        f"{_RULES}MolecularFingerprint",
        "Bands of molecules stand in the spectrum where the target has them, and only there.",
        ("match_weight", "false_positive_weight", "threshold", "floor", "present", "molecules"),
        source="001",
    ),
    "gravitational_lensing": TermKind(
        f"{_RULES}GravitationalLensing",
        "Light that a prediction has too much of in common has no colour: lensing is achromatic.",
        ("bins",),
        source="001",
    ),
}
"""Every rule by name; any other is named by its `_target_`."""


def read_rules(
    config: Mapping[str, Any], where: Mapping[str, Any] | None = None
) -> tuple[list[TermSpec], list[Problem]]:
    """Read the rules of a canonical config.

    A rule that is not enabled, or whose weight is 0, is none: it is checked and not given.

    Args:
        config: The whole config.
        where: For each dotted key what set it.

    Returns:
        The rules that count, as terms of the loss, and what is wrong, each with the key concerned.
    """
    section = config.get("symbolic")
    rules = section.get("rules") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(rules, list):
        return [], []  # what is of another type is the schema's to tell
    found: list[TermSpec] = []
    problems: list[Problem] = []
    names: set[str] = set()
    for number, rule in enumerate(rules):
        if not isinstance(rule, Mapping):
            continue
        key, name = f"symbolic.rules.{number}", rule.get("name")
        wrong = [*_wrong(rule, key, names, where or {})]
        problems += wrong
        names.add(str(name))
        weight = rule.get("weight", 1.0)
        counts = section.get("enabled") is True and rule.get("enabled", True) is True
        if wrong or not counts or not is_number(weight) or not weight > 0:
            continue
        target = rule.get(TARGET) or RULES[str(name)].target
        keywords = {str(n): value for n, value in rule.items() if n not in _OWN}
        found.append(TermSpec(f"{GROUP}/{name}", key, str(target), keywords, float(weight)))
    return found, problems


def symbolic_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong in the rules."""
    yield from read_rules(config, where)[1]


def _wrong(
    rule: Mapping[str, Any], key: str, names: set[str], where: Mapping[str, Any]
) -> Iterator[Problem]:
    name = rule.get("name")
    place = origin(f"{key}.name", where)
    if not isinstance(name, str):
        return  # the schema tells
    if not name:
        yield Problem(f"'{key}' has no name.", place, f"Name one of {', '.join(RULES)}.", key)
    elif name in names:
        yield Problem(f"There are two rules '{name}'.", place, "Keep one of them.", f"{key}.name")
    elif TARGET in rule:
        return  # its keywords are its class's to judge
    elif name not in RULES:
        yield Problem(
            f"there is no rule '{name}'.",
            place,
            nearest(name, RULES)
            or f"There are {', '.join(RULES)}; any other is named by its {TARGET}.",
            f"{key}.name",
        )
    else:
        takes = RULES[name].keywords
        for keyword in rule:
            if keyword not in (*takes, *_OWN):
                yield Problem(
                    f"the rule '{name}' takes no '{keyword}'.",
                    origin(f"{key}.{keyword}", where),
                    nearest(str(keyword), (*takes, *_OWN)) or f"It takes {', '.join(takes)}.",
                    f"{key}.{keyword}",
                )
