"""Where each value of a composed config came from.

While profiles are merged, a second tree runs beside the config's: an `Origin` where the config holds
a value, a mapping where it holds a mapping (or a list of mappings, by index). `flatten` then reads
both at once, so that a value which an interpolation or a whole-section override brought in still
finds the nearest origin above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

HERE = ""
"""The key under which an origin tree keeps the origin of the section itself."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The place that set a value.

    Attributes:
        where: The file as shown to a person, `"override"`, `"schema"` or `"resolved"`.
        line: The line in that file, from 1; `None` where there is none.
        text: The override as typed; for a file, the spelling used there if it was another than the
            canonical one; for a resolved value, why it was resolved so.
        path: The file's path, so that an editor can be opened at it; `None` where there is none.
        kind: `"built-in"`, `"user"`, `"project"`, `"config"`, `"override"`, `"schema"`,
            `"finalize"` or `"run"`.
    """

    where: str
    line: int | None = None
    text: str = ""
    path: str | None = None
    kind: str = ""

    def __str__(self) -> str:
        """Give the origin as people read it: `trainer/kaggle_safe.yaml:4`."""
        if self.kind == "override":
            return f"override {self.text}"
        if self.kind == "schema":
            return "schema default"
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return f"{place} ({self.text})" if self.text else place


SCHEMA = Origin("schema", text="schema default", kind="schema")
"""The origin of values that nobody set."""

OriginTree = Origin | dict[str, Any]
"""An origin, or origins by key; the empty key holds that of the section itself."""


def override_origin(text: str) -> Origin:
    """Make the origin of a value that an override set."""
    return Origin("override", text=text, kind="override")


def of(tree: OriginTree | None, default: Origin) -> Origin:
    """Give the origin of a section as a whole."""
    if isinstance(tree, Origin):
        return tree
    if tree:
        here = tree.get(HERE)
        if isinstance(here, Origin):
            return here
    return default


def has_sections(value: Any) -> bool:
    """Say whether a list is shown item by item: it holds mappings."""
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a config's values: dotted key and value, in the config's order.

    Empty mappings and lists of plain values count as values; lists that hold mappings are entered,
    with the index as the key.
    """
    if isinstance(config, Mapping) and (config or not prefix):
        for key, value in config.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif has_sections(config):
        for index, value in enumerate(config):
            yield from leaves(value, f"{prefix}.{index}")
    else:
        yield prefix, config


def flatten(
    config: Mapping[str, Any], tree: OriginTree, default: Origin = SCHEMA
) -> dict[str, Origin]:
    """Give each value's origin by dotted key.

    Args:
        config: The config whose values are walked.
        tree: The origins that belong to it.
        default: The origin of what the tree does not know.
    """
    found: dict[str, Origin] = {}
    _flatten(config, tree, "", default, found)
    return found


def _flatten(
    config: Any, tree: OriginTree | None, prefix: str, default: Origin, found: dict[str, Origin]
) -> None:
    if isinstance(tree, Origin):
        default, tree = tree, None
    elif tree:
        default = of(tree, default)
    if isinstance(config, dict) and (config or not prefix):
        items: Any = config.items()
    elif has_sections(config):
        items = enumerate(config)
    else:
        found[prefix] = default
        return
    for key, value in items:
        name = str(key)
        path = f"{prefix}.{name}" if prefix else name
        below = tree.get(name) if tree else None
        if isinstance(below, Origin) and not isinstance(value, dict | list):
            found[path] = below
        else:
            _flatten(value, below, path, default, found)
