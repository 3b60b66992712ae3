"""Where profiles are found: the project's folder, then the user's, then the built-in one.

The first folder that holds a file wins it whole. In a clone of this repository `./profiles` *is* the
built-in folder; there is no project folder then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import profiles
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem

SUFFIX = ".yaml"
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
class Option:
    """One profile of a group, as lists and trees show it.

    Attributes:
        group: The group's folder, such as `trainer`.
        name: The option's name, such as `kaggle_safe`.
        path: The file that is used.
        kind: Which source it comes from.
        doc: The file's leading comment as one paragraph; empty if it has none.
        shadows: The files of the same name further down the search order, which are not used.
    """

    group: str
    name: str
    path: Path
    kind: str
    doc: str
    shadows: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """The search path, first folder first."""

    folders: tuple[Source, ...]

    def find(self, relative: str) -> Found | None:
        """Find a file by its path below the folders, with or without `.yaml`."""
        if not relative.endswith(SUFFIX):
            relative += SUFFIX
        for source in self.folders:
            path = f"{source.root}/{relative}"
            if os.path.isfile(path):  # noqa: PTH113 - ten times a Path's speed, on every compose
                return Found(source, path, relative)
        return None

    def is_group(self, name: str) -> bool:
        """Say whether some folder holds this group."""
        if not is_inside(name):
            return False
        return any(os.path.isdir(f"{source.root}/{name}") for source in self.folders)  # noqa: PTH112

    def options(self, group: str) -> list[str]:
        """Name a group's options, sorted."""
        names: set[str] = set()
        for source in self.folders:
            names.update(path.stem for path in _files(source, group))
        return sorted(names)

    def groups(self) -> list[str]:
        """Name all groups that hold a profile, nested ones with `/`, sorted."""
        names: set[str] = set()
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


def search_path(profiles_dir: Path | None = None, cwd: Path | None = None) -> Sources:
    """Give the folders to look in, first one first.

    Args:
        profiles_dir: The project's folder; `cwd / "profiles"` when not given.
        cwd: The project; the current folder when not given.

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
    return Sources(tuple(folders))


def user_folder() -> Path:
    """Give the folder of the user's own profiles, whether or not it exists."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    # The specification: a relative path there is to be ignored.
    base = Path(configured) if configured.startswith("/") else Path.home() / ".config"
    return base / "traindeck" / "profiles"


def list_groups(profiles_dir: Path | None = None, cwd: Path | None = None) -> list[str]:
    """Name all groups, over all folders, sorted."""
    return search_path(profiles_dir, cwd).groups()


def list_options(
    group: str, profiles_dir: Path | None = None, cwd: Path | None = None
) -> list[Option]:
    """List a group's profiles with their doc comments, sorted by name.

    A group that does not exist has none.
    """
    sources = search_path(profiles_dir, cwd)
    if not is_inside(group):
        return []
    by_name: dict[str, list[tuple[Source, Path]]] = {}
    for source in sources.folders:
        for path in _files(source, group):
            by_name.setdefault(path.stem, []).append((source, path))
    return [
        Option(
            group,
            name,
            files[0][1],
            files[0][0].kind,
            doc_comment(files[0][1]),
            tuple(path for _, path in files[1:]),
        )
        for name, files in sorted(by_name.items())
    ]


def find(
    group: str, option: str, profiles_dir: Path | None = None, cwd: Path | None = None
) -> Option | None:
    """Find one profile; `None` if there is none of that name."""
    options = list_options(group, profiles_dir, cwd)
    return next((found for found in options if found.name == option), None)


def doc_comment(path: Path) -> str:
    """Read a profile's leading comment as one paragraph; empty if it has none or can't be read."""
    lines: list[str] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for raw in file:
                line = raw.strip()
                if line and not line.startswith("#"):
                    break
                text = line.lstrip("#").strip()
                if text.startswith("@"):
                    continue
                if not text and lines:
                    break
                if text:
                    lines.append(text)
    except OSError:
        return ""
    return clean(" ".join(lines))


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
