"""Ending a run by signal: where the disk takes no request, and never a stranger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import RunError
from trainer.runs import control, launch, manage, proc, signals
from trainer.runs.layout import RunFolder, write_json_atomic
from trainer.runs.record import new_record
from trainer.runs.status import State, Status

MakeRun = Callable[..., RunFolder]
Until = Callable[..., Status]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(control, "request", refuse)


def _training(status: Status) -> bool:
    return status.state == State.RUNNING and bool(status.progress.step)


@pytest.mark.usefixtures("full_disk")
class TestFullDisk:
    def test_a_run_can_be_killed(self, make_run: MakeRun, until: Until) -> None:
        run = make_run("deaf")
        launch.start(run)
        until(run, _training)
        status = manage.kill_now(run, patience=0.2)
        assert (status.state, status.signal) == ("killed", signal.SIGKILL)

    def test_a_run_can_be_killed_without_its_supervisor(
        self, make_run: MakeRun, until: Until
    ) -> None:
        run = make_run("deaf")
        launch.start(run)
        status = until(run, _training)
        assert status.supervisor_pid
        os.kill(status.supervisor_pid, signal.SIGKILL)
        until(run, lambda s: s.writer == "trainer")
        assert manage.kill_now(run, patience=0.2).state == "killed"

    @pytest.mark.parametrize("orphan", [False, True])
    def test_a_run_can_be_stopped(self, make_run: MakeRun, until: Until, orphan: bool) -> None:
        run = make_run()
        launch.start(run)
        status = until(run, _training)
        if orphan:
            assert status.supervisor_pid
            os.kill(status.supervisor_pid, signal.SIGKILL)
            until(run, lambda s: s.writer == "trainer")
        assert manage.request_stop(run) is None
        assert manage.wait(run, timeout=20).state == "stopped"
        assert (run.checkpoints / "last.txt").exists()

    def test_a_queued_run_can_be_killed(self, make_run: MakeRun, until: Until) -> None:
        first, second = make_run(), make_run()
        launch.start(first)
        until(first, "running")
        launch.start(second, queue="cpu")
        assert manage.kill_now(second).state == "stopped"
        manage.kill_now(first)

    def test_what_no_signal_can_say_is_refused(self, make_run: MakeRun, until: Until) -> None:
        run = make_run()
        launch.start(run)
        until(run, _training)
        with pytest.raises(RunError, match="cannot be written: No space"):
            manage.ask(run, "checkpoint")
        manage.kill_now(run)

    def test_a_run_elsewhere_is_not_signalled(self, tmp_path: Path) -> None:
        me = os.getpid()
        record = new_record(
            "supervisor", State.RUNNING, pid=me, pid_start=proc.process_start_time(me)
        )
        write_json_atomic(tmp_path / "status.json", {**record, "boot_id": "another"})
        for act in (manage.kill_now, manage.request_stop):
            with pytest.raises(RunError, match="cannot be written: No space"):
                act(RunFolder(tmp_path))


class TestStrangers:
    @pytest.fixture
    def stranger(self) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
        yield process
        process.kill()
        process.wait()

    @staticmethod
    def _blame(folder: Path, process: subprocess.Popen[bytes]) -> RunFolder:
        """Make a run whose status names a process that is none of it."""
        start = proc.process_start_time(process.pid)
        record = new_record("trainer", State.RUNNING, pid=process.pid, pid_start=start)
        record.update(supervisor_pid=process.pid, supervisor_start=start)
        folder.mkdir(exist_ok=True)
        write_json_atomic(folder / "status.json", record)
        return RunFolder(folder)

    def test_a_stranger_is_not_killed(
        self, tmp_path: Path, stranger: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = self._blame(tmp_path, stranger)
        monkeypatch.setattr(manage, "wait", lambda run, timeout: manage.read_status(run))
        with pytest.raises(RunError, match="left alone"):
            manage.kill_now(run)
        assert stranger.poll() is None

    @pytest.mark.usefixtures("full_disk")
    def test_a_stranger_is_not_stopped(
        self, tmp_path: Path, stranger: subprocess.Popen[bytes]
    ) -> None:
        with pytest.raises(RunError, match="left alone"):
            manage.request_stop(self._blame(tmp_path, stranger))
        assert stranger.poll() is None

    @pytest.mark.parametrize("by", ["word", "relative", "variable", "file"])
    def test_a_process_of_the_run_shows_it(self, tmp_path: Path, by: str) -> None:
        run, other = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run2")
        for each in (run, other):
            each.path.mkdir()
        words = {"word": [str(run.path)], "relative": ["run"]}.get(by, [])
        held = (run.path / "file").open("w")
        process = subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)", *words],
            cwd=tmp_path,
            env={**os.environ, **({"TRAINDECK_RUN": str(run.path)} if by == "variable" else {})},
            pass_fds=(held.fileno(),) if by == "file" else (),
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert signals.belongs(run, process.pid)
            assert not signals.belongs(other, process.pid)
        finally:
            process.kill()
            process.communicate()
            held.close()

    def test_a_process_that_is_gone_is_no_error(self, tmp_path: Path) -> None:
        assert not signals.send(RunFolder(tmp_path), 2**22, "1", signal.SIGTERM)
        assert not signals.send(RunFolder(tmp_path), None, None, signal.SIGTERM)
