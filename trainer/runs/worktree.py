"""The state of a git work tree: its commit and what it has besides, as a hash and as a patch."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.secrets import mask

# Untracked files of these kinds are code; others (data, outputs, notes) are not.
_CODE_SUFFIXES = frozenset(
    {".py", ".pyx", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".rs", ".sh"}
    | {".toml", ".yaml", ".yml", ".cfg"}
)
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary")
_GIT_TIMEOUT = 20.0
#: A larger patch is not kept: something else than code has been added.
MAX_PATCH_BYTES = 4 << 20


def state(cwd: Path, runs_dir: Path | None = None) -> dict[str, Any] | None:
    """Tell commit and local changes of the work tree around a folder; None outside of git.

    Args:
        cwd: A folder in it.
        runs_dir: Left out of the untracked files.

    Returns:
        `{"commit", "dirty", "changes"}`; `changes` is a hash over the difference to the commit and
        over untracked code files.
    """
    root = _root(cwd)
    if root is None:
        return None
    commit = _commit(root)
    difference = _git(root, *_DIFF, *(["HEAD"] if commit else ["--cached"]))
    digest = hashlib.sha256(difference or b"")
    untracked = _untracked(root, runs_dir)
    for raw in untracked:
        path = root / os.fsdecode(raw)
        digest.update(b"\0" + raw + b"\0" + file_hash(path).encode())
    dirty = bool(difference) or bool(untracked)
    return {"commit": commit, "dirty": dirty, "changes": digest.hexdigest() if dirty else None}


def patch(cwd: Path, runs_dir: Path | None = None) -> tuple[bytes, str]:
    """Give what a work tree has besides its commit, untracked code files included.

    `git apply` puts it onto that commit. Nothing is written into the repository.

    Args:
        cwd: A folder in the work tree.
        runs_dir: Left out of the untracked files.

    Returns:
        The patch and an empty text; or nothing and why there is none, in words.
    """
    root = _root(cwd)
    if root is None or _commit(root) is None:
        return b"", "there is no commit that it could be put onto"
    untracked = _untracked(root, runs_dir)
    difference = _with_new_files(root, untracked) if untracked else _git(root, *_DIFF, "HEAD")
    if difference is None:
        return b"", "git could not make it"
    if len(difference) > MAX_PATCH_BYTES:
        return b"", f"it has {len(difference)} bytes, more than {MAX_PATCH_BYTES}"
    # A patch with a mask in it would no longer apply, and one without would hold the secret.
    if any(mask(line) != line for line in _added(difference)):
        return b"", "it holds what looks like a secret"
    return difference, ""


def _added(difference: bytes) -> list[str]:
    """Give the lines that a diff shows, without the sign before them."""
    text = difference.decode("utf-8", "replace")
    return [line[1:].strip() for line in text.splitlines() if line[:1] in ("+", "-", " ")]


def _with_new_files(root: Path, untracked: list[bytes]) -> bytes | None:
    """Make the difference as if the files had been added, on a copy of the index."""
    index = _git(root, "rev-parse", "--git-path", "index")
    objects = _git(root, "rev-parse", "--git-path", "objects")
    if index is None or objects is None:
        return None
    index_file, objects_folder = (
        root / os.fsdecode(answer.rstrip(b"\n")) for answer in (index, objects)
    )
    try:
        with tempfile.TemporaryDirectory(prefix="traindeck-") as folder:
            if index_file.exists():
                # With its time: git trusts an entry that is older than the index it stands in.
                shutil.copy2(index_file, f"{folder}/index")
            apart = {
                "GIT_INDEX_FILE": f"{folder}/index",
                "GIT_OBJECT_DIRECTORY": folder,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects_folder),
            }
            names = [os.fsdecode(raw) for raw in untracked]
            for start in range(0, len(names), 500):
                part = names[start : start + 500]
                if _git(root, "add", "--intent-to-add", "--", *part, env=apart) is None:
                    return None
            return _git(root, *_DIFF, "HEAD", env=apart)
    except OSError:
        return None


def _root(cwd: Path) -> Path | None:
    top = _git(cwd, "rev-parse", "--show-toplevel")
    return None if top is None else Path(top.decode("utf-8", "surrogateescape").rstrip("\n"))


def _commit(root: Path) -> str | None:
    head = _git(root, "rev-parse", "--verify", "-q", "HEAD")
    return head.decode().strip() if head else None


def _untracked(root: Path, runs_dir: Path | None) -> list[bytes]:
    """List untracked code files, relative to the root, in order."""
    listed = _git(root, "ls-files", "-z", "--others", "--exclude-standard") or b""
    skipped = runs_dir.absolute() if runs_dir else None
    found = []
    for raw in sorted(listed.split(b"\0")):
        path = root / os.fsdecode(raw)
        inside_runs = skipped is not None and skipped in path.parents
        if raw and path.suffix in _CODE_SUFFIXES and not inside_runs:
            found.append(raw)
    return found


def _git(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> bytes | None:
    """Ask git without taking its locks and without running what the repository configures."""
    try:
        answer = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_GIT_TIMEOUT,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **(env or {})},
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return answer.stdout if answer.returncode == 0 else None


def file_hash(path: Path) -> str:
    """Hash a file's content; a word where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"
