"""The writer never loses, tears or repeats a line, and never troubles the loop that uses it."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import jsonschema
import pytest

from trainer.events import EventReader, EventWriter
from trainer.events.schema import json_schema


def lines_of(path):
    data = Path(path).read_bytes()
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.splitlines()]


def run_python(code, *args):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)], stdout=subprocess.PIPE
    )


def test_a_stream_of_every_kind_of_event_fits_the_schema(tmp_path):
    path = tmp_path / "new" / "folder" / "events.jsonl"
    with EventWriter(path) as writer:
        writer.emit("run_started", run_id="r", host="h", pid=1, total_steps=10, total_epochs=None)
        writer.metrics(1, {"train/loss": 0.5, "n": 3}, epoch=0)
        writer.metrics_rows([(5.0, 2, None, {"a": 1.0}), (6.0, 3, 0.5, {"a": float("nan")})])
        writer.log("info", "hello")
        writer.alert("warning", "divergence", "it diverges", step=3, advice="lower the rate")
        writer.emit("checkpoint", step=3, path="checkpoints/last.ckpt", kind="last", bytes=5)
        writer.emit("something_of_my_own", where=Path("x"), deep={"a": [1, {2}]})
        writer.emit("run_finished", status="completed", reason="done", exit_code=0)
    events = lines_of(path)
    validator = jsonschema.Draft202012Validator(json_schema())
    for event in events:
        validator.validate(event)
    assert [e["event"] for e in events] == [
        "run_started", "metrics", "metrics", "metrics", "log", "alert", "checkpoint",
        "something_of_my_own", "run_finished",
    ]  # fmt: skip
    assert events[2] == {
        "v": 1, "ts": 5.0, "event": "metrics", "step": 2, "metrics": {"a": 1.0}
    }  # fmt: skip
    assert writer.dropped == 0


@pytest.mark.parametrize(
    "line",
    [
        {"v": 1, "ts": 1.0, "event": "metrics", "metrics": {}},
        {"v": 1, "ts": 1.0, "event": "metrics", "step": 1, "metrics": {"a": None}},
        {"v": 1, "ts": 1.0, "event": "alert", "level": "loud", "kind": "k", "message": "m"},
        {"v": 2, "ts": 1.0, "event": "x"},
        {"ts": 1.0, "event": "x"},
    ],
)
def test_the_schema_refuses_what_is_no_event(line):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_schema()).validate(line)


class Odd:
    def __float__(self):
        raise RuntimeError("no")

    def __str__(self):
        raise RuntimeError("no")


class Scalar:
    def __float__(self):
        return 2.5


def test_whatever_is_passed_in_never_raises(tmp_path):
    path = tmp_path / "e.jsonl"
    loop = []
    loop.append(loop)
    with EventWriter(path) as writer:
        writer.metrics(1, {"a": float("inf"), "b": -float("inf"), "c": float("nan"), "d": Scalar()})
        writer.metrics(2, {"a": 10**400, "b": Odd(), 3: True, "half\ud800": 1.0})
        writer.metrics("x", {"a": 1e308, "b": 1e308})
        writer.emit("strange", event="mine", v=9, ts="now", loop=loop, odd=Odd(), raw=b"\xff")
        writer.emit("long", message="x" * 10_000_000, many=["y" * 1000] * 100_000)
    first, second, third, strange, long = lines_of(path)
    assert first["metrics"] == {"a": "Infinity", "b": "-Infinity", "c": "NaN", "d": 2.5}
    assert second["metrics"] == {"a": "Infinity", "b": "NaN", "3": 1, "half?": 1.0}
    assert (third["step"], third["metrics"]) == (0, {"a": 1e308, "b": 1e308})
    assert (strange["event"], strange["v"], strange["ts"]) == ("strange", 1, "NaN")
    assert long["message"].startswith("xxx")
    assert len(json.dumps(long)) < 1 << 20


def test_the_caller_may_change_its_mapping_afterwards(tmp_path):
    path = tmp_path / "e.jsonl"
    with EventWriter(path) as writer:
        values = {"a": 1.0}
        writer.metrics(1, values)
        values["a"] = 2.0
    assert lines_of(path)[0]["metrics"] == {"a": 1.0}


def test_important_events_are_on_disk_when_emit_returns_and_metrics_soon(tmp_path):
    path = tmp_path / "e.jsonl"
    with EventWriter(path, flush_interval=60) as writer:
        writer.metrics(1, {"a": 1.0})
        writer.log("info", "quiet")
        assert path.read_bytes() == b""
        writer.log("error", "loud")
        assert len(lines_of(path)) == 3
    with EventWriter(path, flush_interval=0.05) as writer:
        writer.metrics(2, {"a": 1.0})
        deadline = time.monotonic() + 10
        while len(lines_of(path)) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(lines_of(path)) == 4


def test_an_idle_writer_uses_no_processor_time(tmp_path):
    with EventWriter(tmp_path / "e.jsonl", flush_interval=0.01) as writer:
        writer.emit("hello")
        thread = next(t for t in threading.enumerate() if t.name == "traindeck-events")
        status = Path(f"/proc/self/task/{thread.native_id}/status")
        if not status.exists():
            pytest.skip("no /proc to count context switches")

        def switches():
            return [line for line in status.read_text().splitlines() if "ctxt_switches" in line]

        time.sleep(0.1)
        before = switches()
        time.sleep(0.3)
        assert switches() == before


def test_many_threads_share_a_writer(tmp_path):
    path = tmp_path / "e.jsonl"
    with EventWriter(path, flush_interval=0.001) as writer:

        def work(number):
            for step in range(500):
                writer.metrics(step, {"thread": number})
                if step % 100 == 0:
                    writer.emit("mark", number=number)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = lines_of(path)
    for number in range(8):
        steps = [e["step"] for e in events if e.get("metrics") == {"thread": number}]
        assert steps == list(range(500))
    assert sum(e["event"] == "mark" for e in events) == 40


def test_a_flood_waits_for_room_instead_of_being_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.events.writer.MAX_PENDING", 100)
    path = tmp_path / "e.jsonl"
    with EventWriter(path, flush_interval=30) as writer:
        writer.metrics_rows((1.0, step, None, {"a": 1}) for step in range(5000))
    assert [e["step"] for e in lines_of(path)] == list(range(5000))


def test_a_hanging_disk_does_not_hang_training(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.events.writer.MAX_PENDING", 10)
    monkeypatch.setattr("trainer.events.writer._ROOM_WAIT", 0.05)
    release = threading.Event()
    real = os.write

    def hang(fd, data):
        release.wait(30)
        return real(fd, data)

    path = tmp_path / "e.jsonl"
    writer = EventWriter(path, flush_interval=0.01)
    monkeypatch.setattr(os, "write", hang)
    for step in range(200):
        writer.metrics(step, {"a": 1})
        if step == 0:
            time.sleep(0.2)  # the thread takes this row, and hangs
    assert not writer.flush(timeout=0.05)
    assert writer.dropped == 200 - 1 - 10
    release.set()
    writer.close()
    events = lines_of(path)
    assert sum(e["event"] == "metrics" for e in events) == 11
    assert [e["dropped"] for e in events if e["event"] == "log"] == [189]


def test_a_torn_last_line_of_a_crashed_process_is_closed(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_bytes(b'{"v":1,"ts":1.0,"event":"a"}\n{"v":1,"ts":2.0,"eve')
    with EventWriter(path) as writer:
        writer.emit("b")
    batch = EventReader(path).poll()
    assert [e["event"] for e in batch.events] == ["a", "b"]
    assert batch.garbage == 1


def test_a_path_that_cannot_be_is_an_error_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        EventWriter(tmp_path / "file" / "e.jsonl")
    with pytest.raises(IsADirectoryError):
        EventWriter(tmp_path)


def test_events_after_close_are_counted_not_raised(tmp_path):
    writer = EventWriter(tmp_path / "e.jsonl")
    writer.close()
    writer.close()
    writer.metrics(1, {"a": 1})
    writer.emit("late")
    assert writer.dropped == 2


class FullDisk:
    """Lets `room` bytes through, then fails; a write that half fits is cut short."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, fd, data):
        part = bytes(data)[: self.room]
        if not part:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(part)
        return self._write(fd, part)


def test_a_disk_full_for_a_while_loses_nothing_and_tears_nothing(tmp_path, monkeypatch):
    path = tmp_path / "e.jsonl"
    with EventWriter(path, flush_interval=0.01) as writer:
        disk = FullDisk(monkeypatch, 130)
        for step in range(50):
            writer.metrics(step, {"a": 1.0})
        assert not writer.flush()
        assert not path.read_bytes().endswith(b"\n")
        disk.room = 70  # in the middle of the next line again
        writer.emit("try_again")
        disk.room = 1 << 30
        assert not writer.dropped
        writer.emit("space_is_back")
        assert writer.flush()
    events = lines_of(path)
    assert [e["step"] for e in events if e["event"] == "metrics"] == list(range(50))
    assert [e["event"] for e in events[50:]] == ["try_again", "space_is_back"]


def test_a_disk_full_for_long_drops_quiet_lines_first_and_says_so(tmp_path, monkeypatch, caplog):
    path = tmp_path / "e.jsonl"
    writer = EventWriter(path, flush_interval=0.01)
    monkeypatch.setattr(writer._sink, "_limit", 2000)
    disk = FullDisk(monkeypatch, 100)
    for step in range(300):
        writer.metrics(step, {"a": 1.0})
    writer.emit("checkpoint", path="x")
    for step in range(300, 600):
        writer.metrics(step, {"a": 1.0})
    writer.flush()
    assert "cannot be written" in caplog.text
    lost = writer.dropped
    assert 550 < lost < 600
    disk.room = 1 << 30
    writer.emit("space_is_back")
    writer.close()
    events = lines_of(path)
    assert writer.dropped == lost
    assert sum(e.get("dropped", 0) for e in events) == lost
    assert sum(e["event"] == "metrics" for e in events) == 600 - lost
    assert {"checkpoint", "space_is_back"} <= {e["event"] for e in events}
    steps = [e["step"] for e in events if e["event"] == "metrics"]
    assert steps == sorted(steps)
    assert steps[-1] == 599


def test_what_a_full_disk_still_holds_back_at_the_end_counts_as_lost(tmp_path, monkeypatch):
    writer = EventWriter(tmp_path / "e.jsonl")
    FullDisk(monkeypatch, 0)
    writer.metrics(1, {"a": 1})
    writer.close()
    assert writer.dropped == 1


def test_a_real_full_disk(tmp_path):
    mount = tmp_path / "tiny"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.decode().strip()}")
    try:
        path = mount / "e.jsonl"
        with EventWriter(path, flush_interval=0.01) as writer:
            filler = mount / "filler"
            filler.write_bytes(b"x" * 50_000)
            for step in range(2000):
                writer.metrics(step, {"train/loss": 0.5})
            assert not writer.flush()
            filler.unlink()
            writer.emit("space_is_back")
            for step in range(2000, 2100):
                writer.metrics(step, {"train/loss": 0.5})
            writer.flush()
        batch = EventReader(path).poll()
        assert batch.garbage == 0
        assert len(path.read_bytes()) <= 64 << 10
        steps = [e["step"] for e in batch.events if e["event"] == "metrics"]
        assert steps == sorted(set(steps))
        assert len(steps) + writer.dropped >= 2100
    finally:
        subprocess.run(["umount", mount], check=False)


def test_a_forked_child_repeats_nothing_and_may_write(tmp_path):
    path = tmp_path / "e.jsonl"
    code = """
        import os, sys
        from trainer.events import EventWriter
        writer = EventWriter(sys.argv[1], flush_interval=30)
        writer.emit("parent_first")
        writer.metrics(1, {"a": 1.0})
        pid = os.fork()
        if not pid:
            writer.emit("child")
            writer.metrics(2, {"a": 1.0})
            sys.exit(0)
        os.waitpid(pid, 0)
        writer.metrics(3, {"a": 1.0})
    """
    process = run_python(code, path)
    process.communicate(timeout=60)
    assert process.returncode == 0
    found = [(e["event"], e.get("step")) for e in lines_of(path)]
    assert sorted(found, key=str) == sorted(
        [("parent_first", None), ("child", None), ("metrics", 1), ("metrics", 2), ("metrics", 3)],
        key=str,
    )


def test_a_script_that_just_ends_has_written_everything(tmp_path):
    path = tmp_path / "e.jsonl"
    code = """
        import sys
        from trainer.events import EventWriter
        writer = EventWriter(sys.argv[1], flush_interval=30)
        for step in range(100):
            writer.metrics(step, {"a": 1.0})
        raise SystemExit(3)
    """
    process = run_python(code, path)
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert len(lines_of(path)) == 100


def test_a_killed_process_loses_at_most_half_a_second(tmp_path):
    path = tmp_path / "e.jsonl"
    code = """
        import os, sys, time
        from trainer.events import EventWriter
        writer = EventWriter(sys.argv[1])
        noted = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
        for step in range(100_000):
            now = time.time()
            writer.metrics(step, {"a": 1.0}, ts=now)
            os.pwrite(noted, b"%.6f" % now, 0)
            if step == 800:
                print("go", flush=True)
            time.sleep(0.001)
    """
    noted = tmp_path / "noted"
    process = run_python(code, path, noted)
    assert process.stdout.readline() == b"go\n"
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    batch = EventReader(path).poll()
    assert batch.garbage == 0
    assert float(noted.read_text()) - batch.events[-1]["ts"] < 0.5
    assert [e["step"] for e in batch.events] == list(range(len(batch.events)))
