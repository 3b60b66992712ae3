"""What a command calls a run by: it finds the run from where it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.commands.train import resume
from trainer.config.compose import compose
from trainer.errors import ConfigError
from trainer.runs.index import find
from trainer.runs.layout import RunFolder, runs_dir_words, write_json_atomic
from trainer.runs.plan import train_command


def run_in(runs_dir: Path) -> RunFolder:
    path = runs_dir / "2026-11-21" / "12-00-00-quick-abc1234"
    path.mkdir(parents=True)
    run = RunFolder(path)
    write_json_atomic(run.run_json, {"v": 1, "id": "abc1234", "name": "quick"}, sync=False)
    write_json_atomic(run.status, {"v": 1, "state": "completed"}, sync=False)
    return run


def test_in_the_usual_folder_by_its_id_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAINDECK_RUNS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    run = run_in(tmp_path / "runs")
    assert run.called() == "abc1234"
    assert run.called("abc1234") == "abc1234"
    monkeypatch.setenv("TRAINDECK_RUNS_DIR", "elsewhere")
    assert run.called() == "abc1234 --runs-dir runs"
    monkeypatch.setenv("TRAINDECK_RUNS_DIR", str(tmp_path / "runs"))
    assert run.called() == "abc1234"


def test_elsewhere_with_the_folder_or_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAINDECK_RUNS_DIR", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run = run_in(tmp_path / "my runs")
    assert run.called() == "abc1234 --runs-dir '../my runs'"
    moved = RunFolder(run.path.rename(tmp_path / "moved"))
    assert moved.called() == "../moved"
    assert find("runs", moved.called()).path.resolve() == moved.path


def test_the_usual_folder_goes_without_saying_in_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAINDECK_RUNS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    for usual in (Path("runs"), tmp_path / "runs"):
        assert runs_dir_words(usual) == []
        assert train_command([], runs_dir=usual) == ["traindeck", "train"]
    elsewhere = tmp_path / "project"
    assert runs_dir_words(elsewhere / "runs", elsewhere) == []
    assert runs_dir_words(Path("more"), elsewhere) == ["--runs-dir", "more"]
    monkeypatch.setenv("TRAINDECK_RUNS_DIR", "mine")
    assert runs_dir_words(tmp_path / "mine") == []
    assert runs_dir_words(tmp_path / "runs") == ["--runs-dir", "runs"]
    assert train_command([], runs_dir=Path("runs"))[2:] == ["--runs-dir", "runs"]


def test_the_command_that_keeps_to_the_limits_finds_the_run_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAINDECK_RUNS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trainer.runs.again.need_training_packages", lambda *_, **__: None)
    monkeypatch.setattr("trainer.runs.again.ours", lambda run: run)
    monkeypatch.setattr("trainer.runs.manage.find_checkpoint", lambda run: run.path / "last.ckpt")
    run = run_in(tmp_path / "my runs")
    was = compose(("quickstart", "trainer.accelerator=cpu", "dataloader.batch_size=6"))
    (run.path / "config.yaml").write_text(was.yaml())
    (run.path / "last.ckpt").touch()
    asked = {"run": "abc1234", "runs_dir": Path("my runs"), "interval": None}
    flags = dict.fromkeys(("no_tui", "as_json", "detach", "queue", "clamp"), False)
    with pytest.raises(ConfigError) as caught:
        resume(overrides=("hardware.max_batch_size=4",), **asked, **flags)
    told = "traindeck resume abc1234 --runs-dir 'my runs' hardware.max_batch_size=4 --clamp"
    assert caught.value.problems[-1].remedy.endswith(told)
