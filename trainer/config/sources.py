"""Where profiles are found: the project's folder, then the user's, then the built-in one.

The first folder that holds a file wins it whole. In a clone of this repository `./profiles` *is* the
built-in folder; there is no project folder then. Beside each folder's files stand the tables of a
TOML file: `config/training.toml` in the project, `training.toml` in the user's and the built-in folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import profiles
from trainer.config import toml_tables
from trainer.config.provenance import Origin, of
from trainer.config.text import clean, doc_comment
from trainer.config.toml_tables import Table, TomlFile
from trainer.errors import ConfigError, Problem
from trainer.paths import at_home

SUFFIX = ".yaml"
TOML = "training.toml"
"""The name of a TOML file of profiles, in a folder of profiles or in the project's `config`."""
_KINDS = ("config", "project", "user", "built-in")
PRIMARY = "config"
"""The built-in primary file's name: the one whose defaults list chooses an option per group."""


@dataclass(frozen=True, slots=True)
class Source:
    """One folder of profiles.

    Attributes:
        kind: `"project"`, `"user"` or `"built-in"`.
        root: The folder.
        shown: How file names below it begin when shown to a person; empty for the built-in one.
    """

    kind: str
    root: str
    shown: str

    def show(self, relative: str) -> str:
        """Give a file of this folder as shown to a person."""
        return clean(f"{self.shown}/{relative}" if self.shown else relative)


@dataclass(frozen=True, slots=True)
class Found:
    """A profile's file."""

    source: Source
    path: str
    relative: str

    @property
    def shown(self) -> str:
        """The file as shown to a person."""
        return self.source.show(self.relative)


@dataclass(frozen=True, slots=True)
class TomlSource:
    """One TOML file of profiles.

    Attributes:
        kind: `"config"` for one that was named, `"project"`, `"user"` or `"built-in"`.
        path: The file.
        shown: The file as shown to a person.
        unsaved: What an editor holds in its place; None: the file as it is.
    """

    kind: str
    path: str
    shown: str
    unsaved: str | None = None

    def read(self) -> TomlFile:
        """Read it; what is wrong with it is in its `problems`."""
        if self.unsaved is not None:
            return toml_tables.parse(self.unsaved, self.shown, self.kind, self.path)
        return toml_tables.load(self.path, self.shown, self.kind)


@dataclass(frozen=True, slots=True)
class Option:
    """One profile of a group, as lists and trees show it.

    Attributes:
        group: The group's folder, such as `trainer`.
        name: The option's name, such as `kaggle_safe`.
        path: The file that is used.
        kind: Which source it comes from.
        doc: The file's leading comment as one paragraph; empty if it has none.
        shadows: The files of the same name further down the search order, which are not used.
        table: The name of the table in the file, such as `presets.mine`; empty for a file of its own.
        line: The line of the table's header, from 1; 0 for a file of its own.
    """

    group: str
    name: str
    path: Path
    kind: str
    doc: str
    shadows: tuple[Path, ...] = ()
    table: str = ""
    line: int = 0


@dataclass(frozen=True)
class Sources:
    """The search path, first folder first.

    Attributes:
        folders: The folders of YAML files.
        tomls: The TOML files, in the same order.
    """

    folders: tuple[Source, ...]
    tomls: tuple[TomlSource, ...] = ()

    @cached_property
    def _files(self) -> tuple[TomlFile, ...]:
        # Read once for each search path: a composition sees one state of a file.
        return tuple(source.read() for source in self.tomls)

    def kinds(self) -> tuple[str, ...]:
        """Name the kinds of sources, nearest first."""
        return _KINDS

    def toml_files(self, kind: str | None = None) -> tuple[TomlFile, ...]:
        """Give the TOML files that are meant for us, nearest first.

        Args:
            kind: Only those of this kind.
        """
        return tuple(f for f in self._files if f.is_ours and kind in (None, f.kind))

    def strangers(self) -> tuple[TomlFile, ...]:
        """Give the TOML files in which nothing means anything here."""
        return tuple(file for file in self._files if not file.is_ours)

    def tables(self, group: str) -> dict[str, Table]:
        """Give the nearest table of each option of a group."""
        found: dict[str, Table] = {}
        for file in self.toml_files():
            for table in file.tables.values():
                if table.group == group:
                    found.setdefault(table.name, table)
        return found

    def has(self, relative: str) -> bool:
        """Say whether there is a profile of this name, as a file or as a table."""
        return self.find(relative) is not None or any(
            relative in file.tables for file in self.toml_files()
        )

    def find(self, relative: str, kind: str | None = None) -> Found | None:
        """Find a YAML file by its path below the folders, with or without `.yaml`.

        Args:
            relative: The path.
            kind: Only in folders of this kind.
        """
        if not relative.endswith(SUFFIX):
            relative += SUFFIX
        for source in self.folders:
            if kind is not None and source.kind != kind:
                continue
            path = f"{source.root}/{relative}"
            if os.path.isfile(path):  # noqa: PTH113 - ten times a Path's speed, on every compose
                return Found(source, path, relative)
        return None

    def is_group(self, name: str) -> bool:
        """Say whether some folder holds this group."""
        if not is_inside(name):
            return False
        if any(os.path.isdir(f"{source.root}/{name}") for source in self.folders):  # noqa: PTH112
            return True
        return any(t.group == name for file in self.toml_files() for t in file.tables.values())

    def options(self, group: str) -> list[str]:
        """Name a group's options, sorted."""
        names: set[str] = set()
        for source in self.folders:
            names.update(path.stem for path in _files(source, group))
        return sorted(names | self.tables(group).keys())

    def groups(self) -> list[str]:
        """Name all groups that hold a profile, nested ones with `/`, sorted."""
        names = {t.group for file in self.toml_files() for t in file.tables.values()}
        for source in self.folders:
            root = Path(source.root)
            for folder, below, files in os.walk(root):
                below[:] = sorted(b for b in below if not b.startswith((".", "_")))
                if any(file.endswith(SUFFIX) for file in files) and folder != str(root):
                    names.add(Path(folder).relative_to(root).as_posix())
        return sorted(names)


def is_inside(name: str) -> bool:
    """Say whether a profile's name stays inside the folders: no `..`, no absolute path, no NUL."""
    return not name.startswith("/") and "\0" not in name and ".." not in name.split("/")


def search_path(
    profiles_dir: Path | None = None, cwd: Path | None = None, config_file: Path | None = None
) -> Sources:
    """Give the folders to look in, first one first.

    Args:
        profiles_dir: The project's folder; `cwd / "profiles"` when not given.
        cwd: The project; the current folder when not given.
        config_file: A TOML file in place of the project's `config/training.toml`; a YAML file is none
            of ours here.

    Raises:
        ConfigError: `profiles_dir` was given and is no folder.
    """
    here = Path.cwd() if cwd is None else Path(cwd)
    project = here / "profiles" if profiles_dir is None else here / profiles_dir
    if profiles_dir is not None and not project.is_dir():
        raise ConfigError(
            Problem(
                f"There is no profiles folder '{profiles_dir}'.",
                remedy="Give --profiles-dir a folder that holds one folder per group.",
            )
        )
    folders: list[Source] = []
    for kind, folder in (("project", project), ("user", user_folder())):
        if folder.is_dir() and not _same_folder(folder, profiles.FOLDER):
            folders.append(Source(kind, str(folder.absolute()), _shown(folder.absolute(), here)))
    folders.append(Source("built-in", str(profiles.FOLDER), ""))
    return Sources(tuple(folders), tuple(_tomls(here, config_file)))


def with_unsaved(sources: Sources, texts: Mapping[str, str]) -> Sources:
    """Put what an editor holds in the place of TOML files.

    Args:
        sources: The search path.
        texts: Texts by their file's path; a file that is not there yet is the project's.
    """
    texts = {path: text for path, text in texts.items() if path.endswith(toml_tables.SUFFIX)}
    if not texts:
        return sources
    known = {source.path for source in sources.tomls}
    new = [
        TomlSource("project", path, f"config/{TOML}", text)
        for path, text in texts.items()
        if path not in known
    ]
    held = [
        replace(source, unsaved=texts.get(source.path, source.unsaved)) for source in sources.tomls
    ]
    tomls = sorted([*new, *held], key=lambda source: _KINDS.index(source.kind))
    return replace(sources, tomls=tuple(tomls))


def is_toml(path: Path | None) -> bool:
    """Say whether a file that was named is one of tables."""
    return path is not None and path.suffix.lower() == toml_tables.SUFFIX


def project_toml(cwd: Path | None = None) -> Path:
    """Give the project's TOML file of profiles, whether or not it exists."""
    return (Path.cwd() if cwd is None else Path(cwd)) / "config" / TOML


def _tomls(here: Path, config_file: Path | None) -> Iterator[TomlSource]:
    if config_file is not None and is_toml(config_file):
        path = here / at_home(config_file)
        yield TomlSource("config", str(path), clean(str(config_file)))
    elif project_toml(here).exists():
        yield TomlSource("project", str(project_toml(here)), f"config/{TOML}")
    own = user_folder() / TOML
    if own.is_file():
        yield TomlSource("user", str(own), _shown(own, here))
    yield TomlSource("built-in", str(profiles.FOLDER / TOML), TOML)


def user_folder() -> Path:
    """Give the folder of the user's own profiles, whether or not it exists."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    # The specification: a relative path there is to be ignored.
    base = Path(configured) if configured.startswith("/") else Path.home() / ".config"
    return base / "traindeck" / "profiles"


def list_groups(
    profiles_dir: Path | None = None, cwd: Path | None = None, config_file: Path | None = None
) -> list[str]:
    """Name all groups, over all folders, sorted."""
    return search_path(profiles_dir, cwd, config_file).groups()


def list_options(
    group: str,
    profiles_dir: Path | None = None,
    cwd: Path | None = None,
    config_file: Path | None = None,
) -> list[Option]:
    """List a group's profiles with their doc comments, sorted by name.

    A group that does not exist has none. An option that is a table has the place of the table that
    counts most.
    """
    sources = search_path(profiles_dir, cwd, config_file)
    return options_of(sources, group)


def options_of(sources: Sources, group: str) -> list[Option]:
    """List a group's profiles as `list_options` does, in a search path at hand."""
    if not is_inside(group):
        return []
    by_name: dict[str, list[tuple[Source, Path]]] = {}
    for source in sources.folders:
        for path in _files(source, group):
            by_name.setdefault(path.stem, []).append((source, path))
    options = {
        name: Option(
            group,
            name,
            files[0][1],
            files[0][0].kind,
            doc_comment(files[0][1]),
            tuple(path for _, path in files[1:]),
        )
        for name, files in by_name.items()
    }
    for name, table in sources.tables(group).items():
        here = of(table.origins, Origin(""))
        file = options.get(name)
        if file is not None and _KINDS.index(file.kind) < _KINDS.index(here.kind):
            continue  # a file that is nearer wins whole
        doc = table.doc if file is None or not file.doc else file.doc
        place = Path(here.path or "")
        options[name] = Option(
            group, name, place, here.kind, doc, (), ".".join(table.written), table.line
        )
    return [options[name] for name in sorted(options)]


def find(
    group: str, option: str, profiles_dir: Path | None = None, cwd: Path | None = None
) -> Option | None:
    """Find one profile; `None` if there is none of that name."""
    options = list_options(group, profiles_dir, cwd)
    return next((found for found in options if found.name == option), None)


def _files(source: Source, group: str) -> Iterator[Path]:
    folder = Path(source.root) / group
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        if path.suffix == SUFFIX and path.is_file():
            yield path


def _same_folder(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False


def _shown(folder: Path, cwd: Path) -> str:
    """Shorten a folder for people: relative to the project, or with `~` for the home folder."""
    for base, prefix in ((cwd.absolute(), ""), (Path.home(), "~/")):
        try:
            return prefix + folder.relative_to(base).as_posix()
        except ValueError:
            continue
    return folder.as_posix()
