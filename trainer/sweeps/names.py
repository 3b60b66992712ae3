"""How factors and their values are written for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from trainer.config.text import clean


def labels(keys: Iterable[str]) -> dict[str, str]:
    """Shorten keys to as many of their last words as tell them apart: `smoothness.weight`."""
    parts = {key: key.split(".") for key in keys}
    short = dict.fromkeys(parts, 1)
    while True:
        names = {key: ".".join(words[-short[key] :]) for key, words in parts.items()}
        counts = Counter(names.values())
        longer = [key for key in parts if counts[names[key]] > 1 and short[key] < len(parts[key])]
        if not longer:
            # A last word such as `weight` says nothing alone.
            bare = {"weight", "enabled", "value", "type"}
            return {
                key: ".".join(words[-max(short[key], 2) :]) if words[-1] in bare else names[key]
                for key, words in parts.items()
            }
        for key in longer:
            short[key] += 1


def shown(value: Any) -> str:
    """Write a factor's value for people."""
    if isinstance(value, str):
        return clean(value)
    return clean(json.dumps(value, ensure_ascii=False, default=str))


def with_factors(factors: dict[str, Any]) -> str:
    """Say which combination it is: `lr=0.1, r=8`, or `the baseline`."""
    short = labels(factors)
    said = ", ".join(f"{clean(short[key])}={shown(value)}" for key, value in factors.items())
    return said or "the baseline"
