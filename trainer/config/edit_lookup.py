"""Values of a profile by the keys as they are spelled in its text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trainer.config.edit_nodes import Path
from trainer.config.loader import parse
from trainer.errors import ConfigError


def member(value: Any, name: str) -> Any:
    """Give a member of a mapping or list by the text of its key; None if there is none."""
    try:
        return value_at(value, (name,))
    except KeyError:
        return None


def value_at(value: Any, path: Path) -> Any:
    """Give what lies at a path.

    Raises:
        KeyError: Nothing does.
    """
    for part in path:
        if isinstance(value, Mapping):
            # Where a text has tabs, its nodes were read with blanks for them.
            spelled = (key for key in value if str(key).replace("\t", " ") == part)
            name = next((key for key in value if key == part or str(key) == part), None)
            name = next(spelled, None) if name is None else name
            if name is None:
                name = _by_reading(value, part)
            value = value[name]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise KeyError(part)
    return value


def _by_reading(value: Mapping[Any, Any], part: str) -> Any:
    """Find a key that is no text (`1e3`, `yes`) by reading its spelling."""
    try:
        wanted = parse(f"{part}: 0", "", "").values
    except ConfigError:
        raise KeyError(part) from None
    found = next(iter(wanted), None)
    if found not in value:
        raise KeyError(part)
    return found


def flat(value: Any, path: Path = ()) -> dict[Path, Any]:
    """Give every value of nested mappings and lists by its path."""
    below: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        below = value.items()
    elif isinstance(value, list):
        below = enumerate(value)
    found: dict[Path, Any] = {}
    for key, each in below:
        found |= flat(each, (*path, str(key)))
    return found or {path: value}


def by_name(values: Mapping[Path, Any]) -> dict[str, Any]:
    """Give the values by one text each, so that they can be compared as a mapping."""
    return {"\0".join(path): value for path, value in values.items()}
