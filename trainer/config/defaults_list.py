"""Hydra's defaults list over plain values: which files make a config, in which order, and where.

The semantics are Hydra 1.3's (with `version_base` 1.3), and a property test holds both together.
Interpolated options (`- model: ${data}`) are left to Hydra itself: `NeedsHydra`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trainer.config.defaults_node import Node
from trainer.config.entries import Entry
from trainer.config.loader import Profile
from trainer.config.overrides import Override
from trainer.config.repository import Repository
from trainer.config.sources import is_inside
from trainer.config.text import clean
from trainer.config.toml_tables import PRESET
from trainer.errors import Problem, nearest


class NeedsHydra(Exception):
    """The defaults lists hold an interpolation: Hydra itself must expand them."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of the result, merged in this order.

    Attributes:
        path: The file's path below the folders, without `.yaml`.
        package: The dotted section that its content goes to; empty for the root.
    """

    path: str
    package: str


@dataclass(slots=True)
class Result:
    """An expanded defaults list.

    Attributes:
        layers: The files in order of merging.
        choices: The option chosen for each group (with `@package` where it is not the group's own).
        problems: What was wrong; the layers then lack what could not be found.
        values: The overrides that set values, in order: those that chose no option.
    """

    layers: list[Layer] = field(default_factory=list)
    choices: dict[str, str | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    values: list[Override] = field(default_factory=list)


_SELF = Entry(None, "_self_", None, False, False, 0)


@dataclass(slots=True)
class _Choice:
    value: str | list[str] | None
    where: str
    external: bool
    used: bool = False


class _Expansion:
    """One run of the algorithm: choices, deletions and what was seen on the way."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.result = Result()
        self.choices: dict[str, _Choice] = {}
        self.deletions: dict[str, tuple[str | None, str]] = {}
        self.deleted: set[str] = set()
        self.appended: list[Node] = []
        self.known: dict[str, str | None] = {}
        self.placed: dict[str, Node] = {}
        self.keys_of_group: dict[str, set[str]] = {}
        self.result_keys: set[str] = set()
        self.lists: dict[str, str | None] = {}

    def problem(self, what: str, where: str, remedy: str = "", key: str = "") -> None:
        self.result.problems.append(Problem(what, where, remedy, key))

    def take_overrides(self, overrides: Sequence[Override]) -> None:
        """Sort overrides into choices of options and settings of values."""
        for override in overrides:
            where = f"override {clean(override.text)}"
            if isinstance(override.value, dict) or not self.repository.is_group(override.key):
                self.result.values.append(override)
                continue
            if override.kind == "force":
                self.problem(
                    f"'++' cannot choose an option of the group '{override.key}'.",
                    where,
                    f"Write {override.element}={_shown(override.value)}.",
                    override.key,
                )
            elif override.kind == "delete":
                if override.value is not None and not isinstance(override.value, str):
                    self.problem(
                        f"'~{override.key}' takes an option's name, not {override.value!r}.", where
                    )
                    continue
                self.deletions[override.element] = (override.value, where)
            elif not isinstance(override.value, str | list) or (
                isinstance(override.value, list)
                and not all(isinstance(option, str) for option in override.value)
            ):
                remedy = (
                    f"To leave the group out, write ~{override.element}."
                    if override.value is None
                    else f"It has {_listed(self.repository.options(override.key))}."
                )
                self.problem(
                    f"The option of the group '{override.key}' must be a name, "
                    f"not {_shown(override.value)}.",
                    where,
                    remedy,
                    override.key,
                )
            elif override.kind == "add":
                entry = Entry(override.key, override.value, override.package, False, False, 0)
                self.appended.append(Node(entry, where, appended=True))
            else:
                self.choices[override.element] = _Choice(override.value, where, True)

    def expand(self, node: Node, chain: tuple[str, ...], root: bool) -> list[Layer]:
        """Give the layers of one entry and all below it, last entries looked at first."""
        if node.name() is None:
            # A null option: the group is known, and nothing is loaded.
            if not self._is_deleted(node):
                self._know(node)
            return []
        path = node.config_path()
        profile = None if node.is_missing() else self._profile(node, path)
        node.set_header(profile.package if profile is not None else None)
        if self._is_deleted(node):
            node.deleted = True
            self.deleted.add(node.override_key())
            return []
        self._know(node)
        if node.is_missing():
            key = node.override_key()
            self.problem(
                f"The group '{key}' needs an option.",
                node.where,
                f"Add {key}=OPTION; it has {_listed(self.repository.options(node.group_path()))}.",
                key,
            )
            return []
        if profile is None:
            if not node.optional:
                self._not_found(node, path)
            return []
        if path in chain:
            circle = " → ".join([*chain[chain.index(path) :], path])
            self.problem(f"The defaults lists go in a circle: {clean(circle)}.", node.where)
            return []
        return self._expand_list(node, profile, (*chain, path), root)

    def _expand_list(
        self, node: Node, profile: Profile, chain: tuple[str, ...], root: bool
    ) -> list[Layer]:
        path, package = node.config_path(), node.final_package()
        nodes = [
            Node(entry, f"{profile.shown}:{entry.line}") for entry in self._with_self(profile, root)
        ]
        if root:
            nodes += self.appended
        self._note_overrides(nodes, node, profile)
        base = node.group_path()
        parts: list[list[Layer]] = []
        for child in reversed(nodes):
            if child.entry.is_self:
                parts.append([Layer(path, package)])
                continue
            if child.entry.override:
                continue
            child.place(base, package)
            if child.group is not None:
                choice = self.choices.get(child.override_key())
                if choice is not None:
                    child.value = choice.value
                    child.where = choice.where
                    choice.used = True
            if isinstance(child.value, list):
                self.lists[child.override_key()] = _shown(child.value)
                parts += [
                    self._expand_option(child, option, base, package, chain)
                    for option in reversed(child.value)
                ]
            elif child.is_interpolated():
                raise NeedsHydra
            else:
                parts.append(self.expand(child, chain, root=False))
        if not parts:
            parts.append([Layer(path, package)])
            self._note_result(node)
        return [layer for part in reversed(parts) for layer in part]

    def _expand_option(
        self, child: Node, option: str, base: str, package: str, chain: tuple[str, ...]
    ) -> list[Layer]:
        if "${" in option:
            self.problem("A list of options cannot hold an interpolation.", child.where)
            return []
        entry = Entry(None, f"{child.group}/{option}", child.package, child.optional, False, 0)
        node = Node(entry, child.where)
        node.place(base, package)
        return self.expand(node, chain, root=False)

    def _with_self(self, profile: Profile, root: bool) -> list[Entry]:
        """Add `_self_` where the list leaves it out: at the end, as Hydra does."""
        entries = list(profile.defaults or ())
        if not entries and not (root and self.appended):
            return []
        selves = [entry for entry in entries if entry.is_self]
        if len(selves) > 1:
            self.problem(
                "'_self_' stands twice in this defaults list.", f"{profile.shown}:{selves[1].line}"
            )
            entries = [entry for entry in entries if entry is not selves[1]]
        if not selves and (not entries or any(not entry.override for entry in entries)):
            entries.append(_SELF)
        return entries

    def _note_overrides(self, nodes: list[Node], parent: Node, profile: Profile) -> None:
        base, package = parent.group_path(), parent.final_package()
        seen: Node | None = None
        for node in nodes:
            if node.entry.is_self:
                continue
            node.place(base, package)
            if seen is not None and not (node.entry.override or node.appended):
                self.problem(
                    "An entry stands after an 'override' entry.",
                    node.where,
                    "Put 'override' entries at the end of the defaults list.",
                )
            if node.entry.override and node.group is not None:
                seen = node
                key = node.override_key()
                if key not in self.choices:
                    self.choices[key] = _Choice(node.value, node.where, False)

    def _profile(self, node: Node, path: str) -> Profile | None:
        if not is_inside(path):
            return None
        return self.repository.load(path)

    def _know(self, node: Node) -> None:
        if node.group is None:
            return
        key, name = node.override_key(), node.name()
        if key in self.known and self.known[key] != name:
            other = self.placed[key]
            # Lists are walked from their end: what an override appended was seen first.
            asker = other if other.appended else node
            self.problem(
                f"The group '{key}' gets two options: '{self.known[key]}' and '{name}'.",
                asker.where,
                f"To replace one, write {key}={asker.name()}, or 'override {key}: …' in a file.",
                key,
            )
        self.known.setdefault(key, name)
        self.placed.setdefault(key, node)
        self.keys_of_group.setdefault(node.group_path(), set()).add(key)

    def _is_deleted(self, node: Node) -> bool:
        if node.group is None or isinstance(node.value, list):
            return False
        found = self.deletions.get(node.override_key())
        if found is None or (found[0] is not None and found[0] != node.name()):
            return False
        self.deleted.add(node.override_key())
        return True

    def _note_result(self, node: Node) -> None:
        if node.group is None:
            return
        key = node.override_key()
        if key in self.result_keys:
            self.problem(f"The group '{key}' stands more than once in the defaults.", node.where)
        self.result_keys.add(key)

    def _not_found(self, node: Node, path: str) -> None:
        group, name = node.group_path(), node.name() or ""
        options = self.repository.options(group) if is_inside(group) else []
        if group and options:
            near = nearest(name, options) or self._elsewhere(name)
            what = f"The group '{clean(group)}' has no option '{clean(name)}'."
            all_of_them = f"It has {_listed(options)}."
            if group == PRESET:
                what = f"Preset '{clean(name)}' not found."
                all_of_them = (
                    f"There are {_listed(options)}; `traindeck train --list-presets` tells of each."
                )
            self.problem(
                what,
                node.where,
                f"{near} {all_of_them}".strip(),
                group.replace("/", "."),
            )
        else:
            self.problem(f"There is no profile '{clean(path)}'.", node.where)

    def _elsewhere(self, name: str) -> str:
        """Find an option of that name in another group: a bare word may have meant it."""
        for group in self.repository.groups():
            if name in self.repository.options(group):
                return f"Did you mean {group}={clean(name)}?"
        return ""

    def check_used(self) -> None:
        """Report choices and deletions that met nothing."""
        for key, choice in self.choices.items():
            if choice.used:
                continue
            group = key.split("@")[0]
            keys = sorted(self.keys_of_group.get(group, ()))
            if keys:
                remedy = f"Did you mean {' or '.join(keys)}?"
            elif choice.external:
                remedy = f"To add the group, write +{key}={_shown(choice.value)}."
            else:
                remedy = ""
            self.problem(
                f"No defaults list holds '{clean(key)}', so its option cannot be chosen.",
                choice.where,
                remedy,
                group,
            )
        for key, (_, where) in self.deletions.items():
            if key not in self.deleted:
                self.problem(f"No defaults list holds '{clean(where[10:])}' to leave out.", where)


def expand(repository: Repository, primary: str, overrides: Sequence[Override]) -> Result:
    """Expand a primary file's defaults list under overrides.

    Raises:
        NeedsHydra: An option is an interpolation.
    """
    run = _Expansion(repository)
    run.take_overrides(overrides)
    root = Node(Entry(None, primary, None, False, False, 0), "")
    root.place("", "")
    run.result.layers = run.expand(root, (), root=True)
    if not run.result.problems and not repository.problems:
        run.check_used()
    run.result.choices = run.known | run.lists
    run.result.problems += repository.problems
    return run.result


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_shown, value))}]"
    return clean(str(value))


def _listed(options: Sequence[str]) -> str:
    return ", ".join(map(clean, options)) if options else "no options"
