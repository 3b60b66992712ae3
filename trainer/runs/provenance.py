"""What a run was made of: hashes of its config, code, environment and data.

The same inputs give the same hash on any day; any other input gives another one. Nothing here
holds absolute paths, user names or times of day, since those are no inputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.paths import at_home
from trainer.runs import environment as surroundings
from trainer.runs import worktree
from trainer.runs.layout import CODE_PATCH
from trainer.runs.worktree import file_hash

# A data file up to this size is hashed whole, a larger one by size, time and samples.
_WHOLE_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 16
_MAX_DATA_FILES = 200_000


def hash_summary(
    config: Mapping[str, Any],
    *,
    cwd: Path | None = None,
    runs_dir: Path | None = None,
    environment: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Hash everything that decides what a run does.

    Args:
        config: The canonical config.
        cwd: The project's folder, whose code counts; the working directory if None.
        runs_dir: Never counts as code, even where it lies untracked inside the project.
        environment: What `trainer.runs.environment.lock` gave; found out here if None.

    Returns:
        `{"v": 1, "hash", "config": {"hash"}, "code": {"hash", …}, "environment": {"hash", …},
        "data": {"hash", …} | None}`; `hash` is SHA-256 over the others'.
    """
    from trainer.config.hashing import config_hash

    threads = (config.get("run") or {}).get("num_threads")
    parts: dict[str, Any] = {
        "config": {"hash": config_hash(config)},
        "code": code(cwd or Path.cwd(), runs_dir=runs_dir),
        "environment": surroundings.summary(environment or surroundings.lock(threads)),
        "data": data_manifest(config, cwd=cwd),
    }
    hashes = {name: part["hash"] if part else None for name, part in parts.items()}
    return {"v": 1, "hash": _digest(hashes), **parts}


def code(cwd: Path, *, runs_dir: Path | None = None) -> dict[str, Any]:
    """Hash the project's code and traindeck's own.

    In a git work tree that is the commit, the difference to it and untracked code files;
    traindeck itself counts by the content of its installed files.

    Args:
        cwd: A folder in the project.
        runs_dir: Left out of the untracked files.
    """
    from trainer import __version__

    project = worktree.state(cwd, runs_dir)
    record = {
        "project": project,
        "traindeck": {"version": __version__, "files": package_hash()},
    }
    return {"hash": _digest(record), **record}


def keep_patch(summary: dict[str, Any], *, cwd: Path, runs_dir: Path | None = None) -> bytes:
    """Give what the project's code has besides its commit, to be kept in the run folder.

    Args:
        summary: What `hash_summary` gave. `code.patch` is noted in it: None where nothing is
            missing, else `{"file"}` or `{"why"}` there is none.
        cwd: As for `hash_summary`.
        runs_dir: As for `hash_summary`.

    Returns:
        A patch for `git apply`; nothing where there is none.
    """
    noted = summary["code"]
    noted["patch"] = None
    if not (noted["project"] or {}).get("dirty"):
        return b""
    content, why = worktree.patch(cwd, runs_dir)
    noted["patch"] = {"why": why} if why else {"file": CODE_PATCH}
    return content


@lru_cache(maxsize=1)
def package_hash() -> str:
    """Hash the content of traindeck's Python files that take part in training."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        # The command line decides nothing that the resolved config does not hold.
        if not relative.startswith(("commands/", "cli.py")):
            digest.update(f"{relative}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()


def data_manifest(config: Mapping[str, Any], *, cwd: Path | None = None) -> dict[str, Any] | None:
    """Hash the data that the config names by `data.root`.

    Every file counts with its path below the root and its size. Up to 1 MiB its content counts
    too; a larger file counts by its modification time and samples of 64 KiB from its start,
    middle and end, so that terabytes take seconds. A copy that keeps times (`rsync -a`,
    `cp -p`) therefore counts as the same.

    Args:
        config: The canonical config.
        cwd: What a relative root is relative to.

    Returns:
        `{"hash", "files", "bytes"}`, or None if the config names no files that exist.
    """
    section = config.get("data")
    named = section.get("root") if isinstance(section, Mapping) else None
    if not isinstance(named, str) or not named:
        return None
    root = (cwd or Path.cwd()) / at_home(named)
    if not root.exists():
        return None
    digest, count, total = hashlib.sha256(), 0, 0
    for path in [root] if root.is_file() else _walk(root):
        try:
            info = path.stat()
        except OSError:
            continue
        if not stat.S_ISREG(info.st_mode):
            continue
        relative = path.relative_to(root).as_posix() if path != root else path.name
        content = _data_hash(path, info) if count < _MAX_DATA_FILES else str(info.st_mtime_ns)
        digest.update(f"{relative}\0{info.st_size}\0{content}\n".encode("utf-8", "surrogateescape"))
        count += 1
        total += info.st_size
    return {"hash": digest.hexdigest(), "files": count, "bytes": total}


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            yield Path(folder) / name


def _data_hash(path: Path, info: os.stat_result) -> str:
    if info.st_size <= _WHOLE_BYTES:
        return file_hash(path)
    digest = hashlib.sha256(str(info.st_mtime_ns).encode())
    try:
        with path.open("rb") as file:
            for offset in (0, info.st_size // 2, info.st_size - _SAMPLE_BYTES):
                file.seek(offset)
                digest.update(file.read(_SAMPLE_BYTES))
    except OSError:
        return "unreadable"
    return digest.hexdigest()


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
