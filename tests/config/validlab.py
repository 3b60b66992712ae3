"""Configs with a value changed, and what the check says of them."""

from __future__ import annotations

from typing import Any

from trainer.config.schema import defaults
from trainer.config.validate import validate
from trainer.errors import Problem


def config_with(**values: Any) -> dict[str, Any]:
    """Give the defaults with values at dotted keys, dots written as two underscores."""
    config = defaults()
    for key, value in values.items():
        node = config
        *above, last = key.split("__")
        for part in above:
            node = node.setdefault(part, {})
        node[last] = value
    return config


def problem(key: str, **values: Any) -> Problem:
    found = validate(config_with(**values), {})
    assert [p.key for p in found] == [key], [str(p) for p in found]
    return found[0]
