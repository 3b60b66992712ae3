"""The config of a run, where each value came from, and what the run was made of.

Called in a thread; the rooms that read configs are loaded here and not with the screen. Secrets are
masked here, so that no widget ever holds one.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trainer.errors import TraindeckError
from trainer.runs.layout import RunFolder, read_json_or_empty
from trainer.secrets import MASK, is_secret_key, mask, mask_words
from tui.text import clean

_LONG = 4000


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the config.

    Attributes:
        key: The dotted key; harmless text, as all of this.
        value: Its value, on one line.
        origin: What set it.
        old: The default, where that is another one and was asked for.
        kind: "changed", "added", "removed", or empty where nothing was compared.
    """

    key: str
    value: str
    origin: str
    old: str = ""
    kind: str = ""


@dataclass(frozen=True)
class RunConfig:
    """What a run was made of.

    Attributes:
        settings: Every key of the config, in its order.
        facts: (name, value): the command, what was asked for, code, environment, hashes.
        hash: Hash of the config; empty if unknown.
        problem: Why the config cannot be read; empty if it can.
    """

    settings: tuple[Setting, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    hash: str = ""
    problem: str = ""


def load(run: RunFolder) -> RunConfig:
    """Read a run's config with its origins and facts; never raises for what lies there."""
    from trainer.config.compose import load_run
    from trainer.config.provenance import leaves

    facts, hash_ = _facts(run)
    recorded = read_json_or_empty(run.provenance)
    try:
        composed = load_run(run.path)
        settings = tuple(
            Setting(_key(key), _value(key, value), _origin(recorded.get(key)))
            for key, value in leaves(composed.config)
        )
    except (TraindeckError, OSError, ValueError, RecursionError) as error:
        return RunConfig((), facts, hash_, _why(error))
    return RunConfig(settings, facts, hash_)


def changes(run: RunFolder) -> tuple[tuple[Setting, ...], str]:
    """Compare a run's config with the defaults of its recipe as the profiles have them now.

    Returns:
        What differs, and why it cannot be told.
    """
    from trainer.config.compose import defaults_of, load_run
    from trainer.config.diff import diff

    recorded = read_json_or_empty(run.provenance)
    chosen = run.identity().get("choices")
    choices = {str(k): str(v) for k, v in chosen.items()} if isinstance(chosen, dict) else {}
    try:
        composed = replace(load_run(run.path), choices=choices)
        found = diff(defaults_of(composed), composed)
    except (TraindeckError, OSError, ValueError, RecursionError) as error:
        return (), _why(error)
    return (
        tuple(
            Setting(
                _key(change.key),
                "" if change.kind == "removed" else _value(change.key, change.new),
                _origin(recorded.get(change.key)),
                "" if change.kind == "added" else _value(change.key, change.old),
                change.kind,
            )
            for change in found
        ),
        "",
    )


def _key(key: str) -> str:
    return clean(key)[:300]


def _value(key: str, value: Any) -> str:
    if is_secret_key(key) and value not in (None, "", True, False):
        return MASK
    if isinstance(value, str):
        return clean(mask(value))[:_LONG] or '""'
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return clean(mask(text))[:_LONG]


def _origin(record: Any) -> str:
    """Say what set a value, as `Origin` does."""
    if not isinstance(record, Mapping):
        return ""
    where, line, text = record.get("where"), record.get("line"), str(record.get("text") or "")
    kind = record.get("kind")
    if kind == "override":
        said = f"override {text}"
    elif kind == "schema":
        said = "schema default"
    else:
        place = f"{where}:{line}" if isinstance(line, int) else str(where or "")
        said = f"{place} ({text})" if text else place
    return clean(mask(said))[:500]


def _facts(run: RunFolder) -> tuple[tuple[tuple[str, str], ...], str]:
    """Collect what the run's small files tell of its making."""
    identity, summary = run.identity(), read_json_or_empty(run.hash_summary)
    facts = list(_identity_facts(identity))
    facts += [("asked for", word) for word in _asked(run)]
    code = _mapping(summary.get("code"))
    project = _mapping(code.get("project"))
    if commit := project.get("commit"):
        dirty = " with changes that were not committed" if project.get("dirty") else ""
        facts.append(("git commit", f"{commit}{dirty}"))
    package = _mapping(code.get("traindeck"))
    if version := package.get("version"):
        facts.append(("traindeck", str(version)))
    hash_ = _mapping(summary.get("config")).get("hash") or identity.get("config_hash") or ""
    facts.append(("hash of all", str(summary.get("hash") or "")))
    facts += [
        (f"hash of {part}", str(_mapping(summary.get(part)).get("hash") or ""))
        for part in ("config", "code", "environment", "data")
    ]
    environment = _mapping(summary.get("environment"))
    facts += [
        (name, str(environment.get(name) or ""))
        for name in ("python", "implementation", "platform", "threads")
    ]
    packages = _mapping(environment.get("packages"))
    facts += [(f"package {name}", str(version)) for name, version in list(packages.items())[:2000]]
    shown = ((clean(name)[:100], clean(mask(value))[:_LONG]) for name, value in facts if value)
    return tuple(shown), clean(str(hash_))[:64]


def _identity_facts(identity: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    command = identity.get("command")
    if isinstance(command, list) and command:
        yield "command", shlex.join(mask_words([str(word) for word in command]))
    for name in ("cwd", "host", "preset", "recipe"):
        if isinstance(identity.get(name), str):
            yield name, identity[name]
    for group, option in list(_mapping(identity.get("choices")).items())[:200]:
        yield f"chosen {group}", str(option)
    for name, value in list(_mapping(identity.get("env")).items())[:200]:
        yield f"variable {name}", MASK if is_secret_key(str(name)) else str(value)


def _asked(run: RunFolder) -> list[str]:
    import yaml

    try:
        if run.overrides.stat().st_size > 1 << 20:
            return []
        asked = yaml.safe_load(run.overrides.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []
    return [mask(str(word)) for word in asked[:200]] if isinstance(asked, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _why(error: Exception) -> str:
    return clean(str(error).split("\n", 1)[0])[:300] or type(error).__name__
