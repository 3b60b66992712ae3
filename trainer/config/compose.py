"""Profiles and overrides become one checked config whose every value knows where it came from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer.config import merge as merging
from trainer.config import toml_tables
from trainer.config.diff import Change, diff
from trainer.config.hardware_clamp import Setting, unlike
from trainer.config.hardware_clamp import clamp as clamping
from trainer.config.interpolate import has_interpolation, missing, resolve
from trainer.config.loader import Profile, parse
from trainer.config.overrides import parse_all
from trainer.config.primary import PRESET, built_in_primary
from trainer.config.primary import primary as find_primary
from trainer.config.provenance import Origin, flatten
from trainer.config.rules import SchemaRules
from trainer.config.sources import Sources, search_path, with_unsaved
from trainer.config.tree import Tree, build
from trainer.config.tree import history as tree_history
from trainer.errors import ConfigError, Problem
from trainer.paths import at_home

__all__ = ["Composed", "Origin", "compose", "defaults_of", "load_run", "side"]

# Clamping that has not come to an end by then never would.
_CLAMPINGS = 5


@dataclass(frozen=True)
class Composed:
    """A composed config.

    Attributes:
        config: The canonical config: plain values, nothing left to resolve. Not to be changed.
        provenance: What set each value, by dotted key. Items of a list of sections are keys of their
            own (`symbolic.rules.0.enabled`); a list of plain values is one value.
        overrides: What the person asked for, as typed.
        choices: The option chosen for each group; groups left empty (`null`) are not in it.
        notes: What a person should know, such as what the hardware profile changed.
        problems: What is wrong with the config; only ever filled with `check=False`.
        files: The profiles that were merged, in order, as shown to a person.
        clamped: What `clamp` changed, without what follows from that by an interpolation.
    """

    config: dict[str, Any]
    provenance: dict[str, Origin]
    overrides: tuple[str, ...]
    choices: dict[str, str]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    clamped: tuple[Change, ...] = ()
    # How it was composed: for its history, and so that its defaults are composed the same way.
    _tree: Tree | None = field(default=None, repr=False, compare=False)
    _how: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def whole(self) -> bool:
        """Whether every profile that is named was found and read."""
        return self._tree is None or self._tree.whole

    def yaml(self) -> str:
        """Give the config as YAML."""
        from trainer.config.dump import to_yaml

        return to_yaml(self.config)

    @cached_property
    def hash(self) -> str:
        """The hash of the canonical config without `run.*` and paths."""
        from trainer.config.hashing import config_hash

        return config_hash(self.config)

    def where(self, key: str) -> dict[str, Origin]:
        """Tell what set a key, or every key of a section; empty if there is no such key."""
        below = f"{key}."
        return {
            name: origin
            for name, origin in self.provenance.items()
            if name == key or name.startswith(below)
        }

    def history(self, key: str) -> list[tuple[Origin, Any]]:
        """Tell what every layer said about a key, lowest first: the last one counts.

        Args:
            key: The canonical dotted key. A run's config has no layers: it gives its value alone.
        """
        found: list[tuple[Origin, Any]] = []
        if self._tree is not None:
            found = tree_history(self._tree, SchemaRules().base()[0], key)
        with contextlib.suppress(KeyError):
            value, origin = merging.get_value(self.config, key), self.provenance.get(key)
            if origin is not None and (not found or found[-1][0] != origin):
                found.append((origin, value))
        return found


def compose(
    overrides: Sequence[str] = (),
    *,
    config_file: Path | None = None,
    profiles_dir: Path | None = None,
    cwd: Path | None = None,
    check: bool = True,
    clamp: bool = False,
    texts: Mapping[str, str] | None = None,
) -> Composed:
    """Compose a config from profiles and overrides. Safe to call from several threads.

    Args:
        overrides: Overrides in Hydra's grammar, in order; a bare word is a preset.
        config_file: A file of the person's own: a primary file, or one of tables (`.toml`).
        profiles_dir: The project's profiles; `cwd / "profiles"` when not given.
        cwd: The project's folder; the current one when not given.
        check: Raise what is wrong; otherwise it is in the result's `problems`.
        clamp: Lower what is beyond the hardware profile to what it allows, in place of refusing it.
        texts: Profiles as an editor holds them, not yet saved, by `group/name`, or by the path of a
            TOML file; each is read in place of its file, which need not exist.

    Raises:
        ConfigError: The config is wrong; holds every problem found. With `check=False` only what
            leaves nothing to compose: a folder or a primary file that cannot be read.
    """
    here = Path.cwd() if cwd is None else Path(cwd)
    sources = search_path(profiles_dir, here, config_file)
    words = tuple(overrides)
    if not clamp:
        return _compose(words, sources, config_file, here, check=check, texts=texts)

    def laid(settings: Sequence[Setting], check: bool) -> Composed:
        return _compose(
            words, sources, config_file, here, check=check, texts=texts, settings=settings
        )

    return clamped(laid, check=check)


def clamped(laid: Callable[[Sequence[Setting], bool], Composed], *, check: bool = True) -> Composed:
    """Compose with what is beyond the hardware profile lowered to what it allows.

    Args:
        laid: Composes with settings laid over everything, and raises what is wrong if told to.
        check: Raise what is wrong; otherwise it is in the result's `problems`.
    """
    settings: dict[str, Setting] = {}
    asked = composed = laid((), False)
    # What follows a lowered value by an interpolation may come to be beyond a limit in its turn.
    for _ in range(_CLAMPINGS):
        more = clamping(composed.config)
        if not more:
            break
        settings |= {each.key: each for each in more}
        composed = laid(tuple(settings.values()), False)
    if check and composed.problems:
        composed = laid(tuple(settings.values()), True)
    if not settings:
        return composed
    notes = (*composed.notes, *unlike(asked.config, composed.config))
    # A section that was set as a whole differs by its keys.
    own = tuple(f"{key}." for key in settings)
    changes = (each for each in diff(asked, composed) if f"{each.key}.".startswith(own))
    return replace(composed, notes=notes, clamped=tuple(changes))


def _compose(
    overrides: tuple[str, ...],
    sources: Sources,
    config_file: Path | None,
    cwd: Path,
    *,
    check: bool,
    own: bool = True,
    texts: Mapping[str, str] | None = None,
    settings: Sequence[Setting] = (),
) -> Composed:
    """Compose; without `own` as if the person had no primary file.

    `settings` are laid over everything, before anything is resolved: what follows a value by an
    interpolation follows this one.
    """
    sources = with_unsaved(sources, texts or {})
    broken = [problem for file in sources.toml_files() for problem in file.problems]
    if broken and check:
        # What the tables of a broken file would have said is not told as lacking.
        raise ConfigError(*broken)
    parsed, problems = parse_all([_as_choice(word, sources) for word in overrides])
    problems += broken
    first = find_primary(sources, config_file, cwd) if own else built_in_primary(sources)
    unsaved = _unsaved(texts or {}, sources, problems)
    tree = build(sources, parsed, SchemaRules(), first.path, {**first.extra, **unsaved})
    lay(tree, settings)
    tree.problems[:0] = problems
    tree.notes += first.notes
    unused = [
        f"{file.shown} is not used: none of its tables is a group of profiles or a section"
        for file in sources.strangers()
    ]
    tree.notes += unused
    if not tree.whole:  # what was not found may have been meant to stand there
        tree.problems += [Problem(f"{text}.") for text in unused]
    if first.shown and config_file is None:
        tree.notes.insert(0, f"{first.shown} is used as the primary file")
    how = {"sources": sources, "config_file": config_file, "cwd": cwd}
    return settle(tree, overrides, how, check=check)


def lay(tree: Tree, settings: Sequence[Setting]) -> None:
    """Put what clamping sets over a merged config, with its reason as the origin."""
    for each in settings:
        found = Origin("resolved", text=each.why, kind="finalize")
        merging.set_value(tree.config, tree.origins, each.key, each.value, found, lenient=True)


def _unsaved(
    texts: Mapping[str, str], sources: Sources, problems: list[Problem]
) -> dict[str, Profile]:
    """Read profiles from texts; one that cannot be read counts as empty, as a file would."""
    read: dict[str, Profile] = {}
    for name, text in texts.items():
        if name.endswith(toml_tables.SUFFIX):
            continue
        found = sources.find(name)
        shown, kind = (found.shown, found.source.kind) if found else (f"{name}.yaml", "project")
        path = found.path if found else None
        try:
            read[name] = parse(text.removeprefix("\ufeff"), shown, kind, path)
        except ConfigError as error:
            problems += error.problems
            read[name] = Profile({}, {}, None, None, shown, "", kind)
    return read


def settle(
    tree: Tree, overrides: tuple[str, ...], how: dict[str, Any], *, check: bool = True
) -> Composed:
    """Resolve, finish and check a merged config.

    Args:
        tree: The merged config; taken over.
        overrides: What the person asked for, as typed.
        how: How it was composed, for `defaults_of`.
        check: Raise what is wrong; otherwise it is in the result's `problems`.

    Raises:
        ConfigError: The config is wrong; holds every problem found.
    """
    from trainer.config import finalize, validate

    config: dict[str, Any] = tree.config
    problems, notes = list(tree.problems), list(tree.notes)
    provenance = flatten(config, tree.origins)

    def place(key: str) -> str:
        return str(_nearest(provenance, key))

    if has_interpolation(config):
        config, found = resolve(config, place)
        problems += found
        provenance = flatten(config, tree.origins)
    lacking = list(missing(config, place))
    # What is missing because a profile was not found is that problem, not one of its own.
    if tree.whole:
        problems += lacking
    config, more, reasons = finalize.finalize(config, provenance)
    notes += more
    for key, reason in reasons.items():
        provenance[key] = Origin("resolved", text=reason, kind="finalize")
    known = {problem.key for problem in [*problems, *lacking] if problem.key}
    problems += [
        problem for problem in validate.validate(config, provenance) if problem.key not in known
    ]
    problems = list(dict.fromkeys(problems))
    if check and problems:
        raise ConfigError(*problems)
    return Composed(
        config=config,
        provenance=provenance,
        overrides=overrides,
        choices={group: option for group, option in tree.choices.items() if option is not None},
        notes=tuple(dict.fromkeys(notes)),
        problems=tuple(problems),
        files=tuple(tree.files),
        _tree=tree,
        _how=how,
    )


RECIPE_GROUPS = ("data", "model", "loss", "callbacks")
"""The groups that make a recipe."""


def defaults_of(composed: Composed) -> Composed:
    """Compose what a config is compared with: every group's default option, and no overrides.

    Where the config belongs to another recipe than the default one (`run.recipe`), the options that
    its preset chooses stand in their place, since those of the default recipe say nothing about it.
    Without a preset its data, model, loss and callbacks are kept.

    Raises:
        ConfigError: The profiles have changed since, and no longer compose.
    """
    how = composed._how
    sources: Sources = how["sources"] if how else search_path()
    cwd: Path = how["cwd"] if how else Path.cwd()
    plain = _compose((), sources, None, cwd, check=False, own=False)
    if _recipe(composed) == _recipe(plain):
        return plain
    preset = composed.choices.get(PRESET)
    chosen, groups = composed.choices, set(RECIPE_GROUPS)
    if preset is not None:
        alone = _compose((f"{PRESET}={preset}",), sources, None, cwd, check=False, own=False)
        chosen, groups = alone.choices, {*alone.choices, *plain.choices} - {PRESET}
    kept = tuple(
        f"{group}={option}"
        for group, option in chosen.items()
        if group in groups and plain.choices.get(group) != option
    )
    # A group that this recipe leaves empty is none of its defaults either.
    kept += tuple(f"~{group}" for group in plain.choices if group in groups - set(chosen))
    return _compose(kept, sources, None, cwd, check=False, own=False) if kept else plain


def _recipe(composed: Composed) -> Any:
    return (composed.config.get("run") or {}).get("recipe")


def side(
    words: Sequence[str], *, profiles_dir: Path | None = None, cwd: Path | None = None
) -> Composed:
    """Compose one side of a comparison from what a person typed.

    Args:
        words: A run's folder or its `config.yaml`; or profiles (`trainer/kaggle_safe`), a preset's
            name and overrides, in any number.
        profiles_dir: As for `compose`.
        cwd: As for `compose`.

    Raises:
        ConfigError: A word means nothing, or the config cannot be read.
    """
    here = Path.cwd() if cwd is None else Path(cwd)
    if len(words) == 1 and "=" not in words[0]:
        path = here / at_home(words[0])
        if path.is_file() or (path / "config.yaml").is_file():
            return load_run(path)
    return _compose(tuple(words), search_path(profiles_dir, here), None, here, check=False)


def _as_choice(word: str, sources: Sources) -> str:
    """Read `trainer/kaggle_safe`, `trainer/kaggle_safe.yaml` as `trainer=kaggle_safe`."""
    group, slash, option = word.removesuffix(".yaml").rpartition("/")
    if slash and "=" not in word and sources.is_group(group) and sources.has(f"{group}/{option}"):
        return f"{group}={option}"
    return word


def load_run(path: Path) -> Composed:
    """Read a run's resolved config, to compare with it.

    Args:
        path: The run's folder, or its `config.yaml`.

    Raises:
        ConfigError: There is none, or it cannot be read.
    """
    from trainer.config.loader import read

    file = path / "config.yaml" if path.is_dir() else path
    profile = read(str(file), str(file), "run")
    config: dict[str, Any] = merging.copy(profile.values)
    return Composed(config, flatten(config, profile.origins), (), {}, ())


def _nearest(provenance: Mapping[str, Origin], key: str) -> Origin:
    """Find what set a key, or the section above it."""
    while key:
        if key in provenance:
            return provenance[key]
        key = key.rpartition(".")[0]
    return Origin("", text="", kind="schema")
