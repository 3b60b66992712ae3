"""A person's own primary file, laid over the built-in one.

`--config FILE.yaml` names it, whatever it holds. Otherwise it is `train.yaml` or `config.yaml` with a
defaults list in the project's profiles folder, or in the project's folder itself; there the list must
name a group that we know, so that another program's `config.yaml`, or a run's, is never picked up by
accident. A `train.yaml` that is passed over is told in a note, and one that is broken is an error.

A TOML file (`--config FILE.toml`, or `config/training.toml` in the project) does the same with what
stands outside the tables of its groups; where there is a YAML file as well, that lies above it.

Its defaults list chooses options as overrides do (below those typed on the command line), and adds
the groups that the built-in list lacks. Its own values lie above every group's, or below them if
`_self_` is its first entry. A preset comes after them, unless the file itself names the preset before
its `_self_`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.config.entries import Entry
from trainer.config.loader import Profile, load, read
from trainer.config.sources import PRIMARY, Found, Source, Sources, is_toml
from trainer.config.tables import choosing
from trainer.config.text import clean
from trainer.config.toml_tables import TABLES, TomlFile
from trainer.errors import ConfigError, Problem
from trainer.paths import at_home

OURS = "train.yaml"
NAMES = (OURS, "config.yaml")
COMBINED = "_traindeck_primary_"
OWN = "_traindeck_own_"
BUILT_IN = "_traindeck_built_in_"
PRESET = "preset"


@dataclass(frozen=True, slots=True)
class Primary:
    """What composition starts from.

    Attributes:
        path: The primary file's path below the folders, or a name in `extra`.
        extra: Profiles made here, by that name.
        shown: The person's own file as shown; empty if there is none.
        notes: Which files were passed over although they may have been meant.
    """

    path: str
    extra: dict[str, Profile]
    shown: str = ""
    notes: tuple[str, ...] = ()


def primary(sources: Sources, config_file: Path | None, cwd: Path) -> Primary:
    """Find the primary file: the built-in one, or a person's own over it.

    Raises:
        ConfigError: The own file is missing, cannot be read, or is no YAML.
    """
    built_in = _built_in(sources)
    notes: list[str] = []
    if is_toml(config_file):
        _must_exist(sources)
        own = None
    elif config_file is not None:
        own = _asked_for(config_file, cwd)
    else:
        own = _found(sources, cwd, notes)
    own = choosing(own, sources) if own is not None else None
    tomls = {
        f"{OWN}{at}_": choosing(_outside(file), sources)
        for at, file in enumerate(reversed(sources.toml_files()))
        if file.values or file.defaults
    }
    if own is None and not tomls:
        return replace(built_in_primary(sources), notes=tuple(notes))
    if own is None:
        *_, (name, own) = tomls.items()
        del tomls[name]
    listed = next(
        (file.defaults for file in (own, *reversed(tomls.values())) if file.defaults), None
    )
    entries = _combined(built_in, replace(own, defaults=listed), tuple(tomls))
    combined = Profile({}, {}, entries, None, own.shown, own.path, own.kind)
    content = Profile(own.values, own.origins, None, own.package, own.shown, own.path, own.kind)
    base = Profile(
        built_in.values, built_in.origins, None, built_in.package, built_in.shown, built_in.path,
        built_in.kind,
    )  # fmt: skip
    extra = {COMBINED: combined, OWN: content, BUILT_IN: base}
    extra |= {name: replace(file, defaults=None) for name, file in tomls.items()}
    return Primary(COMBINED, extra, own.shown, tuple(notes))


def built_in_primary(sources: Sources) -> Primary:
    """Give the built-in primary file alone."""
    return Primary(BUILT_IN, {BUILT_IN: _built_in(sources)})


def _built_in(sources: Sources) -> Profile:
    source = sources.folders[-1]
    return load(Found(source, f"{source.root}/{PRIMARY}.yaml", f"{PRIMARY}.yaml"))


def _outside(file: TomlFile) -> Profile:
    """Give what stands outside the tables of a file's groups."""
    return Profile(
        file.values, file.origins, file.defaults, None, file.shown, file.path, file.kind
    )  # fmt: skip


def _must_exist(sources: Sources) -> None:
    """Refuse a file that was named and holds nothing for us.

    Raises:
        ConfigError: None of its tables means anything here.
    """
    for file in sources.strangers():
        if file.kind == "config":
            raise ConfigError(
                Problem(
                    "None of its tables is a group of profiles or a section of a config.",
                    file.shown,
                    f"Tables are {', '.join(TABLES)}.",
                )
            )


def _asked_for(config_file: Path, cwd: Path) -> Profile:
    path = cwd / at_home(config_file)
    shown = clean(str(config_file))
    if config_file.suffix not in (".yaml", ".yml"):
        raise ConfigError(
            Problem(
                f"'{shown}' is neither YAML nor TOML.",
                remedy="Give --config a file that ends in .yaml or .toml.",
            )
        )
    return read(str(path), shown, "config")


def _found(sources: Sources, cwd: Path, notes: list[str]) -> Profile | None:
    places = [Path(source.root) for source in sources.folders if source.kind == "project"]
    for folder in (*places, cwd):
        if folder.is_dir() and folder.samefile(sources.folders[-1].root):
            continue
        for name in NAMES:
            path = folder / name
            if not path.is_file():
                continue
            shown = name if folder == cwd else f"{folder.name}/{name}"
            found = Found(Source("project", str(folder), ""), str(path), shown)
            try:
                profile = load(found)
            except ConfigError:
                # What bears our own name or lies in our folder is meant for us and must be mended; a
                # config.yaml elsewhere may be anyone's.
                if folder != cwd or name == OURS:
                    raise
                continue
            # Our own folder holds nothing that is not for us.
            if _names_our_groups(profile, sources) or (folder != cwd and profile.defaults):
                return profile
            if name == OURS:
                notes.append(
                    f"{shown} is not used: no group of profiles stands in a defaults list of it "
                    f"(--config {shown} takes it as it is)"
                )
    return None


def _names_our_groups(profile: Profile, sources: Sources) -> bool:
    return any(
        entry.group is not None and sources.is_group(entry.group.removeprefix("/"))
        for entry in profile.defaults or ()
    )


def _combined(built_in: Profile, own: Profile, under: tuple[str, ...] = ()) -> tuple[Entry, ...]:
    """Make one defaults list of two: the built-in order, the person's choices.

    Args:
        built_in: The built-in primary file.
        own: The person's.
        under: Names of further files whose values lie below those of `own`, lowest first.
    """
    chosen: dict[str, Entry] = {}
    before: list[Entry] = []
    after: list[Entry] = []
    preset_first = False
    known = {_key(entry) for entry in built_in.defaults or () if entry.group is not None}
    seen_self = False
    for entry in own.defaults or ():
        if entry.is_self:
            seen_self = True
            preset_first = PRESET in chosen
        elif entry.group is not None and (_key(entry) in known or entry.override):
            chosen[_key(entry)] = entry
        else:
            (after if seen_self else before).append(entry)
    if own.defaults and not seen_self:
        preset_first = PRESET in chosen
    self_first = seen_self and _self_is_first(own.defaults or ())
    content = [Entry(None, name, None, False, False, 0) for name in (*under, OWN)]
    groups = [
        _with_choice(entry, chosen.pop(_key(entry), None))
        for entry in built_in.defaults or ()
        if not entry.is_self and not entry.override
    ]
    presets = [entry for entry in groups if _key(entry) == PRESET]
    parts = [entry for entry in groups if _key(entry) != PRESET]
    base = Entry(None, f"/{BUILT_IN}", None, False, False, 0)
    below = self_first or _self_is_first(built_in.defaults or ())
    if self_first:
        listed = [base, *content, *parts, *before, *after, *presets]
    else:
        lower = [base, *parts, *before] if below else [*parts, *before, base]
        own_last = [*presets, *content, *after] if preset_first else [*content, *after, *presets]
        listed = [*lower, *own_last]
    overrides = [entry for entry in built_in.defaults or () if entry.override]
    return (*listed, *overrides, *(entry for entry in chosen.values()))


def _key(entry: Entry) -> str:
    if entry.group is None:
        return ""
    group = entry.group.removeprefix("/")
    return group if entry.package is None else f"{group}@{entry.package}"


def _with_choice(entry: Entry, choice: Entry | None) -> Entry:
    if choice is None:
        return entry
    return Entry(
        entry.group,
        choice.value,
        entry.package,
        choice.optional or entry.optional,
        False,
        choice.line,
    )


def _self_is_first(entries: Sequence[Entry]) -> bool:
    return bool(entries) and entries[0].is_self
