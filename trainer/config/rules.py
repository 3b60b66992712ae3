"""What composition means beyond Hydra: defaults below, other spellings, keywords of another class."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from trainer.config.provenance import HERE, SCHEMA, OriginTree
from trainer.config.tree import Rules


@lru_cache(maxsize=1)
def _base() -> tuple[dict[Any, Any], OriginTree]:
    from trainer.config.schema import defaults

    return defaults(), {HERE: SCHEMA}


class SchemaRules(Rules):
    """Traindeck's own rules over Hydra's."""

    def base(self) -> tuple[dict[Any, Any], OriginTree]:
        """Give the schema's defaults; shared, to be copied."""
        return _base()

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


def _drop_keywords(
    config: dict[Any, Any], tree: dict[str, Any], section: str, chosen: Any
) -> list[str]:
    return []
