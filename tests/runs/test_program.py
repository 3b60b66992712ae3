"""What resuming executes: our engine, whatever the folder says."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import RunError
from trainer.runs import launch, manage
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.status import read_status


@pytest.fixture
def ended(tmp_path: Path, composed: Callable[..., Any]) -> Callable[..., RunFolder]:
    """Make a run of our engine that is over and has a checkpoint, with `run.json` changed."""

    def make(**said: Any) -> RunFolder:
        run = launch.create(composed(), runs_dir=tmp_path / "runs", cwd=tmp_path)
        with zipfile.ZipFile(run.checkpoints / "last.ckpt", "w") as archive:
            archive.writestr("data.pkl", b"x")
        write_json_atomic(run.status, {**read_json(run.status), "state": "stopped"})
        write_json_atomic(run.run_json, {**run.identity(), **said})
        return run

    return make


def test_the_command_line_is_made_anew(ended: Callable[..., RunFolder]) -> None:
    run = ended(argv=["/tmp/evil", "-P", "-m", "trainer.engine", "/etc"])
    moved = RunFolder(run.path.rename(run.path.with_name("moved")))
    manage.prepare_resume(moved)
    assert moved.identity()["argv"] == [sys.executable, "-m", "trainer.engine", str(moved.path)]
    assert read_status(moved).attempt == 2


def test_of_its_variables_none_that_loads_code_is_taken(ended: Callable[..., RunFolder]) -> None:
    harmless = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "TOKENIZERS_PARALLELISM": "true"}
    evil = {
        "LD_PRELOAD": "/tmp/x.so",
        "PYTHONPATH": "/tmp",
        "PYTHONSTARTUP": "/tmp/x.py",
        "PATH": "/tmp",
        "WANDB_API_KEY": "x",
        "TRAINDECK_RUN": "/tmp",
    }
    run = ended(env={**harmless, **evil})
    manage.prepare_resume(run)
    assert run.identity()["env"] == harmless
    run = ended(env=["LD_PRELOAD"])
    manage.prepare_resume(run)
    assert run.identity()["env"] == {}


@pytest.mark.parametrize(
    "said",
    [
        {"argv": ["/bin/sh", "-c", "echo pwned"]},
        {"argv": [sys.executable, "-m", "trainer.engine"]},
        {"argv": [sys.executable, "-c", "import os", "-m", "trainer.engine", "x"]},
        {"argv": []},
        {"argv": "python -m trainer.engine x"},
        {"launcher": "script"},
    ],
)
def test_another_program_is_not_executed(
    ended: Callable[..., RunFolder], said: dict[str, Any]
) -> None:
    run = ended(**said)
    before = read_json(run.status)
    with pytest.raises(RunError, match="names another program"):
        manage.prepare_resume(run)
    assert read_json(run.status) == before
    manage.prepare_resume(run, argv=["mine", "{run}"])
    assert run.identity()["argv"] == ["mine", str(run.path)]


def test_a_folder_may_be_named_by_a_relative_path(
    ended: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ended()
    monkeypatch.chdir(run.path.parent)
    manage.prepare_resume(RunFolder(Path(run.path.name)))
    assert run.identity()["argv"][-1] == os.fspath(run.path)
