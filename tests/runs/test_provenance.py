"""The same hash for the same inputs, another for any other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from trainer.runs import environment, installed, provenance

CONFIG: dict[str, Any] = {"seed": 1, "data": {"root": "data"}, "run": {"name": "a"}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "t")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "t@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.bin").write_bytes(b"x" * 1000)
    (folder / "model.py").write_text("a = 1\n")
    (folder / ".gitignore").write_text("data/\nignored.py\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "x"], cwd=folder, check=True)
    return folder


def _hash(project: Path, config: dict[str, Any] = CONFIG) -> str:
    summary = provenance.hash_summary(config, cwd=project, runs_dir=project / "runs")
    return str(summary["hash"])


def test_the_same_inputs_give_the_same_hash(project: Path) -> None:
    before = _hash(project)
    (project / "runs" / "r").mkdir(parents=True)
    (project / "runs" / "r" / "config.yaml").write_text("in a run")
    (project / "notes.txt").write_text("no code")
    (project / "ignored.py").write_text("no code either")
    os.utime(project / "model.py", (1, 1))
    os.utime(project / "data" / "a.bin", (1, 1))
    reordered = dict(reversed({**CONFIG, "run": {"name": "b"}}.items()))
    assert _hash(project, reordered) == before


@pytest.mark.parametrize(
    "change",
    [
        "tracked",
        "staged",
        "untracked",
        "commit",
        "data content",
        "data name",
        "more data",
        "config",
        "environment",
    ],
)
def test_any_other_input_gives_another(
    project: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, config = _hash(project), CONFIG
    data = project / "data" / "a.bin"
    if change == "tracked":
        (project / "model.py").write_text("a = 2\n")
    elif change == "staged":
        (project / "model.py").write_text("a = 2\n")
        subprocess.run(["git", "add", "."], cwd=project, check=True)
    elif change == "untracked":
        (project / "loss.py").write_text("b = 1\n")
    elif change == "commit":
        subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "y"], cwd=project, check=True)
    elif change == "data content":
        data.write_bytes(b"y" * 1000)
    elif change == "data name":
        data.rename(project / "data" / "b.bin")
    elif change == "more data":
        (project / "data" / "c.bin").touch()
    elif change == "config":
        config = {**CONFIG, "seed": 2}
    else:
        found = installed.packages()
        other = {**found, "torch": {"version": "0.1", "record": None, "source": None}}
        monkeypatch.setattr(installed, "packages", lambda: other)
    assert _hash(project, config) != before


def test_large_files_count_by_samples_and_time(project: Path) -> None:
    path = project / "data" / "big.bin"
    path.write_bytes(bytes(3 << 20))
    os.utime(path, (1000, 1000))
    before = _hash(project)
    for offset in (0, 3 << 19, (3 << 20) - 1):
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(b"!")
        os.utime(path, (1000, 1000))
        changed = _hash(project)
        assert changed != before
        before = changed
    os.utime(path, (2000, 2000))
    assert _hash(project) != before


def test_without_git_and_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    summary = provenance.hash_summary({"seed": 1, "data": {"root": None}}, cwd=tmp_path)
    assert summary["code"]["project"] is None
    assert len(summary["code"]["traindeck"]["files"]) == 64
    assert summary["data"] is None
    monkeypatch.setenv("PATH", "")
    again = provenance.hash_summary({"seed": 1, "data": {"root": None}}, cwd=tmp_path)
    assert again["hash"] == summary["hash"]
    assert provenance.data_manifest({"data": {"root": "nowhere"}}, cwd=tmp_path) is None


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "a.py").write_text("x")
    project = provenance.code(tmp_path)["project"]
    assert (project["commit"], project["dirty"]) == (None, True)


def test_nothing_of_the_repository_is_executed(project: Path, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    hook = f"touch {mark}; echo"
    for key in ("core.fsmonitor", "diff.external", "diff.x.textconv"):
        subprocess.run(["git", "config", key, hook], cwd=project, check=True)
    (project / ".gitattributes").write_text("*.py diff=x\n")
    (project / "model.py").write_text("a = 3\n")
    mark.unlink(missing_ok=True)
    assert provenance.code(project)["project"]["dirty"]
    assert not mark.exists()


def test_the_environment_lists_what_is_installed() -> None:
    packages = environment.summary(environment.lock())["packages"]
    assert {"pytest", "msgspec", "pydantic"} <= set(packages)
    assert all(version[0].isdigit() for version in packages.values())


def test_the_number_of_threads_is_part_of_the_environment() -> None:
    one, two = (provenance.hash_summary({"run": {"num_threads": threads}}) for threads in (1, 2))
    assert one["config"] == two["config"]
    assert one["environment"]["hash"] != two["environment"]["hash"]
    assert one["hash"] != two["hash"]
