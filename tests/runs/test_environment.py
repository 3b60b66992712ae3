"""The environment lock: what counts, what does not, and nothing that is secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainer.runs import environment, installed, launch, manage

RECORD = """\
../../../bin/tool,sha256=abc,200
pkg/__init__.py,sha256=one,10
pkg/__pycache__/__init__.cpython-311.pyc,,
"pkg/odd,name.py",sha256=two,10
pkg-1.0.dist-info/METADATA,sha256=three,10
pkg-1.0.dist-info/INSTALLER,sha256=four,4
pkg-1.0.dist-info/RECORD,,
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of packages that is all there is."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder)])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def install(
    site: Path, name: str = "pkg", version: str = "1.0", record: str = RECORD, url: Any = None
) -> Path:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(record)
    if url is not None:
        (info / "direct_url.json").write_text(json.dumps(url))
    return info


def test_the_hash_of_a_package_is_that_of_its_files() -> None:
    plain = installed.record_hash(RECORD.encode())
    moved = RECORD.replace("sha256=abc", "sha256=xyz").replace("sha256=four", "sha256=uv")
    assert installed.record_hash(moved.encode()) == plain
    reordered = "\n".join(reversed(RECORD.splitlines()))
    assert installed.record_hash(reordered.encode()) == plain
    assert installed.record_hash(RECORD.replace("two", "other").encode()) != plain


def test_the_same_version_of_another_build_is_another_environment(site: Path) -> None:
    info = install(site)
    before = environment.lock(1)
    again = environment.lock(1)
    assert again == before
    (info / "RECORD").write_text(RECORD.replace("=one", "=changed"))
    after = environment.lock(1)
    assert after["hash"] != before["hash"]
    assert environment.differences(before, after) == ["pkg 1.0 of another build"]
    # From the summaries alone one knows that much less.
    told = environment.differences(environment.summary(before), environment.summary(after))
    assert told == ["a package of the same version but another build"]


@pytest.mark.parametrize("cache", ["garbage", "[]", '{"x": 1}', "folder"])
def test_a_broken_cache_changes_nothing(site: Path, tmp_path: Path, cache: str) -> None:
    install(site)
    before = environment.lock(1)["hash"]
    (held,) = (tmp_path / "cache" / "traindeck").iterdir()
    held.unlink()
    if cache == "folder":
        held.mkdir()
    else:
        held.write_text(cache)
    assert environment.lock(1)["hash"] == before


@pytest.mark.parametrize("change", ["threads", "variable", "version", "more", "cpu"])
def test_what_changes_results_changes_the_hash(
    site: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = install(site)
    # Another test of this process may have asked for `strict_deterministic`, which sets it.
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = environment.lock(1)
    threads = 1
    if change == "threads":
        threads = 2
    elif change == "variable":
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    elif change == "version":
        info.rename(site / "pkg-1.1.dist-info")
    elif change == "more":
        install(site, "other")
    else:
        monkeypatch.setattr(environment, "_cpu", lambda: "another")
    after = environment.lock(threads)
    assert after["hash"] != before["hash"]
    (told,) = environment.differences(before, after)
    assert told.split()[0] in ("threads", "CUBLAS_WORKSPACE_CONFIG", "pkg", "other", "cpu")


def test_what_does_not_change_results_does_not_change_the_hash(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site)
    before = environment.lock(1)["hash"]
    monkeypatch.setenv("HOSTNAME", "elsewhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setattr(environment.platform, "release", lambda: "9.9")
    assert environment.lock(1)["hash"] == before


def test_no_secret_is_written_down(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "f00dcafe")
    monkeypatch.setenv("LD_PRELOAD", "token=f00dcafe")
    vcs = {"vcs": "git", "commit_id": "abc123"}
    install(site, "a", url={"url": "https://me:f00dcafe@host/a.git", "vcs_info": vcs})
    install(site, "b", url={"url": "https://f00dcafe@host/b.git", "vcs_info": vcs})
    install(site, "c", url={"url": "https://host/c-1.0.whl?token=f00dcafe", "archive_info": {}})
    install(site, "d", url={"url": "ssh://git@host/d.git", "vcs_info": vcs})
    found = environment.lock(1)
    written = json.dumps(found) + environment.requirements(found)
    assert "f00dcafe" not in written
    assert "a @ git+https://host/a.git@abc123" in written
    assert "d @ git+ssh://git@host/d.git@abc123" in written


def test_the_requirements_say_what_pip_can_install(site: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    install(site, "Some_Thing", "2.0+cpu")
    install(site, "mine", url={"url": project.as_uri(), "dir_info": {"editable": True}})
    archive = {"hashes": {"sha256": "aa"}}
    install(site, "wheel", url={"url": "https://host/w-1.0.whl", "archive_info": archive})
    install(site, "local", url={"url": "file:///tmp/l-1.0.whl", "archive_info": {}})
    lines = environment.requirements(environment.lock(1)).splitlines()
    kept = [line for line in lines if not line.startswith("#")]
    assert kept == [
        "local==1.0",
        "some-thing==2.0+cpu",
        "wheel @ https://host/w-1.0.whl#sha256=aa",
    ]
    assert any(line.startswith("# mine==1.0: editable") for line in lines)


def test_an_editable_package_counts_by_its_code(site: Path, tmp_path: Path) -> None:
    project = tmp_path / "a project"
    project.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    (project / "code.py").write_text("a = 1\n")
    install(site, "mine", url={"url": project.as_uri(), "dir_info": {"editable": True}})
    before = environment.lock(1)
    (project / "code.py").write_text("a = 2\n")
    after = environment.lock(1)
    assert before["packages"]["mine"]["source"]["code"]["dirty"]
    assert environment.differences(before, after) == ["mine 1.0 of another build"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"url": 3}', '{"dir_info": []}', "[" * 9999])
def test_odd_notes_of_an_installer_do_no_harm(site: Path, content: str) -> None:
    info = install(site)
    (info / "direct_url.json").write_text(content)
    assert "pkg" in environment.requirements(environment.lock(1))


def test_torch_is_read_without_importing_it(site: Path) -> None:
    (site / "torch").mkdir()
    (site / "torch" / "version.py").write_text(
        "from typing import Optional\n__version__ = '9.1+cu128'\ncuda: Optional[str] = '12.8'\n"
        "hip: Optional[str] = None\ngit_version = nonsense()\n"
    )
    install(site, "nvidia_cudnn_cu12", "9.7.1")
    assert environment.lock(1)["torch"] == {
        "version": "9.1+cu128",
        "cuda": "12.8",
        "hip": None,
        "git_version": None,
        "cudnn": "9.7.1",
    }


def test_differences_read_damaged_files() -> None:
    whole = environment.lock(1)
    for odd in ({}, {"packages": []}, {"packages": {"a": 3}}, {"variables": "x", "gpus": 3}):
        environment.differences(whole, odd)
        environment.differences(odd, whole)


def test_texts_hash_alike_in_every_training_process(
    tmp_path: Path, composed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    program = [sys.executable, "-c", "import os; print(os.environ.get('PYTHONHASHSEED'))"]
    for env, told in ({}, "0"), ({"PYTHONHASHSEED": "5"}, "5"):
        run = launch.create(composed(), runs_dir=tmp_path, argv=program, env=env)
        launch.start(run)
        manage.wait(run, timeout=60)
        assert run.output.read_text().split() == [told]
