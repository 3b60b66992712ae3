"""Folders made by others: what lies there in place of a file must not hang anybody."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainer.errors import RunError
from trainer.runs import launch, manage
from trainer.runs.ending import last_lines
from trainer.runs.index import RunIndex
from trainer.runs.layout import RunFolder, open_regular
from trainer.runs.manage import find_checkpoint, is_whole
from trainer.runs.status import read_status
from trainer.runs.summary import set_tags

MakeRun = Callable[..., RunFolder]


@pytest.fixture(autouse=True)
def no_hanging() -> Iterator[None]:
    """End the test where it hangs: a FIFO that nobody writes to would hold it for ever."""

    def give_up(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _with_fifos(folder: Path) -> RunFolder:
    run = RunFolder(folder)
    for each in (run.logs, run.checkpoints, run.control):
        each.mkdir(parents=True)
    for path in (
        *(run.run_json, run.config, run.status, run.trainer_status, run.output, run.events),
        *(run.checkpoints / "last.ckpt", run.checkpoints / "other.ckpt"),
        *(run.control / "stop.json", run.lock),
    ):
        os.mkfifo(path)
    return run


def test_reading_does_not_hang(tmp_path: Path) -> None:
    run = _with_fifos(tmp_path / "runs" / "2026-01-02" / "12-00-00-x")
    os.mkfifo(tmp_path / "runs" / ".index.sqlite")
    (summary,) = RunIndex(tmp_path / "runs").list()
    assert "garbled" in summary.problem
    assert read_status(run).state == "lost"
    assert last_lines(run.output) == []
    assert find_checkpoint(run) is None
    assert not is_whole(run.checkpoints / "last.ckpt")
    with pytest.raises(RunError, match="cannot be read"):
        set_tags(run, ["a"])
    with pytest.raises(RunError, match="no whole checkpoint"):
        manage.prepare_resume(run)
    manage.remove(run)
    assert not run.path.exists()


def test_starting_does_not_hang(make_run: MakeRun) -> None:
    run = make_run(seconds=0.1)
    os.mkfifo(run.output)
    with pytest.raises(RunError, match="not a regular file"):
        launch.start(run)
    assert read_status(run).state == "failed"


def test_what_is_opened_blocks_as_files_do(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    descriptor = open_regular(tmp_path / "x")
    assert os.get_blocking(descriptor)
    os.close(descriptor)
