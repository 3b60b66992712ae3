"""The resolved config as hyperparameters: without secrets, and flat where a logger wants it flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainer.secrets import is_secret_key, mask


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the config as plain nested values; what looks like a secret is left out."""
    found = _without_secrets(config, "")
    assert isinstance(found, dict)
    return found


def flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give (`trainer/max_epochs`, value) of nested hyperparameters."""
    for name, value in params.items():
        path = f"{prefix}/{name}" if prefix else str(name)
        if isinstance(value, Mapping) and value:
            yield from flat(value, path)
        else:
            yield path, value


def _without_secrets(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        below = {str(name): (f"{key}.{name}" if key else str(name), v) for name, v in value.items()}
        return {
            name: _without_secrets(item, path)
            for name, (path, item) in below.items()
            if item is None or isinstance(item, bool | Mapping) or not is_secret_key(path)
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(item, key) for item in value]
    return mask(value) if isinstance(value, str) else value
