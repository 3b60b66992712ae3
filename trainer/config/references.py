"""Who names a profile: told before it gets another name or goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.config import loader
from trainer.config.entries import Entry
from trainer.config.provenance import Origin, of
from trainer.config.sources import Found, Sources
from trainer.config.tables import BASE, inherited_by, option_keys, stack
from trainer.config.toml_tables import HYPERPARAMETERS, PRESET
from trainer.errors import ConfigError

__all__ = ["Reference", "references", "stands_on"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A place that names a profile.

    Attributes:
        who: The profile or file that does, such as `preset/mine`.
        where: The place, as shown to a person.
        path: The file.
        key: The key of a table of presets that names it; empty elsewhere.
    """

    who: str
    where: str
    path: str
    key: str = ""


def references(sources: Sources, full: str, extra: Path | None = None) -> list[Reference]:
    """Find who names a profile, in every file that can be read.

    Args:
        sources: Where profiles are looked for.
        full: The profile, `group/name`.
        extra: A primary file of the person's own.
    """
    group, _, name = full.rpartition("/")
    found = [*_tables(sources, group, name), *_files(sources, full, extra)]
    if full == f"{HYPERPARAMETERS}/{BASE}":
        for other in sources.options(HYPERPARAMETERS):
            who = f"{HYPERPARAMETERS}/{other}"
            if other != BASE and _inherits(sources, who):
                found.append(Reference(who, f"{who} inherits from it", ""))
    return [each for each in dict.fromkeys(found) if each.who != full]


def stands_on(sources: Sources, full: str) -> bool:
    """Say whether a profile of this name would still be there without its nearest one."""
    tables, file = stack(sources, full)
    below = sum(
        source.kind != file.source.kind
        for source in sources.folders
        if file is not None and sources.find(full, source.kind) is not None
    )
    return len(tables) + (file is not None) + below > 1


def _inherits(sources: Sources, full: str) -> bool:
    try:
        return bool(inherited_by(sources, full))
    except ConfigError:
        return False


def _tables(sources: Sources, group: str, name: str) -> Iterator[Reference]:
    for file in sources.toml_files():
        for table in file.tables.values():
            chosen = option_keys(table.values) if table.group == PRESET else {}
            for key, of_group in chosen.items():
                value = table.values[key]
                if of_group != group or name not in ([value] if isinstance(value, str) else value):
                    continue
                places = table.origins
                at = places.get(key) if isinstance(places, dict) else places
                line = of(at, Origin(file.shown, table.line)).line
                who = f"{table.group}/{table.name}"
                yield Reference(
                    who, f"{file.shown}:{line}", file.path, key if isinstance(value, str) else ""
                )
        for entry in file.defaults or ():
            if _names(entry, f"{group}/{name}", ""):
                yield Reference(file.shown, f"{file.shown}:{entry.line}", file.path)


def _files(sources: Sources, full: str, extra: Path | None) -> Iterator[Reference]:
    for source in sources.folders:
        root = Path(source.root)
        for path in sorted(root.rglob("*.yaml")):
            relative = path.relative_to(root).as_posix()
            if any(part.startswith((".", "_")) for part in path.relative_to(root).parts):
                continue
            found = Found(source, str(path), relative)
            yield from _in_file(found, relative.removesuffix(".yaml"), full)
    if extra is not None and extra.suffix in (".yaml", ".yml"):
        from trainer.config.sources import Source

        found = Found(Source("config", str(extra.parent), ""), str(extra), extra.name)
        yield from _in_file(found, extra.name, full)


def _in_file(found: Found, who: str, full: str) -> Iterator[Reference]:
    try:
        profile = loader.load(found)
    except ConfigError:
        return
    group = who.rpartition("/")[0]
    for entry in profile.defaults or ():
        if _names(entry, full, group):
            yield Reference(who, f"{found.shown}:{entry.line}", found.path)


def _names(entry: Entry, full: str, group: str) -> bool:
    """Say whether an entry of a defaults list in a group's profile means a profile."""
    values = entry.value if isinstance(entry.value, list) else [entry.value]
    for value in values:
        if value is None:
            continue
        if entry.group is None:
            named = {value[1:]} if value.startswith("/") else {f"{group}/{value}".lstrip("/")}
        elif entry.group.startswith("/"):
            named = {f"{entry.group[1:]}/{value}"}
        else:
            named = {f"{entry.group}/{value}", f"{group}/{entry.group}/{value}".lstrip("/")}
        if full in named:
            return True
    return False
