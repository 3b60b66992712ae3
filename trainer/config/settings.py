"""The person's own settings file: where it lies, and how it is read.

One file serves the app (its looks and habits) and the composing of configs (`allowed_prefixes`).
Importing this loads no YAML parser; reading a file that exists does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError, Problem

_LIMIT = 1 << 20


def settings_file() -> Path:
    """Give the path of the person's own settings file, whether or not it exists."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(configured) if configured.startswith("/") else Path.home() / ".config"
    return base / "traindeck" / "settings.yaml"


def shown(path: Path) -> str:
    """Write a path for people, with `~` for the home folder."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)


@dataclass(frozen=True, slots=True)
class Written:
    """A value as it stands in the file.

    Attributes:
        value: What YAML makes of it.
        line: Its line, from 1.
    """

    value: Any
    line: int


def read(path: Path) -> dict[str, Written]:
    """Read a settings file.

    Returns:
        Each key that it sets; empty if there is no file.

    Raises:
        ConfigError: It cannot be read, is no YAML or no mapping of names, or sets a key twice.
    """
    try:
        if path.stat().st_size > _LIMIT:
            raise ConfigError(Problem("Your settings are larger than 1 MB.", str(path)))
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    import yaml

    try:
        return _values(text, path)
    except RecursionError:
        raise ConfigError(Problem("Your settings are nested too deeply.", str(path))) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _unreadable(path, error) from None


def _values(text: str, path: Path) -> dict[str, Written]:
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return {}
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(Problem("Your settings are no mapping of keys.", str(path)))
        found: dict[str, Written] = {}
        for key_node, value_node in root.value:
            line = key_node.start_mark.line + 1
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            if not key:
                raise ConfigError(Problem("A key here is no plain name.", f"{path}:{line}"))
            if key in found:
                twice = f"'{key}' stands here and in line {found[key].line}."
                raise ConfigError(Problem(twice, f"{path}:{line}", "Keep one of them."))
            found[key] = Written(loader.construct_document(value_node), line)
        return found
    finally:
        loader.dispose()


def _unreadable(path: Path, error: Exception) -> ConfigError:
    place = str(path)
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        place = f"{path}:{mark.line + 1}"
    reason = getattr(error, "problem", None) or (str(error).splitlines() or [""])[0]
    return ConfigError(
        Problem(f"Your settings cannot be read: {reason or type(error).__name__}.", place)
    )
