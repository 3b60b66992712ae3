"""What a launcher says is for the process that it starts, and for nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.runs import orders
from trainer.runs.beat import TrainerBeat
from trainer.runs.proc import process_start_time


@pytest.fixture(autouse=True)
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "_taken", (0, {}))
    parent = os.getppid()
    monkeypatch.setenv(orders.ENV_RUN, str(tmp_path))
    monkeypatch.setenv(orders.ENV_SUPERVISOR, f"{parent}:{process_start_time(parent)}")
    monkeypatch.setenv(orders.ENV_ATTEMPT, "3")
    monkeypatch.setenv(orders.ENV_RESUME, "/somewhere/last.ckpt")


def test_a_trainer_hears_it_as_often_as_it_asks(tmp_path: Path) -> None:
    for _ in range(2):
        beat = TrainerBeat(tmp_path)
        assert (beat.supervised, beat.attempt) == (True, 3)
        assert beat.resume == "/somewhere/last.ckpt"


def test_children_do_not_hear_it(tmp_path: Path) -> None:
    TrainerBeat(tmp_path)
    code = "import os; print([name for name in os.environ if name.startswith('TRAINDECK_')])"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_forked_children_do_not_hear_it(tmp_path: Path) -> None:
    assert orders.take()[orders.ENV_RUN] == str(tmp_path)
    child = os.fork()
    if child == 0:
        os._exit(bool(orders.take()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_another_folder_is_not_meant(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    beat = TrainerBeat(other)
    assert (beat.supervised, beat.attempt, beat.resume) == (False, 1, "")
