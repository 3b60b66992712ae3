"""The profiles on disk: what there is, where it comes from, and which of them are broken."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.events.text import clean

if TYPE_CHECKING:
    from trainer.config.listing import Listed
    from trainer.config.sources import Option, Sources
    from tui.context import Context

#: Groups that people choose from most stand first.
_FIRST = ("trainer", "preset", "hardware", "optimizer", "model", "data")


@dataclass(frozen=True)
class Entry:
    """A profile as the tree shows it.

    Attributes:
        group: Its group.
        name: Its name.
        path: Its file.
        kind: `project`, `user` or `built-in`.
        doc: Its leading comment, as one paragraph.
        problem: Why it cannot be read; empty if it can.
        hides: Files of the same name that it stands in for.
        table: Its table in the file, such as `presets.mine`; empty if the file is its own.
        line: The line of the table's header, from 1; 0 if the file is its own.
    """

    group: str
    name: str
    path: Path
    kind: str
    doc: str = ""
    problem: str = ""
    hides: int = 0
    table: str = ""
    line: int = 0

    @property
    def full(self) -> str:
        """Its name with its group's."""
        return f"{self.group}/{self.name}"


@dataclass(frozen=True)
class Catalogue:
    """All profiles.

    Attributes:
        groups: Every group with its profiles.
        stamp: Changes when a profile comes, goes or is replaced.
        problem: Why the folders, or a file of tables, cannot be read; empty if they can.
        facts: What tells the profiles apart, of the groups that have such facts.
    """

    groups: tuple[tuple[str, tuple[Entry, ...]], ...] = ()
    stamp: int = 0
    problem: str = ""
    facts: Mapping[str, tuple[Listed, ...]] = field(default_factory=dict)

    def find(self, full: str) -> Entry | None:
        """Find a profile by `group/name`."""
        return next((e for _, entries in self.groups for e in entries if e.full == full), None)

    def names(self, group: str) -> list[str]:
        """Name the profiles of a group."""
        return [e.name for name, entries in self.groups if name == group for e in entries]


def scan(context: Context) -> Catalogue:
    """Read all profiles; blocks for some milliseconds."""
    from trainer.config.hardware_detect import machine
    from trainer.config.listing import is_compared, listed
    from trainer.config.sources import options_of, search_path
    from trainer.errors import ConfigError

    try:
        sources = search_path(context.profiles_dir, context.cwd, context.config_file)
    except ConfigError as error:
        return Catalogue(problem=str(error))
    stamp = fingerprint(context)
    names = sorted(sources.groups(), key=lambda g: (_FIRST.index(g) if g in _FIRST else 99, g))
    groups = []
    facts: dict[str, tuple[Listed, ...]] = {}
    for group in names:
        options = options_of(sources, group)
        if is_compared(group):
            facts[group] = listed(sources, group, machine())
        groups.append(
            (
                group,
                tuple(
                    Entry(
                        group,
                        option.name,
                        option.path,
                        option.kind,
                        clean(option.doc),
                        _problem_of(sources, option),
                        len(option.shadows),
                        option.table,
                        option.line,
                    )
                    for option in options
                ),
            )
        )
    broken = [problem for file in sources.toml_files() for problem in file.problems]
    return Catalogue(tuple(groups), stamp, clean(str(broken[0])) if broken else "", facts)


def fingerprint(context: Context) -> int:
    """Give a number that changes when a profile comes, goes, is replaced or written into."""
    from trainer.config.sources import search_path
    from trainer.errors import ConfigError

    found: list[tuple[str, int]] = []
    try:
        sources = search_path(context.profiles_dir, context.cwd, context.config_file)
    except ConfigError:
        return 0
    folders = sources.folders
    for toml in sources.tomls:
        # Tables come and go inside a file, so the file itself counts, and not only its folder.
        with contextlib.suppress(OSError):
            found.append((toml.path, Path(toml.path).stat().st_mtime_ns))
    for source in folders:
        for folder, below, files in os.walk(source.root):
            below[:] = [name for name in below if not name.startswith((".", "_"))]
            for name in ("", *files):  # some editors write into the file as it is
                with contextlib.suppress(OSError):
                    path = Path(folder, name)
                    found.append((str(path), path.stat().st_mtime_ns))
    return hash(tuple(sorted(found)))


def _problem_of(sources: Sources, option: Option) -> str:
    from trainer.config.tables import profile
    from trainer.errors import ConfigError

    if not option.table:
        return _problem(option.path, option.kind)
    try:
        profile(sources, f"{option.group}/{option.name}")
    except ConfigError as error:
        return str(error.problems[0])
    return ""


def _problem(path: Path, kind: str) -> str:
    from trainer.config.loader import load
    from trainer.config.sources import Found, Source
    from trainer.errors import ConfigError

    try:
        load(Found(Source(kind, str(path.parent), ""), str(path), path.name))
    except ConfigError as error:
        return str(error.problems[0])
    return ""
