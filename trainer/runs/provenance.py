"""What a run was made of: hashes of its config, code, environment and data.

The same inputs give the same hash on any day; any other input gives another one. Nothing here
holds absolute paths, user names or times of day, since those are no inputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

# Untracked files of these kinds are code; others (data, outputs, notes) are not.
_CODE_SUFFIXES = frozenset(
    {".py", ".pyx", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".rs", ".sh"}
    | {".toml", ".yaml", ".yml", ".cfg"}
)
# A data file up to this size is hashed whole, a larger one by size, time and samples.
_WHOLE_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 16
_MAX_DATA_FILES = 200_000
_GIT_TIMEOUT = 20.0


def hash_summary(
    config: Mapping[str, Any], *, cwd: Path | None = None, runs_dir: Path | None = None
) -> dict[str, Any]:
    """Hash everything that decides what a run does.

    Args:
        config: The canonical config.
        cwd: The project's folder, whose code counts; the working directory if None.
        runs_dir: Never counts as code, even where it lies untracked inside the project.

    Returns:
        `{"v": 1, "hash", "config": {"hash"}, "code": {"hash", …}, "environment": {"hash", …},
        "data": {"hash", …} | None}`; `hash` is SHA-256 over the others'.
    """
    from trainer.config.hashing import config_hash

    parts: dict[str, Any] = {
        "config": {"hash": config_hash(config)},
        "code": code(cwd or Path.cwd(), runs_dir=runs_dir),
        "environment": environment((config.get("run") or {}).get("num_threads")),
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

    project = _git_state(cwd, runs_dir)
    record = {
        "project": project,
        "traindeck": {"version": __version__, "files": package_hash()},
    }
    return {"hash": _digest(record), **record}


@lru_cache(maxsize=1)
def package_hash() -> str:
    """Hash the content of traindeck's Python files that take part in training."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        # The command line decides nothing that the resolved config does not hold.
        if not relative.startswith(("commands/", "cli.py")):
            digest.update(f"{relative}\0{_file_hash(path)}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def environment(threads: int | None = None) -> dict[str, Any]:
    """Hash Python, platform and the versions of all installed distributions; no torch import.

    Args:
        threads: How many threads compute: the last bits of every sum depend on it.
    """
    record = {
        "threads": threads,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "packages": dict(sorted(_distributions())),
    }
    return {"hash": _digest(record), **record}


def _distributions() -> Iterator[tuple[str, str]]:
    """List name and version of what is installed.

    Read off the folders' names, which is what `importlib.metadata` looks at first too; opening
    each METADATA file takes fifty times as long.
    """
    seen: set[str] = set()
    for folder in sys.path:
        try:
            with os.scandir(folder or ".") as entries:
                names = [entry.name for entry in entries]
        except OSError:
            continue
        for name in names:
            match = re.fullmatch(r"(.+?)-(\d[^-]*)(?:-.+)?\.(?:dist|egg)-info", name)
            if match:
                key = re.sub(r"[-_.]+", "-", match[1]).lower()
                # The first on the path is the one that is imported.
                if key not in seen:
                    seen.add(key)
                    yield key, match[2]


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
    root = (cwd or Path.cwd()) / Path(named).expanduser()
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
        return _file_hash(path)
    digest = hashlib.sha256(str(info.st_mtime_ns).encode())
    try:
        with path.open("rb") as file:
            for offset in (0, info.st_size // 2, info.st_size - _SAMPLE_BYTES):
                file.seek(offset)
                digest.update(file.read(_SAMPLE_BYTES))
    except OSError:
        return "unreadable"
    return digest.hexdigest()


def _git_state(cwd: Path, runs_dir: Path | None) -> dict[str, Any] | None:
    """Tell commit and local changes of the work tree around a folder; None outside of git."""
    top = _git(cwd, "rev-parse", "--show-toplevel")
    if top is None:
        return None
    root = Path(top.decode("utf-8", "surrogateescape").rstrip("\n"))
    head = _git(root, "rev-parse", "--verify", "-q", "HEAD")
    commit = head.decode().strip() if head else None
    against = ["HEAD"] if commit else ["--cached"]
    difference = _git(
        root, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", *against
    )
    digest = hashlib.sha256(difference or b"")
    listed = _git(root, "ls-files", "-z", "--others", "--exclude-standard") or b""
    untracked = 0
    skipped = runs_dir.absolute() if runs_dir else None
    for raw in sorted(listed.split(b"\0")):
        path = root / os.fsdecode(raw)
        inside_runs = skipped is not None and skipped in path.parents
        if raw and path.suffix in _CODE_SUFFIXES and not inside_runs:
            digest.update(b"\0" + raw + b"\0" + _file_hash(path).encode())
            untracked += 1
    dirty = bool(difference) or untracked > 0
    return {"commit": commit, "dirty": dirty, "changes": digest.hexdigest() if dirty else None}


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Ask git without taking its locks and without running what the repository configures."""
    try:
        answer = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_GIT_TIMEOUT,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout if answer.returncode == 0 else None


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
