"""What composition means beyond Hydra: defaults below, other spellings, keywords of another class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from trainer.config.merge import copy_origins
from trainer.config.overrides import Override
from trainer.config.provenance import HERE, SCHEMA, Origin, OriginTree, of
from trainer.config.text import clean
from trainer.config.tree import Rewritten, Rules, Step
from trainer.errors import ConfigError, Problem

if TYPE_CHECKING:
    from trainer.config.aliases import AliasNote


@lru_cache(maxsize=1)
def _base() -> tuple[dict[Any, Any], OriginTree]:
    from trainer.config.schema import defaults

    return defaults(), {HERE: SCHEMA}


class SchemaRules(Rules):
    """Traindeck's own rules over Hydra's."""

    def base(self) -> tuple[dict[Any, Any], OriginTree]:
        """Give the schema's defaults; shared, to be copied."""
        return _base()

    def rewrite(self, values: dict[Any, Any], origins: OriginTree) -> Rewritten:
        """Spell a file's content canonically; each origin remembers the spelling in the file."""
        from trainer.config.aliases import rewrite_mapping

        here = of(origins, Origin(""))
        try:
            rewritten, notes = rewrite_mapping(
                values, here.where, lambda path: str(_at(origins, path, here))
            )
        except ConfigError as error:
            return Rewritten({}, here, problems=error.problems)
        if not notes:
            return Rewritten(rewritten, origins)
        return Rewritten(rewritten, _moved(origins, notes))

    def rewrite_overrides(self, overrides: Sequence[Override]) -> tuple[list[Step], list[Problem]]:
        """Spell overrides canonically, and find those that spell one key in two ways."""
        from trainer.config.aliases import canonical_key, override_conflicts, rewrite_override

        steps: list[Step] = []
        problems: list[Problem] = []
        written: list[tuple[str, str, Any, str]] = []
        for override in overrides:
            where = f"override {clean(override.text)}"
            if override.kind == "delete":
                key = canonical_key(override.key)
                steps.append(Step(override, key, override.value))
                continue
            try:
                settings, _ = rewrite_override(override.key, override.value, where)
            except ConfigError as error:
                problems += error.problems
                continue
            for key, value in settings:
                steps.append(Step(override, key, value))
                written.append((override.key, key, value, clean(override.text)))
        problems += override_conflicts(written)
        return steps, problems

    def before_layer(
        self, config: dict[Any, Any], tree: dict[str, Any], values: Mapping[Any, Any]
    ) -> list[str]:
        """Drop the keywords of lower layers that a newly chosen class lacks."""
        notes: list[str] = []
        for section in ("optimizer", "scheduler"):
            chosen = values.get(section)
            if isinstance(chosen, dict) and "type" in chosen:
                notes += _drop_keywords(config, tree, section, chosen["type"])
        return notes


def _at(origins: OriginTree, path: Sequence[Any], here: Origin) -> Origin:
    """Find where a key stands, or the nearest section above it."""
    node: Any = origins
    for part in path:
        below = node.get(str(part)) if isinstance(node, dict) else None
        if below is None:
            break
        node = below
    return of(node, here)


def _moved(origins: OriginTree, notes: Sequence[AliasNote]) -> OriginTree:
    """Put origins where aliases have put their values."""
    if isinstance(origins, Origin):
        return origins
    moved: dict[str, Any] = copy_origins(origins)
    for note in notes:
        source: Any = origins
        for part in note.old.split("."):
            below = source.get(part) if isinstance(source, dict) else None
            if below is None:
                break
            source = below
        target = moved
        *above, last = note.new.split(".")
        for part in above:
            node = target.get(part)
            if not isinstance(node, dict):
                node = target[part] = {HERE: node} if node is not None else {}
            target = node
        target[last] = _marked(source, f"written as {clean(note.old)}")
    return moved


def _marked(tree: Any, text: str) -> Any:
    if isinstance(tree, Origin):
        return replace(tree, text=text)
    return {name: _marked(below, text) for name, below in tree.items()}


def _drop_keywords(
    config: dict[Any, Any], tree: dict[str, Any], section: str, chosen: Any
) -> list[str]:
    from trainer.config.torch_args import OPTIMIZERS, SCHEDULERS

    below = config.get(section)
    table = OPTIMIZERS if section == "optimizer" else SCHEDULERS
    if not isinstance(below, dict) or not isinstance(chosen, str) or chosen not in table:
        return []
    before, keywords = below.get("type"), below.get("config")
    if before == chosen or not isinstance(keywords, dict):
        return []
    known = {keyword.name for keyword in table[chosen]}
    dropped = [name for name in keywords if name not in known]
    if not dropped:
        return []
    places = tree.get(section)
    places = places.get("config") if isinstance(places, dict) else None
    values = ", ".join(f"{clean(str(name))}={keywords[name]!r}" for name in dropped)
    for name in dropped:
        del keywords[name]
        if isinstance(places, dict):
            places.pop(str(name), None)
    return [f"{section}.config: {clean(values)} dropped, because {chosen} takes no such keyword"]
