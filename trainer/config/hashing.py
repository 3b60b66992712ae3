"""A hash of what a config means, whatever the order of its keys, the platform or the process."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def config_hash(config: Mapping[str, Any]) -> str:
    """Hash a canonical config without its `run` section and its paths.

    Paths are the keys that the schema marks so (`schema.path_keys`): they say where something lies
    on this machine, and change nothing that is computed. Numbers count by value (`1`, `1.0` and
    `1e0` are the same), booleans are no numbers, and keys are compared with their type.

    Returns:
        The SHA-256 of the canonical encoding, 64 hexadecimal digits.

    Raises:
        TypeError: The config holds something else than plain values.
    """
    from trainer.config.schema import path_keys

    kept = {key: value for key, value in config.items() if key != "run"}
    encoded = json.dumps(
        _canonical(kept, "", path_keys()), sort_keys=True, ensure_ascii=True, separators=(",", ":")
    )
    return hashlib.sha256(encoded.encode("ascii")).hexdigest()


def _canonical(value: Any, path: str, skipped: frozenset[str]) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return {"\x00float": repr(value)}
        # hex() is exact; repr() would do on every platform that we know, but need not.
        return int(value) if value.is_integer() else {"\x00float": value.hex()}
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        section: dict[str, Any] = {}
        for key, below in value.items():
            name = key if isinstance(key, str) else f"\x00{type(key).__name__}:{key}"
            place = f"{path}.{name}" if path else name
            if place not in skipped:
                section[name] = _canonical(below, place, skipped)
        return section
    if isinstance(value, list | tuple):
        # An item of a list is no key of the schema, so no path can lie below one.
        return [_canonical(item, "\x00", skipped) for item in value]
    raise TypeError(f"{path or 'config'}: {type(value).__name__} cannot be hashed")
