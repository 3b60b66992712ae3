"""A TOML file of profiles: each table of a group is an option, all else are keys of a config.

`[hardware.mac-mps]` is the option `mac-mps` of the group `hardware`; some groups go by another name
(`[presets.…]`, `[experts.…]`, `[datasets.…]`). What is no option is a section of the config:
`[output]`, `[trainer.early_stopping]`, `[logger.wandb]`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from trainer.config import toml_text
from trainer.config.entries import Entry, read_defaults
from trainer.config.provenance import HERE, Origin, OriginTree, of
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem, nearest

SUFFIX = ".toml"
MAX_BYTES = 1 << 20

PRESET, HYPERPARAMETERS = "preset", "hyperparameters"
GROUP_OF = {"presets": PRESET, "experts": "expert", "datasets": "data"}
"""Groups by the name that their tables go by, where that is another one."""

GROUPS = (
    "preset", "hardware", "expert", "lora", "hyperparameters", "data", "trainer", "model", "loss",
    "optimizer", "scheduler", "dataloader", "logger", "callbacks", "limits", "health", "ablation",
)  # fmt: skip
"""Groups whose tables may be options."""

TABLES = ("presets", "experts", "hardware", "lora", "hyperparameters", "datasets", "output")
"""The tables that such a file usually has."""

# What a file says of itself.
_ABOUT_FILE = "metadata"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One option of a group.

    Attributes:
        group: The group.
        name: The option.
        written: The table's name as it stands in the file, such as `presets.mine`.
        values: Its keys; never changed.
        origins: Where they stand.
        line: The line of its header, from 1.
        doc: What it says of itself.
    """

    group: str
    name: str
    written: tuple[str, str]
    values: dict[str, Any]
    origins: OriginTree
    line: int
    doc: str


@dataclass(frozen=True, slots=True, eq=False)
class TomlFile:
    """A TOML file of profiles, read.

    Attributes:
        shown: The file as shown to a person.
        path: Its path.
        kind: Whose it is: `config`, `project`, `user` or `built-in`.
        tables: Its options, by `group/name`.
        values: Its keys that are no options, from the config's root.
        origins: Where these stand.
        defaults: Its defaults list; None if it has none.
        problems: What is wrong with it.
        is_ours: Whether any of its names means something here.
    """

    shown: str
    path: str
    kind: str
    tables: dict[str, Table] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    origins: OriginTree = field(default_factory=dict)
    defaults: tuple[Entry, ...] | None = None
    problems: tuple[Problem, ...] = ()
    is_ours: bool = True


@dataclass(slots=True)
class _Cached:
    stamp: tuple[int, ...]
    shown: str
    file: TomlFile


_cache: dict[str, _Cached] = {}


def load(path: str, shown: str, kind: str) -> TomlFile:
    """Read a file, or take it from the cache if it has not changed.

    What is wrong with the file is in its `problems`; one that cannot be read has no tables.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - on every compose
        stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
    except OSError as error:
        return TomlFile(shown, path, kind, problems=(_unreadable(shown, error),))
    cached = _cache.get(path)
    if cached is None or (cached.stamp, cached.shown, cached.file.kind) != (stamp, shown, kind):
        cached = _cache[path] = _Cached(stamp, shown, _read(path, shown, kind))
    return cached.file


def _read(path: str, shown: str, kind: str) -> TomlFile:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return TomlFile(shown, path, kind, problems=(_unreadable(shown, error),))
    if len(data) > MAX_BYTES:
        much = Problem("The file is larger than 1 MiB; this holds no profiles.", shown)
        return TomlFile(shown, path, kind, problems=(much,))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"Byte {error.start} is no UTF-8."
        wrong = Problem(what, f"{shown}:{line}", "Save it as UTF-8.")
        return TomlFile(shown, path, kind, problems=(wrong,))
    return parse(text, shown, kind, path)


def _unreadable(shown: str, error: OSError) -> Problem:
    return Problem(f"The file cannot be read: {error.strerror or error}.", shown)


def parse(text: str, shown: str, kind: str, path: str = "") -> TomlFile:
    """Read a file from its text; see `load`."""
    text = text.removeprefix("\ufeff")
    try:
        values = toml_text.parse(text, shown)
    except ConfigError as error:
        return TomlFile(shown, path, kind, problems=error.problems)
    here = Origin(shown, 1, path=path or None, kind=kind)
    tree = toml_text.origins(values, toml_text.marks(text), here)
    places: Mapping[str, Any] = tree if isinstance(tree, dict) else {}
    comments = _comments(text)
    tables: dict[str, Table] = {}
    rest: dict[str, Any] = {}
    rest_places: dict[str, Any] = {HERE: here}
    problems: list[Problem] = []
    defaults: tuple[Entry, ...] | None = None
    ours = not values
    for name, value in values.items():
        below = places.get(name, here)
        if name == _ABOUT_FILE and isinstance(value, dict):
            continue
        if name == "defaults":
            ours = True
            try:
                defaults = _defaults(value, below, shown)
            except ConfigError as error:
                problems += error.problems
            continue
        group = GROUP_OF.get(name, name)
        if not _is_known(name, group):
            problems.append(_no_table(name, below, here))
            continue
        ours = True
        keys: dict[str, Any] = {}
        key_places: dict[str, Any] = {}
        for option, content in value.items() if isinstance(value, dict) else ():
            at = below.get(option, here) if isinstance(below, dict) else below
            if group in GROUPS and isinstance(content, dict) and not _is_key(name, option):
                line = of(at, here).line or 1
                table = Table(group, option, (name, option), content, at, line,
                              _doc(content, comments.get(line, "")))  # fmt: skip
                # `[dataset.x]` beside `[datasets.x]`: the parser sees two tables, a group one.
                if table.group + "/" + option in tables:
                    problems.append(
                        Problem(f"'{clean(option)}' of the group '{group}' stands here twice.",
                                f"{shown}:{line}", "Keep one of them.")
                    )  # fmt: skip
                tables[f"{group}/{option}"] = table
            else:
                keys[option], key_places[option] = content, at
        if not isinstance(value, dict) and (name in GROUP_OF or group == HYPERPARAMETERS):
            what = f"'{clean(name)}' is a table of tables, and no single value."
            where = str(of(below, here))
            problems.append(Problem(what, where, f"Write [{clean(name)}.NAME], and keys below it."))
        elif not isinstance(value, dict):
            rest[name], rest_places[name] = value, below
        elif keys:
            if name in GROUP_OF or group == HYPERPARAMETERS:
                problems += [
                    Problem(f"'{clean(name)}.{clean(key)}' stands in no table of its own.",
                            str(of(key_places[key], here)), f"Write it below [{clean(name)}.NAME].")
                    for key in keys
                ]  # fmt: skip
                continue
            rest[name], rest_places[name] = keys, {HERE: of(below, here), **key_places}
    return TomlFile(
        shown, path, kind, tables, rest, rest_places, defaults, tuple(problems), ours
    )  # fmt: skip


def _defaults(value: Any, places: OriginTree, shown: str) -> tuple[Entry, ...]:
    count = len(value) if isinstance(value, list) else 0
    whole = of(places, Origin(shown, 1))
    lines = [
        of(places.get(str(at)) if isinstance(places, dict) else None, whole).line or 1
        for at in range(count)
    ]
    return read_defaults(value, lines, places, shown)


@cache
def _sections() -> frozenset[str]:
    from trainer.config.aliases import ALIASES
    from trainer.config.schema import sections

    return frozenset(sections()) | {row.old.partition(".")[0] for row in ALIASES}


@cache
def _keys() -> frozenset[str]:
    from trainer.config.aliases import ALIASES
    from trainer.config.schema import fields

    written = {".".join(row.old.split(".")[:2]) for row in ALIASES}
    return frozenset(fields()) | {key for key in written if not key.endswith("*")}


def _is_known(name: str, group: str) -> bool:
    return group in GROUPS or name in _sections()


def _is_key(name: str, option: str) -> bool:
    """Say whether a table in a section is one of its keys: `[trainer.early_stopping]`."""
    return f"{name}.{option}" in _keys()


def _no_table(name: str, places: OriginTree, here: Origin) -> Problem:
    known = [*GROUP_OF, *(g for g in GROUPS if g not in GROUP_OF.values()), *_sections()]
    remedy = nearest(name, dict.fromkeys(known))
    return Problem(
        f"There is no table '{clean(name)}'.",
        str(of(places, here)),
        remedy or f"Tables are {', '.join(TABLES)} and the sections of a config.",
    )  # fmt: skip


def _doc(values: Mapping[str, Any], comment: str) -> str:
    """Say what a table is for: its description, the comment above or below its header, or a name."""
    for name in ("description", "", "specialization", "display_name", "name", "notes"):
        said = values.get(name) if name else comment
        if isinstance(said, str) and said.strip():
            return clean(" ".join(said.split()))
    return ""


def _comments(text: str) -> dict[int, str]:
    """Find the comment that belongs to each header, by the header's line.

    It stands directly below the header; or directly above, if no blank line parts them.
    """
    found: dict[int, str] = {}
    lines = [line.strip() for line in text.split("\n")]
    for at, line in enumerate(lines):
        if not line.startswith("["):
            continue
        below = at + 1
        while below < len(lines) and lines[below].startswith("#"):
            below += 1
        above = at
        while above > 0 and lines[above - 1].startswith("#"):
            above -= 1
        said = lines[at + 1 : below] or lines[above:at]
        words = [part.lstrip("#").strip() for part in said]
        found[at + 1] = " ".join(word for word in words if word.strip("=-# "))
    return found
