"""Profiles of all kinds by name: YAML files, tables of TOML files, and both laid over each other.

The first YAML file of a name wins whole; tables of that name merge onto it, the nearest one last. A
preset's table chooses options of other groups by their names; a set of hyperparameters inherits what
it lacks from the set `default`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from trainer.config import loader
from trainer.config import merge as merging
from trainer.config.entries import Entry
from trainer.config.loader import Profile
from trainer.config.provenance import HERE, Origin, OriginTree, of
from trainer.config.sources import Found, Sources
from trainer.config.toml_tables import GROUP_OF, GROUPS, HYPERPARAMETERS, PRESET, Table
from trainer.errors import ConfigError, Problem

BASE = "default"
"""The set of hyperparameters that the others inherit from."""

RECIPE = "lora"
"""The preset that a table with an expert or an adapter builds on."""

# What a preset may call a group.
_CHOICES = {"dataset": "data", "datasets": "data", "experts": "expert"}
# Of these in YAML the value may be a name and no option.
_NAMES_TOO = frozenset({"dataset", "datasets"})
# What tables of these groups say of themselves is theirs to keep; in others it is for people only.
_KEEP_ABOUT = frozenset({"hardware", "data", "expert"})
_ABOUT = frozenset({"description", "notes"})
# Tables whose own name is one of their keys.
_NAMED = {"data": "name", "expert": "name"}

_CACHED = 512
_lock = threading.Lock()
_cache: OrderedDict[tuple[Any, ...], tuple[tuple[Any, ...], Profile]] = OrderedDict()


def profile(sources: Sources, relative: str) -> Profile | None:
    """Give the profile of a name; None if there is none.

    Args:
        sources: Where profiles are looked for.
        relative: Its path below the folders, such as `trainer/kaggle_safe`.

    Raises:
        ConfigError: It cannot be read, or what is laid together does not fit.
    """
    tables, found = stack(sources, relative)
    group, _, name = relative.rpartition("/")
    base: Profile | None = None
    below: list[Table] = []
    if group == HYPERPARAMETERS and name != BASE and (tables or found is not None):
        below, lower = stack(sources, f"{group}/{BASE}")
        base = loader.load(lower) if lower is not None else None
    own = loader.load(found) if found is not None else None
    if group == PRESET and own is not None:
        own = choosing(own, sources, name)
    if not tables and not below and base is None:
        return own
    # Merging is done once for the same parts; the parts are kept, so that an id stays theirs.
    parts = (base, own, *below, None, *tables)
    key = (relative, *map(id, parts))
    with _lock:
        known = _cache.get(key)
    if known is None:
        known = (parts, _merged(group, name, (base, own), below, tables))
        with _lock:
            known = _cache.setdefault(key, known)
            while len(_cache) > _CACHED:
                _cache.popitem(last=False)
    return known[1]


def choosing(file: Profile, sources: Sources, preset: str = "") -> Profile:
    """Give a file whose keys choose options by name, as a preset's table does, with these as entries.

    `dataset: NAME` is a name alone where no data profile is called so.

    Args:
        file: A YAML preset, or what a person's own primary file holds.
        sources: Where profiles are looked for.
        preset: The preset's name; empty for a primary file, whose entries override nothing.
    """
    if file.package not in (None, "_global_") or (preset and file.package is None):
        return file
    chosen = {
        key: group
        for key, group in option_keys(file.values).items()
        if key not in _NAMES_TOO or sources.has(f"{group}/{file.values[key]}")
    }
    if not chosen:
        return file
    key = (preset, id(file), *chosen)
    with _lock:
        known = _cache.get(key)
    if known is None:
        places = dict(file.origins) if isinstance(file.origins, dict) else {HERE: file.origins}
        raw = dict(file.values)
        if preset:
            entries = _choices(preset, raw, places, file.defaults, chosen)
        else:
            entries = (
                *(
                    Entry(group, raw.pop(key), None, False, False, _line(places.pop(key, None)))
                    for key, group in chosen.items()
                ),
                *(file.defaults or ()),
            )
        made = replace(file, values=raw, origins=places, defaults=entries)
        with _lock:
            known = _cache.setdefault(key, ((file,), made))
    return known[1]


def inherited_by(sources: Sources, relative: str) -> frozenset[str]:
    """Name the canonical keys that a profile has from the set `default` only; other groups have none.

    Raises:
        ConfigError: The profile cannot be read.
    """
    group, _, name = relative.rpartition("/")
    whole = profile(sources, relative) if group == HYPERPARAMETERS and name != BASE else None
    if whole is None:
        return frozenset()
    tables, found = stack(sources, relative)
    own = loader.load(found) if found is not None else None
    mine = _merged(group, name, (None, own), [], tables)
    return frozenset(_dotted(whole.values)) - frozenset(_dotted(mine.values))


def _dotted(values: Mapping[Any, Any], above: str = "") -> Iterator[str]:
    for name, value in values.items():
        key = f"{above}{name}"
        if isinstance(value, dict):
            yield from _dotted(value, f"{key}.")
        else:
            yield key


def stack(sources: Sources, relative: str) -> tuple[list[Table], Found | None]:
    """Give the tables of a name, lowest first, and the YAML file that they are laid over."""
    tables: list[Table] = []
    for kind in sources.kinds():
        tables += [
            file.tables[relative]
            for file in sources.toml_files(kind)
            if relative in file.tables
        ]  # fmt: skip
        found = sources.find(relative, kind)
        if found is not None:
            return tables[::-1], found
    return tables[::-1], None


def _merged(
    group: str,
    name: str,
    files: tuple[Profile | None, Profile | None],
    below: list[Table],
    tables: list[Table],
) -> Profile:
    """Lay tables over files: what is inherited, then what is its own."""
    base, own = files
    values: dict[Any, Any] = {}
    tree: dict[str, Any] = {}
    problems: list[Problem] = []
    if base is not None:
        _lay_file(base, group, (values, tree), problems)
    if own is not None and below:
        # What is inherited lies below a file, which is converted already.
        raw, places = _raw(below)
        _lay(raw, places, group, (values, tree), problems)
        below = []
    if own is not None:
        _lay_file(own, group, (values, tree), problems)
    raw, places = _raw([*below, *tables])
    defaults = own.defaults if own is not None else None
    if group == PRESET:
        defaults = _choices(name, raw, places, defaults)
        package = ""
    else:
        package = {"data": "datasets"}.get(group, group)
        named = _NAMED.get(group)
        if named is not None and named not in raw and own is None:
            raw[named] = name
            places[named] = places.get(HERE)
        if group == "data" and own is None and "_target_" not in raw and name != "instruct":
            defaults = (Entry(None, "instruct", None, False, False, _line(places)),)
    if group not in _KEEP_ABOUT:
        for about in _ABOUT & raw.keys():
            del raw[about]
    if raw:
        _lay(raw, places, package, (values, tree), problems)
    if problems:
        raise ConfigError(*problems)
    here = of(places, of(own.origins, Origin("")) if own is not None else Origin(""))
    shown = here.where if tables and own is None else (own.shown if own else here.where)
    path = (here.path or "") if tables else (own.path if own else "")
    kind = here.kind if tables else (own.kind if own else "")
    return Profile(values, {HERE: here, **tree}, defaults, "_global_", shown, path, kind)


def _lay_file(
    file: Profile,
    group: str,
    onto: tuple[dict[Any, Any], dict[str, Any]],
    problems: list[Problem],
) -> None:
    package = file.package if file.package is not None else group.replace("/", ".")
    _lay(file.values, file.origins, _plain_package(package), onto, problems)


def _plain_package(package: str) -> str:
    at = package.rfind("_global_")
    return package if at < 0 else package[at + len("_global_.") :]


def _lay(
    values: Mapping[Any, Any],
    origins: OriginTree,
    package: str,
    onto: tuple[dict[Any, Any], dict[str, Any]],
    problems: list[Problem],
) -> None:
    """Spell a part canonically and merge it, so that two spellings of a key meet."""
    from trainer.config.rules import SchemaRules

    embedded, places = merging.embed(dict(values), origins, package, of(origins, Origin("")))
    rewritten = SchemaRules().rewrite(embedded, places)
    problems += rewritten.problems
    merging.merge(*onto, rewritten.values, rewritten.origins, problems, lenient=True)


def _raw(tables: list[Table]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Merge tables as they are written, the last one on top.

    Before anything is converted: `eval_strategy = "steps"` over `"no"` is one key over another, while
    what they become are several. A key in another spelling takes the lower one's place.
    """
    raw: dict[str, Any] = {}
    places: dict[str, Any] = {}
    problems: list[Problem] = []
    for table in tables:
        _drop_other_spellings(table, raw, places)
        merging.merge(raw, places, table.values, table.origins, problems, lenient=True)
        places[HERE] = of(table.origins, Origin(""))
    if problems:
        raise ConfigError(*problems)
    return raw, places


def _drop_other_spellings(table: Table, raw: dict[str, Any], places: dict[str, Any]) -> None:
    from trainer.config.aliases import canonical_key

    if not raw:
        return
    prefix = "" if table.group == PRESET else f"{table.group}."
    new = {canonical_key(prefix + key) for key in table.values}
    for key in [key for key in raw if key not in table.values]:
        if canonical_key(prefix + key) in new:
            del raw[key]
            places.pop(key, None)


def _choices(
    name: str,
    raw: dict[str, Any],
    places: dict[str, Any],
    listed: tuple[Entry, ...] | None,
    keys: Mapping[str, str] | None = None,
) -> tuple[Entry, ...]:
    """Take the options that a preset chooses by name out of it, as entries of a defaults list."""
    chosen: dict[str, Entry] = {}
    for key, group in (option_keys(raw) if keys is None else keys).items():
        line = _line(places.pop(key, None))
        chosen[f"/{group}"] = Entry(f"/{group}", raw.pop(key), None, False, True, line)
    entries = [
        entry for entry in listed or () if not (entry.override and _absolute(entry) in chosen)
    ]
    is_recipe = "/expert" in chosen or "/lora" in chosen
    if listed is None and is_recipe and name != RECIPE:
        entries.append(Entry(None, f"/{PRESET}/{RECIPE}", None, False, False, _line(places)))
    selves = [entry for entry in entries if entry.is_self]
    entries = [entry for entry in entries if not entry.is_self]
    last = selves[0] if selves else Entry(None, "_self_", None, False, False, 0)
    return (*entries, *chosen.values(), last)


def option_keys(values: Mapping[str, Any]) -> dict[str, str]:
    """Find the keys of a preset's table that choose an option, with the group of each."""
    found: dict[str, str] = {}
    for key, value in values.items():
        group = _group_named(key)
        if group is not None and group != PRESET and _is_option(value):
            found[key] = group
    return found


def _absolute(entry: Entry) -> str:
    return "/" + (entry.group or "").removeprefix("/")


def _group_named(key: str) -> str | None:
    group = _CHOICES.get(key, GROUP_OF.get(key, key))
    return group if group in GROUPS else None


def _is_option(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
    )


def _line(places: Any) -> int:
    return of(places, Origin("", 1)).line or 1


def chosen_by(found: Profile) -> dict[str, str]:
    """Tell which options a preset chooses itself, by group."""
    return {
        entry.group.removeprefix("/"): entry.value
        for entry in found.defaults or ()
        if entry.group is not None and isinstance(entry.value, str)
    }


def each(sources: Sources, group: str) -> Iterator[tuple[str, Profile]]:
    """Give every profile of a group that can be read, by name."""
    for name in sources.options(group):
        try:
            found = profile(sources, f"{group}/{name}")
        except ConfigError:
            continue
        if found is not None:
            yield name, found
