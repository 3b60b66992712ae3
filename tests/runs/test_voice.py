"""Who is believed about a run's end: the training process, also when it cannot write."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from trainer.runs import launch, manage, orders
from trainer.runs.layout import RunFolder, write_json_atomic
from trainer.runs.proc import process_start_time
from trainer.runs.record import new_record
from trainer.runs.status import State, read_status
from trainer.runs.voice import Voice

MakeRun = Callable[..., RunFolder]

# A training on a disk that is full from its first moment on.
NO_DISK = """
import sys
from trainer.runs import beat
def full(*_, **__): raise OSError(28, "No space left on device")
beat.write_bytes_atomic = full
beat._END_PATIENCE = 0
own = beat.TrainerBeat(sys.argv[1]).start()
own.progress(step=7)
own.end("stopped", "asked", 0)
"""

# A training that crashes, with a helper that finds the folder and says that all went well.
HELPED = """
import subprocess, sys
helper = "import sys; from trainer.runs.beat import TrainerBeat as B; " \
    "B(sys.argv[1], supervised=True).start().end('completed', 'all is well', 0)"
subprocess.run([sys.executable, "-c", helper, sys.argv[1]], check=True, start_new_session=True)
raise ValueError("it crashed")
"""


def test_a_stop_on_a_full_disk_is_told_without_the_disk(make_run: MakeRun) -> None:
    run = make_run(argv=[sys.executable, "-c", NO_DISK, "{run}", "trainer.engine"])
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert (status.state, status.reason, status.progress.step) == ("stopped", "asked", 7)
    assert not run.trainer_status.exists()


def test_an_engine_that_does_not_say_how_it_ended_has_failed(make_run: MakeRun) -> None:
    run = make_run(argv=[sys.executable, "-c", "pass", "trainer.engine"])
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert (status.state, status.reason) == ("failed", "it ended without saying how")


def test_a_helper_that_beats_does_not_turn_a_crash_into_completed(make_run: MakeRun) -> None:
    run = make_run(argv=[sys.executable, "-c", HELPED, "{run}"])
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert (status.state, status.reason) == ("failed", "ValueError: it crashed")


def test_a_training_in_a_wrapper_is_heard(make_run: MakeRun, fake_trainer: Path) -> None:
    words = [sys.executable, str(fake_trainer), "{run}", "good", "0.5"]
    run = make_run(argv=["/bin/sh", "-c", 'env "$@"; exit $?', "sh", *words])
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert (status.state, status.reason) == ("completed", "max_steps reached")
    assert status.progress.step


class TestVoice:
    @pytest.fixture
    def child(self) -> Iterator[Popen[bytes]]:
        process = Popen(["/bin/sleep", "60"], start_new_session=True)
        yield process
        process.kill()
        process.wait()

    @pytest.fixture
    def voice(self, tmp_path: Path, child: Popen[bytes]) -> Voice:
        return Voice(RunFolder(tmp_path), child.pid, process_start_time(child.pid), 1)

    @staticmethod
    def _say(folder: Path, **words: Any) -> None:
        write_json_atomic(folder / "status.trainer.json", {"attempt": 1, **words})

    def test_strangers_are_not_heard(self, tmp_path: Path, voice: Voice) -> None:
        me = os.getpid()
        self._say(
            tmp_path, pid=me, pid_start=process_start_time(me), sid=os.getsid(0), state="running"
        )
        assert voice.look() is None
        assert voice.last_word(0, b"") is None

    def test_a_pid_that_was_handed_out_again_is_a_stranger(
        self, tmp_path: Path, voice: Voice, child: Popen[bytes]
    ) -> None:
        self._say(tmp_path, pid=child.pid, pid_start="1", state="completed")
        assert voice.last_word(0, b"") is None

    @pytest.mark.parametrize(("returncode", "believed"), [(0, True), (1, False), (-9, False)])
    def test_a_member_is_believed_if_the_process_ends_well(
        self, tmp_path: Path, voice: Voice, child: Popen[bytes], returncode: int, believed: bool
    ) -> None:
        self._say(tmp_path, pid=2**22, sid=child.pid, state="completed")
        assert voice.look() is State.COMPLETED
        assert (voice.last_word(returncode, b"") is not None) is believed

    def test_nobody_speaks_over_the_process_itself(
        self, tmp_path: Path, voice: Voice, child: Popen[bytes]
    ) -> None:
        start = process_start_time(child.pid)
        self._say(tmp_path, pid=child.pid, pid_start=start, state="running")
        assert voice.look() is State.RUNNING
        self._say(tmp_path, pid=2**22, sid=child.pid, state="completed")
        said = {"attempt": 1, "pid": child.pid, "pid_start": start, "state": "failed"}
        own = voice.last_word(0, b"garbage\n[]\n" + json.dumps(said).encode() + b"\n{")
        assert own is not None
        assert own.state is State.FAILED

    def test_the_last_look_does_not_trust_the_time_stamp(
        self, tmp_path: Path, voice: Voice, child: Popen[bytes]
    ) -> None:
        start = process_start_time(child.pid)
        path = tmp_path / "status.trainer.json"
        for state in ("running", "stopped"):
            self._say(tmp_path, pid=child.pid, pid_start=start, state=state)
            os.utime(path, (1000, 1000))
            heard = voice.look()
        assert heard is None
        own = voice.last_word(0, b"")
        assert own is not None
        assert own.state is State.STOPPED


def test_a_strangers_end_does_not_end_a_run_whose_supervisor_died(tmp_path: Path) -> None:
    record = new_record("supervisor", State.RUNNING, pid=2**22, pid_start="1")
    write_json_atomic(tmp_path / "status.json", {**record, "supervisor_start": "1"})
    end = {**record, "pid": 2**22 + 1, "state": "completed"}
    write_json_atomic(tmp_path / "status.trainer.json", end)
    assert read_status(tmp_path).state == "lost"
    write_json_atomic(tmp_path / "status.trainer.json", {**end, "sid": 2**22})
    assert read_status(tmp_path).state == "completed"


def test_only_the_pipe_that_was_meant_is_written_to() -> None:
    reader, writer = os.pipe()
    told = {orders.ENV_END: orders.describe_pipe(writer)}
    os.set_inheritable(writer, True)
    assert orders.pipe_of(told) == writer
    assert not os.get_inheritable(writer)
    os.close(writer)
    assert orders.pipe_of(told) is None
    other = os.open(os.devnull, os.O_WRONLY)
    assert orders.pipe_of({orders.ENV_END: f"{other}:1:2"}) is None
    assert orders.pipe_of({orders.ENV_END: "x"}) is None
    assert orders.pipe_of({orders.ENV_END: "9" * 30}) is None
    assert orders.pipe_of({}) is None
    os.close(other)
    os.close(reader)
