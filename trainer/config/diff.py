"""What differs between two configs, key by key, and where each new value came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from trainer.config.provenance import Origin, leaves

if TYPE_CHECKING:
    from trainer.config.compose import Composed


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs.

    Attributes:
        key: The canonical dotted key.
        kind: `"changed"`, `"added"` (only in the second config) or `"removed"` (only in the first).
        old: The value in the first config; `None` for an added key.
        new: The value in the second config; `None` for a removed key.
        origin: What set the second config's value; `None` for a removed key, or where the second
            config is a plain mapping.
        old_origin: The same for the first config.
    """

    key: str
    kind: Literal["changed", "added", "removed"]
    old: Any
    new: Any
    origin: Origin | None = None
    old_origin: Origin | None = None


def diff(a: Composed | Mapping[str, Any], b: Composed | Mapping[str, Any]) -> list[Change]:
    """Compare two configs, in the second one's order, removed keys last.

    Numbers that are equal count as equal (`1` and `1.0`); `True` and `1` do not.
    """
    old, old_origins = _parts(a)
    new, new_origins = _parts(b)
    before, after = dict(leaves(old)), dict(leaves(new))
    changes = []
    for key, value in after.items():
        if key not in before:
            changes.append(Change(key, "added", None, value, new_origins.get(key)))
        elif not same(before[key], value):
            changes.append(
                Change(
                    key, "changed", before[key], value, new_origins.get(key), old_origins.get(key)
                )
            )
    changes += [
        Change(key, "removed", value, None, None, old_origins.get(key))
        for key, value in before.items()
        if key not in after and not (_empty(value) and _is_section(key, after))
    ]
    return changes


def _empty(value: Any) -> bool:
    return value is None or value in ({}, [])


def _is_section(key: str, config: Mapping[str, Any]) -> bool:
    """Say whether a key has others below it: then `null` became a section, shown as its keys."""
    return any(other.startswith(f"{key}.") for other in config)


def same(a: Any, b: Any) -> bool:
    """Say whether two values of a config are the same; NaN equals itself, `True` is not `1`."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    if isinstance(a, float) and isinstance(b, float) and a != a and b != b:  # noqa: PLR0124
        return True
    return bool(a == b)


def _parts(config: Composed | Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Origin]]:
    if isinstance(config, Mapping):
        return config, {}
    return config.config, config.provenance
