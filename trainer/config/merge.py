"""Merging of plain values with the origin of each, under OmegaConf's rules.

Mappings merge key by key, everything else replaces; `???` asks for a value and never hides one; a
list over a mapping (and the other way round) is an error. Where OmegaConf would look through an
interpolation while merging, `NeedsOmegaConf` hands the whole merge over to it.
"""

from __future__ import annotations

from typing import Any

from trainer.config.provenance import HERE, Origin, OriginTree
from trainer.config.text import clean
from trainer.errors import Problem, nearest

MISSING = "???"


class NeedsOmegaConf(Exception):
    """A mapping or list meets an interpolation: only OmegaConf knows what it stands for."""


def merge(
    config: dict[Any, Any],
    tree: dict[str, Any],
    values: dict[Any, Any],
    origins: OriginTree,
    problems: list[Problem],
    *,
    path: str = "",
    lenient: bool = False,
) -> None:
    """Merge a layer over a config, in place, with its origins.

    Args:
        config: What lies below; owned by the caller, changed.
        tree: The origins of `config`, changed.
        values: The layer; not changed and not shared with the result.
        origins: The origins of `values`.
        problems: Receives what cannot be merged.
        path: The dotted key of `config` itself.
        lenient: Replace interpolations instead of raising `NeedsOmegaConf`.
    """
    places = origins if isinstance(origins, dict) else None
    here = origins if isinstance(origins, Origin) else origins.get(HERE)
    for key, value in values.items():
        name = str(key)
        origin = places.get(name, here) if places is not None else here
        if not isinstance(value, dict | list):
            if value == MISSING and key in config:
                continue
            config[key] = value
            tree[name] = origin
            continue
        old = config.get(key)
        if isinstance(old, dict | list):
            if type(old) is not type(value):
                problems.append(mismatch(f"{path}.{name}" if path else name, old, value, origin))
                continue
        elif isinstance(old, str) and "${" in old and not lenient:
            raise NeedsOmegaConf
        if isinstance(value, dict) and isinstance(old, dict):
            below = tree.get(name)
            if not isinstance(below, dict):
                below = tree[name] = {HERE: below} if below is not None else {}
            merge(
                old,
                below,
                value,
                origin or {},
                problems,
                path=f"{path}.{name}" if path else name,
                lenient=lenient,
            )
        else:
            config[key] = copy(value)
            tree[name] = copy_origins(origin)


def mismatch(key: str, old: Any, new: Any, origin: Any) -> Problem:
    """Say that a list and a mapping met."""
    kinds: dict[type, str] = {dict: "a mapping", list: "a list"}
    if isinstance(origin, dict):
        origin = origin.get(HERE, "")
    return Problem(
        f"'{clean(key)}' is {kinds[type(old)]}; {kinds[type(new)]} cannot be merged into it.",
        str(origin or ""),
        "",
        key,
    )


def copy(value: Any) -> Any:
    """Copy the mappings and lists of a value."""
    if isinstance(value, dict):
        return {
            key: copy(below) if isinstance(below, dict | list) else below
            for key, below in value.items()
        }
    if isinstance(value, list):
        return [copy(item) if isinstance(item, dict | list) else item for item in value]
    return value


def copy_origins(tree: Any) -> Any:
    """Copy an origin tree; the origins themselves never change."""
    if isinstance(tree, dict):
        return {name: copy_origins(below) for name, below in tree.items()}
    return tree


def embed(values: Any, origins: Any, package: str, origin: Origin) -> tuple[Any, Any]:
    """Put a layer under a package, such as `optimizer.config`; the empty package changes nothing."""
    if not package:
        return values, origins
    for name in reversed(package.split(".")):
        values, origins = {name: values}, {HERE: origin, name: origins}
    return values, origins


def set_value(
    config: dict[Any, Any],
    tree: dict[str, Any],
    key: str,
    value: Any,
    origin: Origin,
    *,
    lenient: bool = False,
) -> Problem | None:
    """Set one dotted key, making sections on the way; mappings merge into mappings.

    Items of a list are named by index or by their `name`.

    Returns:
        What is wrong, if the key cannot be set.
    """
    parts = key.split(".")
    node: Any = config
    places: dict[str, Any] = tree
    for depth, part in enumerate(parts):
        index: Any = find_key(node, part)
        if index is None:
            return no_item(key, depth, node, origin)
        name = str(index)
        old = node[index] if isinstance(node, list) else node.get(index)
        if depth == len(parts) - 1:
            break
        if not isinstance(old, dict | list):
            if isinstance(old, str) and "${" in old and not lenient:
                raise NeedsOmegaConf
            old = node[index] = {}
            places[name] = {HERE: origin}
        below = places.get(name)
        if not isinstance(below, dict):
            below = places[name] = {HERE: below} if below is not None else {}
        node, places = old, below
    if isinstance(value, dict | list):
        if isinstance(old, dict | list) and type(old) is not type(value):
            return mismatch(key, old, value, origin)
        if isinstance(value, dict) and isinstance(old, dict):
            below = places.get(name)
            if not isinstance(below, dict):
                below = places[name] = {HERE: below} if below is not None else {}
            problems: list[Problem] = []
            merge(old, below, value, origin, problems, path=key, lenient=lenient)
            return problems[0] if problems else None
    node[index] = copy(value)
    places[name] = origin
    return None


def get_value(config: Any, key: str) -> Any:
    """Read a dotted key; raises `KeyError` where there is none."""
    for part in key.split("."):
        index = find_key(config, part)
        if index is None or (isinstance(config, dict) and index not in config):
            raise KeyError(key)
        config = config[index]
    return config


def delete_value(config: Any, tree: Any, key: str) -> None:
    """Remove a dotted key that exists."""
    *above, last = key.split(".")
    for part in above:
        index = find_key(config, part)
        config = config[index]
        tree = tree.get(str(index)) if isinstance(tree, dict) else None
    index = find_key(config, last)
    del config[index]
    if isinstance(tree, dict):
        tree.pop(str(index), None)


def find_key(node: Any, part: str) -> Any:
    """Give the key or index that one part of a dotted key means in a section; `None` if none."""
    if isinstance(node, dict):
        if part not in node and part.isdecimal() and int(part) in node:
            return int(part)
        return part
    if not isinstance(node, list):
        return None
    if part.isdecimal():
        return int(part) if int(part) < len(node) else None
    for index, item in enumerate(node):
        if isinstance(item, dict) and item.get("name") == part:
            return index
    return None


def no_item(key: str, depth: int, node: Any, origin: Origin) -> Problem:
    """Say that a list has no such item, and which it has."""
    parts = key.split(".")
    owner = ".".join(parts[:depth])
    names = [item["name"] for item in node if isinstance(item, dict) and "name" in item]
    known = (
        ", ".join(str(name) for name in names) if names else f"{len(node)} items, counted from 0"
    )
    return Problem(
        f"'{clean(owner)}' is a list without an item '{clean(parts[depth])}'.",
        str(origin),
        f"{nearest(parts[depth], map(str, names))} It has {clean(known)}.".lstrip(),
        key,
    )
