"""What is known of a run that may have to be repeated; read so that no damaged file raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.display import plural, size
from trainer.errors import TraindeckError
from trainer.runs import environment, provenance
from trainer.runs.layout import RunFolder, read_json_or_empty
from trainer.runs.values import printable

_SHORT = 12


@dataclass(frozen=True)
class Facts:
    """What is known of a run, or of one that is only composed yet.

    Attributes:
        config: The resolved config; empty if it cannot be read.
        problem: Why it cannot be read; empty if it can.
        run: The run; None before the launch.
        identity: Its `run.json`.
        summary: Its hashes.
        locked: Its `environment.json`.
        seen: What its attempts found, oldest first.
    """

    config: Mapping[str, Any]
    problem: str = ""
    run: RunFolder | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    locked: Mapping[str, Any] = field(default_factory=dict)
    seen: tuple[Mapping[str, Any], ...] = ()

    @property
    def script(self) -> bool:
        """Whether the run was made by a program of its own."""
        return self.identity.get("launcher") == "script"

    def part(self, name: str) -> Mapping[str, Any]:
        """Give a section of the config; empty if it is none."""
        return mapping(self.config.get(name))


def facts_of(run: RunFolder) -> Facts:
    """Read what a run folder tells; nothing that is wrong with it raises."""
    from trainer.config.compose import load_run

    config: Mapping[str, Any] = {}
    problem = ""
    try:
        config = load_run(run.config).config
    except TraindeckError as error:
        problem = str(error).splitlines()[0]
    except (OSError, ValueError, RecursionError) as error:
        problem = f"it cannot be read: {error}".splitlines()[0]
    seen = read_json_or_empty(run.environment_seen).get("seen")
    return Facts(
        config=config,
        problem=printable(problem),
        run=run,
        identity=run.identity(),
        summary=read_json_or_empty(run.hash_summary),
        locked=read_json_or_empty(run.environment),
        seen=tuple(e for e in seen if isinstance(e, dict)) if isinstance(seen, list) else (),
    )


def changed_since(facts: Facts) -> list[str]:
    """Tell what a repetition here and now would do otherwise than the run did, in words."""
    found = [f"environment: {text}" for text in _environment_now(facts)]
    code = mapping(facts.summary.get("code"))
    place = facts.identity.get("cwd")
    cwd = Path(place) if isinstance(place, str) and Path(place).is_dir() else None
    if cwd is None:
        return [*found, f"the folder that it worked in is gone: {printable(str(place))}"]
    root = facts.identity.get("runs_dir")
    if code:
        now = provenance.code(cwd, runs_dir=Path(root) if isinstance(root, str) else None)
        if now["traindeck"] != code.get("traindeck"):
            found.append("code: traindeck itself is another one")
        if now["project"] != code.get("project"):
            found.append(f"code: {commit_of(code.get('project'))} → {commit_of(now['project'])}")
    if "data" in facts.summary:
        data = mapping(facts.summary.get("data"))
        present = provenance.data_manifest(facts.config, cwd=cwd) or {}
        if present.get("hash") != data.get("hash"):
            found.append(f"data: {files_of(data)} → {files_of(present)}")
    return found


def _environment_now(facts: Facts) -> list[str]:
    if not facts.locked:
        return []
    given = facts.identity.get("env")
    env = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
    return environment.differences(
        facts.locked, environment.lock(facts.part("run").get("num_threads"), env)
    )


def commit_of(project: object) -> str:
    """Name the state of a work tree, as `run_hash_summary.json` records it."""
    known = mapping(project)
    if not known:
        return "no git repository"
    commit = known.get("commit")
    name = f"commit {str(commit)[:_SHORT]}" if commit else "no commit yet"
    return printable(f"{name} with changes" if known.get("dirty") else name)


def files_of(manifest: Mapping[str, Any]) -> str:
    """Name the data of a run, as `run_hash_summary.json` records them."""
    files, total = manifest.get("files"), manifest.get("bytes")
    if not isinstance(files, int) or not isinstance(total, int):
        return "no files"
    return f"{plural(files, 'file')}, {size(total)}, {str(manifest.get('hash'))[:_SHORT]}"


def mapping(value: object) -> Mapping[str, Any]:
    """Give a value that is a mapping, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}
