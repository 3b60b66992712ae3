"""Reads the terms of `loss.composite`, `loss.groups` and `eval_loss`, and says what is wrong in them.

The launcher judges a config with it, and the engine builds from what it gives: one reading for both.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer.config.loss_terms import BOTTLENECK, BOTTLENECK_VALUES, TERMS, TermKind
from trainer.config.targets_allowed import TARGET
from trainer.config.torch_rules import is_number, origin, text_of
from trainer.errors import Problem, nearest

_TERM_KEYS = ("enabled", "weight", "overrides", "config", TARGET)
_GROUP_TERM_KEYS = ("enabled", "weight", "config", TARGET)
# In `eval_loss` all other keys are keywords of the term itself.
_EVAL_KEYS = ("enabled", "config", TARGET)
_RESERVED = ("loss",)


@dataclass(frozen=True, slots=True)
class TermSpec:
    """One term as a config describes it.

    Attributes:
        name: What metrics call it: `smoothness`, `spectral/stft_mse`.
        key: The config key that describes it.
        target: The dotted path of its class; empty if this version has none for its name.
        keywords: The keywords of its class.
        weight: What its value is multiplied by in the sum; above 0.
        optional: Whether a model that has no such value is let pass.
    """

    name: str
    key: str
    target: str
    keywords: Mapping[str, Any]
    weight: float = 1.0
    optional: bool = False


@dataclass
class Terms:
    """What a config says of its losses.

    Attributes:
        loss: The terms to be summed, besides the loss that `loss._target_` names.
        evaluation: What else is measured in validation.
        waiting: Terms whose names are known and that no recipe of this version has: left out.
        problems: What is wrong, each with the key concerned.
    """

    loss: list[TermSpec] = field(default_factory=list)
    evaluation: list[TermSpec] = field(default_factory=list)
    waiting: list[TermSpec] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_terms(config: Mapping[str, Any], where: Mapping[str, Any] | None = None) -> Terms:
    """Read the terms of a canonical config.

    A term that is not enabled, or whose weight is 0, is none: it is checked and not given.

    Args:
        config: The whole config.
        where: For each dotted key what set it.
    """
    reading = _Reading(where or {})
    section = config.get("loss")
    section = section if isinstance(section, Mapping) else {}
    # What is no mapping here is the schema's to tell.
    for name, read in (("composite", reading.composite), ("groups", reading.groups)):
        if isinstance(section.get(name), Mapping):
            read(section[name])
    asked = bool(reading.terms.problems) or bool(reading.seen)
    if asked and not reading.terms.problems and not reading.terms.loss and TARGET not in section:
        reading.problem(
            "loss",
            "nothing would be minimised: no term of the loss is enabled with a weight above 0"
            + (
                f" ({', '.join(spec.name for spec in reading.terms.waiting)} cannot be computed "
                "by this version)."
                if reading.terms.waiting
                else "."
            ),
            f"Enable one, such as loss.composite.mse.weight=1, or give the loss a {TARGET}.",
        )
    if isinstance(config.get("eval_loss"), Mapping):
        reading.evaluation(config["eval_loss"])
    return reading.terms


def loss_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong in the terms of the losses."""
    yield from read_terms(config, where).problems


def waiting_notes(config: Mapping[str, Any]) -> list[str]:
    """Name the terms that are asked for and that this version cannot compute."""
    return [
        f"{spec.key}: recognised, not acted on by this version (it comes with a recipe of its own)"
        for spec in read_terms(config).waiting
    ]


class _Reading:
    """One pass over a config's losses."""

    def __init__(self, where: Mapping[str, Any]) -> None:
        self.where = where
        self.terms = Terms()
        self.seen = 0

    def problem(self, key: str, what: str, remedy: str = "") -> None:
        self.terms.problems.append(Problem(what, origin(key, self.where), remedy, key))

    def composite(self, written: Any) -> None:
        """Read `loss.composite`: each term with `enabled`, `weight` and its keywords."""
        key = "loss.composite"
        for name, term in self._mapping(key, written):
            below = f"{key}.{name}"
            self.seen += 1
            if not self._term(below, term, _TERM_KEYS):
                continue
            given = [part for part in ("overrides", "config") if term.get(part)]
            keywords = {n: v for part in given for n, v in (term.get(part) or {}).items()}
            self._add(
                name,
                below,
                name,
                term,
                keywords,
                weight=self._weight(f"{below}.weight", term.get("weight", 1.0)),
                place=f"{below}.{given[0] if given else 'overrides'}",
                known=[],
            )

    def groups(self, written: Any) -> None:
        """Read `loss.groups`: in each group modules by name, and their `weights`."""
        key = "loss.groups"
        for group, section in self._mapping(key, written):
            below = f"{key}.{group}"
            entries = dict(self._mapping(below, section))
            weights = dict(self._mapping(f"{below}.weights", entries.pop("weights", None)))
            for name in weights:
                if name not in entries and not self._implied(below, group, name, entries):
                    continue
                entries.setdefault(name, {})
            for name, written_term in entries.items():
                term = {} if written_term is None else written_term
                self.seen += 1
                if self._term(f"{below}.{name}", term, _GROUP_TERM_KEYS):
                    self._group_term(below, group, name, term, weights)

    def evaluation(self, written: Any) -> None:
        """Read `eval_loss`: each measure with its keywords beside `enabled`."""
        for name, measure in self._mapping("eval_loss", written):
            below = f"eval_loss.{name}"
            term = {} if measure is None else measure
            if not self._term(below, term, None):
                continue
            if name in _RESERVED:
                self.problem(below, f"'{below}' would hide the metric 'val/{name}'.", "Rename it.")
                continue
            keywords = {n: v for n, v in term.items() if n not in _EVAL_KEYS}
            keywords |= term.get("config") or {}
            place = f"{below}.config" if term.get("config") else below
            self._add(
                name, below, name, term, keywords, weight=1.0, place=place, known=[], summed=False
            )

    def _group_term(
        self, below: str, group: str, name: str, term: Mapping[str, Any], weights: dict[str, Any]
    ) -> None:
        key = f"{below}.{name}"
        place = f"{below}.weights.{name}" if name in weights else f"{key}.weight"
        if name in weights and "weight" in term:
            self.problem(
                place,
                f"'{name}' has two weights: {text_of(weights[name])} in '{below}.weights' and "
                f"{text_of(term['weight'])} in '{key}.weight'.",
                "Keep one of them.",
            )
            return
        weight = self._weight(place, weights.get(name, term.get("weight", 1.0)))
        if group == BOTTLENECK and name in BOTTLENECK_VALUES and TARGET not in term:
            self._add(
                f"{group}/{name}",
                key,
                "value",
                term,
                {"key": name, **(term.get("config") or {})},
                weight=weight,
                place=key,
                known=[],
                optional=True,
            )
            return
        self._add(
            f"{group}/{name}",
            key,
            name,
            term,
            term.get("config") or {},
            weight=weight,
            place=f"{key}.config",
            known=["weights"],
        )

    def _implied(self, below: str, group: str, name: str, entries: Mapping[str, Any]) -> bool:
        """Say whether a weight without a module names a term by itself; a problem if not."""
        if group == BOTTLENECK:
            if name in BOTTLENECK_VALUES:
                return True
            remedy = nearest(name, BOTTLENECK_VALUES)
            self.problem(
                f"{below}.weights.{name}",
                f"'{below}.weights' has a weight for '{name}', which no bottleneck gives.",
                remedy or f"It takes {', '.join(BOTTLENECK_VALUES)}.",
            )
            return False
        if name in TERMS:
            return True
        self.problem(
            f"{below}.weights.{name}",
            f"'{below}.weights' has a weight for '{name}', which is no module of the group.",
            nearest(name, [*entries, *TERMS]) or f"Declare it as {below}.{name}.",
        )
        return False

    def _add(
        self,
        name: str,
        key: str,
        kind: str,
        term: Mapping[str, Any],
        keywords: Mapping[str, Any],
        *,
        weight: float | None,
        place: str,
        known: Collection[str],
        optional: bool = False,
        summed: bool = True,
    ) -> None:
        """Check a term's name and keywords; keep it if it counts."""
        target = term.get(TARGET)
        if target is None:
            row = TERMS.get(kind)
            if row is None:
                self.problem(
                    key,
                    f"there is no term '{kind}'.",
                    nearest(kind, [*known, *TERMS])
                    or f"There are {', '.join(n for n, row in TERMS.items() if row.target)}; "
                    f"any other is named by its {TARGET}.",
                )
                return
            if row.measure and summed:
                self.problem(
                    key,
                    f"'{kind}' is a measure and cannot be minimised.",
                    f"Write it as eval_loss.{kind}.",
                )
                return
            target = row.target
            if target and not self._keywords(kind, row, keywords, key, place):
                return
        if weight is None or weight == 0 or term.get("enabled", True) is not True:
            return
        spec = TermSpec(name, key, str(target), dict(keywords), weight, optional)
        if not target:
            self.terms.waiting.append(spec)
        elif summed:
            self.terms.loss.append(spec)
        else:
            self.terms.evaluation.append(spec)

    def _keywords(
        self, kind: str, row: TermKind, keywords: Mapping[str, Any], key: str, place: str
    ) -> bool:
        wrong = [name for name in keywords if name not in row.keywords]
        for name in wrong:
            takes = ", ".join(row.keywords) or "none"
            self.problem(
                f"{place}.{name}",
                f"the term '{kind}' takes no '{name}'.",
                nearest(str(name), row.keywords) or f"It takes {takes}.",
            )
        missing = [name for name in row.required if name not in keywords]
        for name in missing:
            self.problem(key, f"the term '{kind}' needs '{name}'.")
        return not wrong and not missing

    def _term(self, key: str, term: Any, keys: Collection[str] | None) -> bool:
        """Check the shape of one term; any key is allowed if `keys` is None."""
        if not isinstance(term, Mapping):
            self.problem(
                key,
                f"'{key}' must be a mapping, not {text_of(term)}.",
                "A weight is written as `weight: 1.0` below it." if is_number(term) else "",
            )
            return False
        before = len(self.terms.problems)
        for name in term if keys is not None else ():
            if name not in (keys or ()):
                takes = ", ".join(keys or ())
                self.problem(
                    f"{key}.{name}",
                    f"there is no key '{key}.{name}'.",
                    nearest(str(name), keys or ()) or f"A term has {takes}.",
                )
        enabled = term.get("enabled", True)
        if not isinstance(enabled, bool):
            self.problem(
                f"{key}.enabled", f"'{key}.enabled' must be true or false, not {text_of(enabled)}."
            )
        for name in ("overrides", "config"):
            if keys is None and name == "overrides":
                continue
            if term.get(name) is not None and not isinstance(term[name], Mapping):
                self.problem(
                    f"{key}.{name}",
                    f"'{key}.{name}' must be a mapping of keywords, not {text_of(term[name])}.",
                )
        return len(self.terms.problems) == before

    def _weight(self, key: str, value: Any) -> float | None:
        """Read a weight; None after a problem."""
        if not is_number(value) or not math.isfinite(value):
            self.problem(key, f"'{key}' must be a number, not {text_of(value)}.")
            return None
        if value < 0:
            self.problem(
                key,
                f"'{key}' is {value:g}: a negative weight would reward what its term penalises.",
                "Give a weight above 0, or 0 to leave the term out.",
            )
            return None
        return float(value)

    def _mapping(self, key: str, value: Any) -> list[tuple[str, Any]]:
        if value is None:
            return []
        if not isinstance(value, Mapping):
            self.problem(key, f"'{key}' must be a mapping, not {text_of(value)}.")
            return []
        return [(str(name), below) for name, below in value.items()]
