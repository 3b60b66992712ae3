"""What may be typed next on a line of overrides: presets, groups, options, keys, values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.config.schema_base import Key
    from trainer.config.sources import Option


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing that may stand on the line.

    Attributes:
        text: The whole override as far as it is settled.
        what: What it is, in a sentence.
        whole: Whether nothing need follow; a key and a group still want a value.
    """

    text: str
    what: str
    whole: bool


def suggestions(
    line: str,
    groups: Mapping[str, Sequence[Option]],
    keys: Iterable[Key],
    config: Mapping[str, Any] | None = None,
) -> list[Suggestion]:
    """Give what may be meant by what has been typed so far, best first.

    Args:
        line: One override, perhaps unfinished.
        groups: The options of every group.
        keys: Every key that may be set.
        config: The config as it is, whose values are offered as well.
    """
    typed = line.lstrip()
    prefix = typed[: len(typed) - len(typed.lstrip("+~"))]
    typed = typed[len(prefix) :]
    name, equals, value = typed.partition("=")
    if equals and name in groups:
        found = [
            Suggestion(_override(f"{prefix}{name}=", name, o.name), o.doc, True)
            for o in groups[name]
        ]
        return _ranked(f"{prefix}{name}={value}", found)
    if equals:
        known = next((key for key in keys if key.key == name), None)
        found = _values(f"{prefix}{name}=", known, config) if known is not None else []
        return _ranked(f"{prefix}{name}={value}", found)
    found = []
    if not prefix:
        found += [Suggestion(o.name, o.doc, True) for o in groups.get("preset", ())]
    end = "" if prefix == "~" else "="
    found += [
        Suggestion(f"{prefix}{group}{end}", f"choose one of {len(options)}", not end)
        for group, options in groups.items()
    ]
    found += [Suggestion(f"{prefix}{key.key}{end}", about(key), not end) for key in keys]
    return _ranked(prefix + typed, found)


def about(key: Key) -> str:
    """Say in a line what a key takes and does."""
    from trainer.config.values import shown

    kind = "one of several" if key.choices and len(key.type) > 24 else key.type
    facts = [kind, key.bounds, key.unit and f"in {key.unit}"]
    if not key.absent:
        facts.append(f"default {shown(key.default)}")
    return f"{'  '.join(fact for fact in facts if fact)}  {key.doc}"


def _values(start: str, key: Key, config: Mapping[str, Any] | None) -> list[Suggestion]:
    offered: list[tuple[Any, str]] = []
    if config is not None:
        node: Any = config
        for part in key.key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        if isinstance(node, bool | int | float | str):
            offered.append((node, "as it is now"))
    if not key.section and not key.absent and isinstance(key.default, bool | int | float | str):
        offered.append((key.default, "default"))
    offered += [(choice, "") for choice in key.choices]
    kinds = key.type.split(" | ")
    offered += [(value, "") for value in (True, False) if "bool" in kinds]
    if "null" in kinds:
        offered.append((None, "default" if key.default is None else ""))
    found: dict[str, Suggestion] = {}
    for value, what in offered:
        # As the form writes it, so that texts with blanks or signs come quoted.
        text = _override(start, key.key, value)
        found.setdefault(text, Suggestion(text, what or key.doc, True))
    return list(found.values())


def _override(start: str, key: str, value: Any) -> str:
    from trainer.config.values import override

    return start + override(key, value).partition("=")[2]


def _ranked(line: str, found: list[Suggestion]) -> list[Suggestion]:
    """Keep what fits: what begins so, then a part that begins so, then what holds it anywhere."""
    wanted = line.lower()
    if not wanted.lstrip("+~"):
        return found
    ranks: list[tuple[int, int, Suggestion]] = []
    for at, suggestion in enumerate(found):
        text = suggestion.text.lower()
        if text.startswith(wanted):
            rank = 0
        elif f".{wanted}" in text:
            rank = 1
        elif wanted in text:
            rank = 2
        elif "=" not in wanted and all(part in text for part in wanted.split(".")):
            rank = 3
        elif "=" not in wanted and len(wanted) > 2 and wanted in suggestion.what.lower():
            rank = 4
        else:
            continue
        ranks.append((rank, at, suggestion))
    return [suggestion for _, _, suggestion in sorted(ranks, key=lambda item: item[:2])]
