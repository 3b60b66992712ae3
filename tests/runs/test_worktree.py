"""What is kept of code that no commit holds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from trainer.runs import provenance, worktree


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    folder = tmp_path / "project"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg" / "a.py").write_text("a = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "x")
    return folder


def test_the_patch_gives_back_the_code_and_leaves_the_repository_alone(
    project: Path, tmp_path: Path
) -> None:
    git(project, "clone", "-q", str(project), str(tmp_path / "clone"))
    (project / "pkg" / "a.py").write_text("a = 2\n")
    (project / "pkg" / "b c.py").write_text("b = 1\n")
    (project / "empty.py").touch()
    (project / "notes.txt").write_text("no code")
    files = sorted(str(p) for p in (project / ".git").rglob("*"))
    status = git(project, "status", "--porcelain")

    content, why = worktree.patch(project / "pkg")

    assert why == ""
    assert git(project, "status", "--porcelain") == status
    assert sorted(str(p) for p in (project / ".git").rglob("*")) == files
    (tmp_path / "code.patch").write_bytes(content)
    git(tmp_path / "clone", "apply", str(tmp_path / "code.patch"))
    for name in ("pkg/a.py", "pkg/b c.py", "empty.py"):
        assert (tmp_path / "clone" / name).read_text() == (project / name).read_text()
    assert not (tmp_path / "clone" / "notes.txt").exists()


def test_a_change_in_the_second_of_the_commit_is_in_the_patch(project: Path) -> None:
    # To git it has the size and the time of what was added; only the index's own time betrays it.
    changed, index, then = project / "pkg" / "a.py", project / ".git" / "index", (1.7e9, 1.7e9)
    git(project, "config", "core.trustctime", "false")
    os.utime(changed, then)
    git(project, "add", ".")
    changed.write_text("a = 2\n")
    os.utime(changed, then)
    os.utime(index, then)
    (project / "new.py").write_text("b = 1\n")

    content, why = worktree.patch(project)

    assert why == ""
    assert b"+a = 2" in content
    assert b"+b = 1" in content


def test_a_patch_with_a_secret_is_not_kept(project: Path) -> None:
    (project / "pkg" / "a.py").write_text('api_key = "f00dcafe1234"\n')
    content, why = worktree.patch(project)
    assert content == b""
    assert "secret" in why


def test_a_huge_patch_is_not_kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worktree, "MAX_PATCH_BYTES", 100)
    (project / "pkg" / "a.py").write_text("a = 3\n" * 100)
    assert "bytes" in worktree.patch(project)[1]


def test_what_is_noted_of_a_patch(project: Path, tmp_path: Path) -> None:
    summary = provenance.hash_summary({"run": {}}, cwd=project)
    assert provenance.keep_patch(summary, cwd=project) == b""
    assert summary["code"]["patch"] is None
    before = summary["hash"]
    (project / "pkg" / "a.py").write_text("a = 4\n")
    summary = provenance.hash_summary({"run": {}}, cwd=project)
    assert b"a = 4" in provenance.keep_patch(summary, cwd=project)
    assert summary["code"]["patch"] == {"file": "code.patch"}
    assert summary["hash"] != before


def test_outside_of_git_and_before_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert worktree.patch(tmp_path) == (b"", "there is no commit that it could be put onto")
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("a")
    assert worktree.patch(tmp_path)[1] == "there is no commit that it could be put onto"
