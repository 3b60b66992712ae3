"""The composer: profiles in the order of their defaults lists, then the overrides, origins beside.

This module knows nothing of traindeck's schema: over plain profiles it gives what Hydra gives. What
is ours (schema defaults below, other spellings, keywords that a change of type drops) comes in
through `Rules`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from trainer.config import merge as merging
from trainer.config.defaults_list import Layer, NeedsHydra, expand
from trainer.config.loader import Profile
from trainer.config.merge import NeedsOmegaConf
from trainer.config.overrides import Override
from trainer.config.provenance import HERE, SCHEMA, Origin, OriginTree, of, override_origin
from trainer.config.repository import Repository
from trainer.config.sources import PRIMARY, Sources, is_inside
from trainer.config.text import clean
from trainer.errors import Problem, nearest


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A layer in canonical spelling.

    Attributes:
        values: Its values.
        origins: Where they stand; those spelled otherwise say how.
        notes: What a person should know about the rewriting.
        problems: What could not be rewritten.
    """

    values: dict[Any, Any]
    origins: OriginTree
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One key that an override sets or takes back.

    Attributes:
        override: The override.
        key: The canonical key.
        value: The value in the canonical shape.
    """

    override: Override
    key: str
    value: Any

    @property
    def origin(self) -> Origin:
        """The origin of what this sets."""
        return override_origin(clean(self.override.text))


class Rules:
    """What composition means beyond Hydra; this base means nothing beyond it."""

    def base(self) -> tuple[dict[Any, Any], OriginTree]:
        """Give the values below every profile; they are copied."""
        return {}, {}

    def rewrite(self, values: dict[Any, Any], origins: OriginTree) -> Rewritten:
        """Spell a layer canonically."""
        return Rewritten(values, origins)

    def rewrite_overrides(self, overrides: Sequence[Override]) -> tuple[list[Step], list[Problem]]:
        """Spell overrides canonically."""
        return [Step(override, override.key, override.value) for override in overrides], []

    def before_layer(
        self, config: dict[Any, Any], tree: dict[str, Any], values: Mapping[Any, Any]
    ) -> list[str]:
        """Make a config ready for a layer that is about to be merged; gives notes."""
        return []


@dataclass(slots=True)
class Tree:
    """A composition before anything is resolved or checked.

    Attributes:
        config: The values; owned by the caller.
        origins: Where they come from.
        choices: The option of each group; `None` where it is null.
        files: The profiles that were merged, in order, as shown to a person.
        notes: What a person should know.
        problems: Everything that was wrong.
        whole: Whether every profile was found and read.
        parts: The layers that were merged, in order.
        steps: What the overrides set, in order.
    """

    config: dict[Any, Any] = field(default_factory=dict)
    origins: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, str | None] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    whole: bool = True
    parts: list[Rewritten] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def build(
    sources: Sources,
    overrides: Sequence[Override],
    rules: Rules | None = None,
    primary: str = PRIMARY,
    extra: Mapping[str, Profile] | None = None,
) -> Tree:
    """Compose profiles and overrides.

    Args:
        sources: Where profiles are looked for.
        overrides: The parsed overrides, in order.
        rules: What composition means beyond Hydra.
        primary: The primary file's path below the folders.
        extra: Profiles that lie in no folder, by path.
    """
    rules = rules or Rules()
    tree = Tree()
    repository = _repository(sources, extra or {})
    try:
        result = expand(repository, primary, overrides)
    except NeedsHydra:
        from trainer.config.hydra_oracle import expand_by_hydra

        repository = _repository(sources, extra or {})
        result = expand_by_hydra(repository, primary, overrides)
    tree.choices = result.choices
    tree.problems += result.problems
    tree.whole = not result.problems
    _merge_layers(tree, result.layers, repository, rules)
    apply(tree, result.values, sources, rules)
    return tree


def _repository(sources: Sources, extra: Mapping[str, Profile]) -> Repository:
    from trainer.config import tables

    def find(path: str) -> Profile | None:
        if path in extra:
            return extra[path]
        return tables.profile(sources, path) if is_inside(path) else None

    return Repository(find, sources.is_group, sources.options, sources.groups)


# What a profile becomes at a package, for as long as the profile itself is in use.
_prepared: WeakKeyDictionary[Profile, dict[tuple[str, type[Rules]], Rewritten]] = (
    WeakKeyDictionary()
)


def _prepare(profile: Profile, package: str, rules: Rules) -> Rewritten:
    cached = _prepared.setdefault(profile, {})
    key = (package, type(rules))
    if key not in cached:
        here = Origin(profile.shown, 1, path=profile.path or None, kind=profile.kind)
        values, origins = merging.embed(profile.values, profile.origins, package, here)
        cached[key] = rules.rewrite(values, origins)
    return cached[key]


def _merge_layers(
    tree: Tree, layers: Sequence[Layer], repository: Repository, rules: Rules
) -> None:
    base, base_origins = rules.base()
    parts = tree.parts
    for layer in layers:
        profile = repository.load(layer.path)
        if profile is None:
            continue
        part = _prepare(profile, layer.package, rules)
        parts.append(part)
        tree.files.append(profile.shown)
        tree.notes += part.notes
        tree.problems += part.problems
    try:
        tree.config, tree.origins, problems, notes = _merged(base, base_origins, parts, rules)
    except NeedsOmegaConf:
        from trainer.config.hydra_oracle import merge_by_omegaconf

        lenient, tree.origins, _, notes = _merged(base, base_origins, parts, rules, lenient=True)
        stack = [(base, ""), *((part.values, str(_here(part.origins))) for part in parts)]
        tree.config, problems = merge_by_omegaconf(stack)
        _prune(tree.config, lenient)
    tree.problems += problems
    tree.notes += notes


def _merged(
    base: dict[Any, Any],
    base_origins: OriginTree,
    parts: Sequence[Rewritten],
    rules: Rules,
    lenient: bool = False,
) -> tuple[dict[Any, Any], dict[str, Any], list[Problem], list[str]]:
    config: dict[Any, Any] = merging.copy(base)
    origins: dict[str, Any] = (
        merging.copy_origins(base_origins)
        if isinstance(base_origins, dict)
        else {HERE: base_origins}
    )
    problems: list[Problem] = []
    notes: list[str] = []
    for part in parts:
        notes += rules.before_layer(config, origins, part.values)
        merging.merge(config, origins, part.values, part.origins, problems, lenient=lenient)
    return config, origins, problems, notes


def _prune(config: dict[Any, Any], lenient: dict[Any, Any]) -> None:
    """Take out of OmegaConf's merge the keywords that the rules dropped from ours."""
    for section in ("optimizer", "scheduler"):
        for values in (config, lenient):
            if not isinstance(values.get(section), dict):
                break
        else:
            whole, kept = config[section].get("config"), lenient[section].get("config")
            if isinstance(whole, dict) and isinstance(kept, dict):
                for key in [key for key in whole if key not in kept]:
                    del whole[key]


def _here(origins: OriginTree) -> Any:
    return origins if isinstance(origins, Origin) else origins.get(HERE, "")


def apply(tree: Tree, overrides: Sequence[Override], sources: Sources, rules: Rules) -> None:
    """Apply the overrides that set values, in order."""
    settings: list[Override] = []
    for override in overrides:
        if override.package is not None or "/" in override.key:
            tree.problems.append(_no_group(override, sources))
        else:
            settings.append(override)
    steps, problems = rules.rewrite_overrides(settings)
    tree.steps = steps
    tree.problems += problems
    # All overrides are one layer: what a person types together is meant together.
    asked: dict[Any, Any] = {}
    for step in steps:
        if step.override.kind != "delete":
            merging.set_value(asked, {}, step.key, step.value, step.origin, lenient=True)
    tree.notes += rules.before_layer(tree.config, tree.origins, asked)
    base = rules.base()[0]
    for step in steps:
        if step.override.kind == "delete":
            problem = _delete(tree, base, step.key, step.value, step.origin)
        else:
            problem = _set(tree, step.key, step.value, step.origin)
        if problem is not None:
            tree.problems.append(problem)


def history(tree: Tree, base: dict[Any, Any], key: str) -> list[tuple[Origin, Any]]:
    """Tell what each layer says about a key, lowest first; layers that say nothing are left out.

    Args:
        tree: The composition.
        base: What lay below it.
        key: The canonical dotted key of a value, or of a section.
    """
    found: list[tuple[Origin, Any]] = []
    stack = [(base, SCHEMA), *((part.values, part.origins) for part in tree.parts)]
    for values, origins in stack:
        try:
            value = merging.get_value(values, key)
        except KeyError:
            continue
        found.append((_origin_at(origins, values, key), value))
    for step in tree.steps:
        if step.override.kind == "delete":
            if key == step.key or key.startswith(f"{step.key}."):
                found.append((step.origin, None))
            continue
        said: dict[Any, Any] = {}
        merging.set_value(said, {}, step.key, step.value, step.origin, lenient=True)
        with contextlib.suppress(KeyError):
            found.append((step.origin, merging.get_value(said, key)))
    return found


def _origin_at(origins: OriginTree, values: Any, key: str) -> Origin:
    best = of(origins, SCHEMA)
    node: Any = origins
    for part in key.split("."):
        index = merging.find_key(values, part)
        values = values[index]
        node = node.get(str(index)) if isinstance(node, dict) else None
        if node is None:
            break
        best = of(node, best)
    return best


def _set(tree: Tree, key: str, value: Any, origin: Origin) -> Problem | None:
    try:
        return merging.set_value(tree.config, tree.origins, key, value, origin)
    except NeedsOmegaConf:
        from trainer.config.hydra_oracle import update_by_omegaconf

        before = merging.copy(tree.config)
        merging.set_value(tree.config, tree.origins, key, value, origin, lenient=True)
        tree.config, problems = update_by_omegaconf(before, [(key, value, str(origin))])
        return problems[0] if problems else None


def _delete(
    tree: Tree, base: dict[Any, Any], key: str, value: Any, origin: Origin
) -> Problem | None:
    """Restore the schema's default, or remove a key that the schema does not know."""
    try:
        now = merging.get_value(tree.config, key)
    except KeyError:
        return Problem(
            f"'{clean(key)}' is not set, so it cannot be taken back.", str(origin), "", key
        )
    if value is not None and now != value:
        return Problem(
            f"'{clean(key)}' is {now!r}, not {value!r}, and stays.", str(origin), "", key
        )
    try:
        default = merging.get_value(base, key)
    except KeyError:
        merging.delete_value(tree.config, tree.origins, key)
        return None
    merging.delete_value(tree.config, tree.origins, key)
    return merging.set_value(tree.config, tree.origins, key, default, origin)


def _no_group(override: Override, sources: Sources) -> Problem:
    groups = sources.groups()
    return Problem(
        f"There is no group '{clean(override.key)}'.",
        f"override {clean(override.text)}",
        nearest(override.key, groups) or f"There are {', '.join(groups)}.",
        override.key,
    )
