"""The effective state, from files and processes, however odd they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.runs import proc
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.status import TERMINAL, State, Status, exit_code_for, read_status

ME = os.getpid()


def _record(**fields: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "state": "running",
        "writer": "supervisor",
        "host": proc.host_name(),
        "boot_id": proc.boot_id(),
        "pid": ME,
        "pid_start": proc.process_start_time(ME),
        "supervisor_pid": None,
        "supervisor_start": None,
        "heartbeat": time.time(),
        "attempt": 1,
        **fields,
    }


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_a_live_process_is_running_however_old_its_heartbeat(run: RunFolder) -> None:
    write_json_atomic(run.status, _record(heartbeat=1.0))
    status = read_status(run)
    assert (status.state, status.alive, status.local) == ("running", True, True)


@pytest.mark.parametrize("start", ["1", None, "garbage"])
def test_a_pid_that_another_process_has_now_is_not_alive(run: RunFolder, start: str | None) -> None:
    write_json_atomic(run.status, _record(pid_start=start))
    status = read_status(run)
    assert (status.state, status.alive) == ("lost", False)


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    start = None
    while start is None and child.poll() is None and start != "":
        start = proc.process_start_time(child.pid) or ""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert proc.process_start_time(child.pid) is None
    assert not proc.is_alive(child.pid, start)
    child.wait()


def test_start_times_tell_processes_apart() -> None:
    assert proc.is_alive(ME, proc.process_start_time(ME))
    assert proc.process_start_time(ME) != proc.process_start_time(1)
    assert proc.process_start_time(2**22 + 1) is None
    assert proc.process_start_time(-1) is None


def test_the_trainers_end_counts_when_the_supervisor_is_gone(run: RunFolder) -> None:
    write_json_atomic(run.status, _record(pid_start="1"))
    end = {"state": "completed", "reason": "max_epochs", "exit_code": 0, "ended": 5.0, "attempt": 1}
    write_json_atomic(run.trainer_status, end)
    status = read_status(run)
    assert (status.state, status.reason, status.exit_code) == ("completed", "max_epochs", 0)


def test_an_end_of_an_earlier_attempt_does_not_count(run: RunFolder) -> None:
    write_json_atomic(run.status, _record(attempt=2))
    write_json_atomic(
        run.trainer_status, {"state": "failed", "attempt": 1, "progress": {"step": 9}}
    )
    assert read_status(run).state == "running"
    assert read_status(run).progress.step is None


def test_the_supervisors_end_is_final(run: RunFolder) -> None:
    write_json_atomic(run.status, _record(state="timeout", reason="wall clock"))
    write_json_atomic(run.trainer_status, _record(state="running", progress={"step": 7}))
    status = read_status(run)
    assert (status.state, status.progress.step) == ("timeout", 7)


class TestAnotherHost:
    """Only the heartbeat counts there."""

    @staticmethod
    def _write(run: RunFolder, *, heartbeat: float, written: float) -> None:
        write_json_atomic(run.status, _record(boot_id="elsewhere", heartbeat=heartbeat))
        os.utime(run.status, (written, written))

    def test_fresh_is_running(self, run: RunFolder) -> None:
        self._write(run, heartbeat=0, written=time.time() - 5)
        assert read_status(run).state == "running"
        assert not read_status(run).local

    def test_stale_is_lost(self, run: RunFolder) -> None:
        self._write(run, heartbeat=time.time() - 100, written=time.time() - 100)
        status = read_status(run)
        assert status.state == "lost"
        assert "no heartbeat" in status.reason

    def test_its_clock_may_run_ahead(self, run: RunFolder) -> None:
        self._write(run, heartbeat=time.time() + 600, written=time.time() + 600)
        assert read_status(run).state == "running"

    def test_but_not_by_days(self, run: RunFolder) -> None:
        self._write(run, heartbeat=time.time() + 3e5, written=time.time() + 3e5)
        assert read_status(run).state == "lost"

    def test_our_own_clock_may_jump(self, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        self._write(run, heartbeat=time.time(), written=time.time())
        ahead = time.time() + 86_400
        monkeypatch.setattr(time, "time", lambda: ahead)
        # The file system's clock says that the beat is fresh.
        assert read_status(run).state == "running"
        assert not list(run.path.glob(".clock*"))

    def test_time_can_be_given(self, run: RunFolder) -> None:
        self._write(run, heartbeat=1000.0, written=1000.0)
        assert read_status(run, now=1010.0).state == "running"
        assert read_status(run, now=1100.0).state == "lost"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"\xff\xfe\x00",
        b'{"state": 7, "pid": "x", "heartbeat": "soon", "progress": [1], "attempt": -3}',
        b'{"state": "flying", "pid": 1e999, "started": NaN, "host": {"a": 1}}',
        b'{"pid": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"state": "running", "pid": 99999999999999999999, "pid_start": "1", "boot_id": "x"}',
        b'{"state": ["running"], "attempt": {}, "pid_start": []}',
        b'{"progress": {"step": true, "metrics": {"a": "b", "c": null, "d": 1}}}',
    ],
)
def test_garbage_never_raises(run: RunFolder, content: bytes) -> None:
    for path in (run.status, run.trainer_status):
        path.write_bytes(content)
        assert read_status(run).state in State
        path.unlink()
    run.status.write_bytes(content)
    write_json_atomic(run.trainer_status, _record())
    assert read_status(run).state == "running"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_FIELDS = st.dictionaries(st.sampled_from([*_record(), "progress", "signal", "ended"]), _JSON)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(main=_FIELDS, own=_FIELDS, state=st.sampled_from([*State, "flying"]))
def test_any_fields_make_a_status(
    run: RunFolder, main: dict[str, Any], own: dict[str, Any], state: str
) -> None:
    run.status.write_text(json.dumps({"state": state, **main}))
    run.trainer_status.write_text(json.dumps({"state": state, **own}))
    status = read_status(run)
    assert status.state in State
    assert status.attempt >= 1
    assert (status.host + status.reason + status.queue).isprintable()


def test_odd_files_never_raise_or_hang(run: RunFolder) -> None:
    os.mkfifo(run.status)
    assert read_status(run).state == "lost"
    run.status.unlink()
    run.status.mkdir()
    assert "status.json" in read_status(run).problem
    run.status.rmdir()
    run.status.symlink_to(run.status)
    assert read_status(run).problem
    assert read_status(run.path / "missing").reason == "status.json is missing"


def test_text_that_could_drive_a_terminal_is_stripped(run: RunFolder) -> None:
    record = _record(
        state="failed", reason="bad\x1b]52;c;aGk=\x07\x1b[31m red\nnext\u202e", host="h\x07"
    )
    write_json_atomic(run.status, record)
    status = read_status(run)
    assert status.reason == "bad red next"
    assert status.host == "h"


def test_non_finite_metrics_are_written_by_name_and_read_back(run: RunFolder) -> None:
    metrics = {"loss": float("nan"), "up": float("inf"), "ok": 1.5}
    write_json_atomic(run.status, _record(progress={"step": 1, "metrics": metrics}))
    assert json.loads(run.status.read_text())["progress"]["metrics"]["loss"] == "NaN"
    read = read_status(run).progress.metrics
    assert read["loss"] != read["loss"]
    assert (read["up"], read["ok"]) == (float("inf"), 1.5)


def test_a_full_disk_leaves_the_old_status_whole(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json_atomic(run.status, _record(state="running"))
    before = run.status.read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        write_json_atomic(run.status, _record(state="failed"))
    monkeypatch.undo()
    assert run.status.read_bytes() == before
    assert [path.name for path in run.path.iterdir()] == ["status.json"]


def test_a_file_beyond_all_measure_is_not_read(run: RunFolder) -> None:
    with run.status.open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(ValueError, match="more than"):
        read_json(run.status)
    assert read_status(run).problem == "status.json is garbled"


def test_exit_codes() -> None:
    codes = {state: exit_code_for(Status(state)) for state in TERMINAL}
    assert codes == {
        State.COMPLETED: 0,
        State.STOPPED: 0,
        State.TIMEOUT: 3,
        State.OUT_OF_MEMORY: 4,
        State.FAILED: 1,
        State.KILLED: 1,
        State.LOST: 1,
    }
    # The training process alone could see that the data are at fault.
    assert exit_code_for(Status(State.FAILED, exit_code=2)) == 2
    assert exit_code_for(Status(State.LOST, exit_code=2)) == 1


def test_fractions() -> None:
    from trainer.runs.status import Progress

    assert Progress(step=5, total_steps=20).fraction == 0.25
    assert Progress(step=5, epoch=1, total_epochs=4).fraction == 0.25
    assert Progress(step=30, total_steps=20).fraction == 1.0
    assert Progress().fraction is None
