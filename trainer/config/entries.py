"""The two things in a profile that are Hydra's: its `# @package` line and its defaults list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from trainer.config.provenance import HERE, Origin, OriginTree
from trainer.errors import ConfigError, Problem

_PACKAGE = re.compile(r"^\s*#\s*@package\b(.*)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a defaults list as written.

    Attributes:
        group: The group, with a leading `/` if written so; `None` for an entry that names a file.
        value: The option, the options, `None`, or the file's path.
        package: What stands after `@`.
        line: Its line, from 1.
    """

    group: str | None
    value: str | list[str] | None
    package: str | None
    optional: bool
    override: bool
    line: int

    @property
    def is_self(self) -> bool:
        """Whether this is `_self_`."""
        return self.group is None and self.value == "_self_"


def read_package(text: str, shown: str) -> str | None:
    """Read the `# @package` line; as in Hydra it must come before other comments."""
    header = True
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped:
            continue
        if not stripped.startswith("#"):
            break
        match = _PACKAGE.match(line)
        if match:
            words = match[1].split()
            if len(words) != 1:
                raise ConfigError(
                    Problem(
                        "'# @package' takes one word.", f"{shown}:{number}", "Such as _global_."
                    )
                )
            if not header:
                raise ConfigError(
                    Problem(
                        "'# @package' stands after another comment, where Hydra ignores it.",
                        f"{shown}:{number}",
                        "Make it the file's first line.",
                    )
                )
            return words[0]
        if not re.match(r"#\s*@", stripped):
            header = False
    return None


def read_defaults(
    raw: Any, lines: list[int], origin: OriginTree | None, shown: str
) -> tuple[Entry, ...]:
    """Read a defaults list.

    Args:
        raw: What stands under `defaults`.
        lines: The line of each of its entries.
        origin: Where the list stands.
        shown: The file as shown to a person.

    Raises:
        ConfigError: Entries are malformed; holds a problem for each.
    """
    if not isinstance(raw, list):
        line = origin.line if isinstance(origin, Origin) else 1
        if isinstance(origin, dict):
            line = origin[HERE].line
        raise ConfigError(Problem("'defaults' must be a list.", f"{shown}:{line}"))
    entries: list[Entry] = []
    problems: list[Problem] = []
    for index, item in enumerate(raw):
        line = lines[index] if index < len(lines) else 1
        entry = _entry(item, line)
        if isinstance(entry, str):
            problems.append(Problem(entry, f"{shown}:{line}"))
        else:
            entries.append(entry)
    if problems:
        raise ConfigError(*problems)
    return tuple(entries)


def _entry(item: Any, line: int) -> Entry | str:
    if isinstance(item, str):
        path, package = _split_package(item)
        if path == "_self_" and package is not None:
            return "'_self_' takes no package."
        return Entry(None, path, package, False, False, line)
    if not isinstance(item, dict):
        return "An entry of a defaults list is 'group: option', a file, or '_self_'."
    if len(item) != 1:
        return "An entry of a defaults list has one group; begin each with '- '."
    key, value = next(iter(item.items()))
    if not isinstance(key, str):
        return f"'{key}' is no group."
    group, package = _split_package(key)
    *words, name = group.split(" ")
    flags = set()
    for word in words:
        if word not in ("optional", "override"):
            break
        flags.add(word)
    if not name:
        return "An entry of a defaults list needs a group's name."
    if value is not None and not isinstance(value, str | list):
        return f"The option of '{name}' must be a name, a list of names or null, not {value!r}."
    if isinstance(value, list) and not all(isinstance(option, str) for option in value):
        return f"The options of '{name}' must be names."
    return Entry(name, value, package, "optional" in flags, "override" in flags, line)


def _split_package(text: str) -> tuple[str, str | None]:
    name, at, package = text.partition("@")
    return (name, package.partition(":")[0]) if at else (text, None)
