"""A run's resolved config as the ground that overrides change: for resume and rerun."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.config import merge as merging
from trainer.config.aliases import about
from trainer.config.compose import Composed, clamped, lay, load_run, settle
from trainer.config.hardware_clamp import Setting
from trainer.config.overrides import Override, parse_all
from trainer.config.provenance import Origin
from trainer.config.rules import SchemaRules
from trainer.config.sources import Sources, search_path
from trainer.config.text import clean
from trainer.config.tree import Tree, apply
from trainer.errors import Problem


def compose_onto(run: Path, overrides: Sequence[str] = (), *, clamp: bool = False) -> Composed:
    """Change single values of a run's config; no profile is read again.

    Without overrides the result has the run's own hash. A value that nobody changes keeps the
    origin that the run recorded for it. What was asked for is what the run was asked for, and
    the overrides on top: they alone would not make the config.

    Args:
        run: The run's folder.
        overrides: Overrides of keys in Hydra's grammar.
        clamp: Lower what is beyond the run's hardware profile to what it allows.

    Raises:
        ConfigError: An override is wrong or picks a profile, or the changed config is wrong.
    """
    base = load_run(run)
    sources = search_path()
    parsed, problems = parse_all(overrides)
    picked = [override for override in parsed if _picks(override, sources)]
    problems += [_no_choice(override) for override in picked]

    def laid(settings: Sequence[Setting], check: bool) -> Composed:
        tree = Tree(
            config=merging.copy(base.config),
            origins=_tree(base.provenance, _recorded(run)),
            choices=dict(_choices(run)),
            problems=list(problems),
        )
        apply(tree, [each for each in parsed if each not in picked], sources, SchemaRules())
        lay(tree, settings)
        return settle(tree, tuple(overrides), {}, check=check)

    composed = clamped(laid) if clamp else laid((), True)
    changed = {about(word) for word in overrides}
    asked = [word for word in _asked(run) if about(word) not in changed]
    return replace(composed, overrides=(*asked, *overrides))


def _picks(override: Override, sources: Sources) -> bool:
    return sources.is_group(override.key) and not isinstance(override.value, dict)


def _no_choice(override: Override) -> Problem:
    return Problem(
        f"'{clean(override.key)}' picks a profile, and a run that goes on keeps the ones it has.",
        f"override {clean(override.text)}",
        "Set single keys, or train anew with run.resume=PATH_TO_A_CHECKPOINT.",
        override.key,
    )


def _tree(provenance: dict[str, Origin], recorded: dict[str, Origin]) -> dict[str, Any]:
    """Build the origin tree of a config: what the run recorded, else its file and line."""
    origins: dict[str, Any] = {}
    for key, origin in provenance.items():
        level = origins
        *above, name = key.split(".")
        for part in above:
            level = level.setdefault(part, {})
        level[name] = recorded.get(key, origin)
    return origins


def _recorded(run: Path) -> dict[str, Origin]:
    """Read where a run's values came from; what cannot be read is left out."""
    found = {}
    for key, record in _json(run / "provenance.json").items():
        if isinstance(record, dict):
            line = record.get("line")
            found[str(key)] = Origin(
                str(record.get("where", "")),
                line if isinstance(line, int) else None,
                str(record.get("text", "")),
                kind=str(record.get("kind", "run")),
            )
    return found


def _choices(run: Path) -> dict[str, str]:
    chosen = _json(run / "run.json").get("choices")
    return {str(k): str(v) for k, v in chosen.items()} if isinstance(chosen, dict) else {}


def _asked(run: Path) -> tuple[str, ...]:
    """Read what the person asked for when the run was made."""
    import yaml

    try:
        asked = yaml.safe_load((run / "overrides.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ()
    return tuple(str(word) for word in asked) if isinstance(asked, list) else ()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
