"""Places in line, without any run."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.runs import queue as queue_module
from trainer.runs.queue import DeviceQueue, waiting

HOLD = (
    "import sys, time; from pathlib import Path; from trainer.runs.queue import DeviceQueue\n"
    "q = DeviceQueue(Path(sys.argv[1]), ['cuda:0'], 'other'); q.join()\n"
    "print(q.try_take(), flush=True); time.sleep(60)"
)


def test_first_come_first_served(tmp_path: Path) -> None:
    first, second, third = (DeviceQueue(tmp_path, ["cpu"], f"r{n}") for n in range(3))
    for queue in (first, second, third):
        queue.join()
    assert waiting(tmp_path) == {"cpu": 3}
    assert [queue.try_take() for queue in (third, second, first)] == [2, 1, 0]
    assert second.try_take() == 1
    assert third.try_take() == 2
    first.leave()
    assert third.try_take() == 1
    assert second.try_take() == 0
    second.leave()
    assert third.try_take() == 0
    third.leave()
    third.leave()
    assert waiting(tmp_path) == {"cpu": 0}


def test_several_devices_are_taken_together(tmp_path: Path) -> None:
    one = DeviceQueue(tmp_path, ["cuda:1"], "one")
    both = DeviceQueue(tmp_path, ["cuda:1", "cuda:0"], "both")
    zero = DeviceQueue(tmp_path, ["cuda:0"], "zero")
    for queue in (one, both, zero):
        queue.join()
    assert one.try_take() == 0
    assert both.try_take() == 1
    # Waiting for one device it still keeps its place at the other.
    assert zero.try_take() == 1
    assert len(one.descriptors) == 1
    one.leave()
    assert both.try_take() == 0
    assert len(both.descriptors) == 2
    both.leave()
    assert zero.try_take() == 0
    zero.leave()


def test_a_run_that_does_not_queue_is_waited_for(tmp_path: Path) -> None:
    here, queued = DeviceQueue(tmp_path, ["cpu"], "here"), DeviceQueue(tmp_path, ["cpu"], "queued")
    also = DeviceQueue(tmp_path, ["cpu"], "also")
    here.occupy()
    also.occupy()
    queued.join()
    assert queued.try_take() == 2
    here.leave()
    also.leave()
    assert queued.try_take() == 0
    queued.leave()


@pytest.mark.parametrize("kept", [False, True])
def test_death_frees_a_place_unless_a_child_keeps_it(tmp_path: Path, kept: bool) -> None:
    code = HOLD
    if kept:
        # What the supervisor does: the training process inherits the lock.
        code = HOLD.replace(
            "time.sleep(60)",
            "import subprocess; c = subprocess.Popen(['sleep', '60'], pass_fds=q.descriptors);"
            "print(c.pid, flush=True); time.sleep(60)",
        )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "0\n"
    child = int(other.stdout.readline()) if kept else None
    mine = DeviceQueue(tmp_path, ["cuda:0"], "mine")
    mine.join()
    assert mine.try_take() == 1
    other.kill()
    other.wait()
    if child is not None:
        assert mine.try_take() == 1
        os.kill(child, 9)
        other.stdout.read()
    assert mine.try_take() == 0
    mine.leave()
    other.stdout.close()


def test_a_lock_that_is_held_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "_PATIENCE", 0.0)
    mine, later = DeviceQueue(tmp_path, ["cpu"], "mine"), DeviceQueue(tmp_path, ["cpu"], "later")
    mine.join()
    (lock,) = tmp_path.glob(".queue/*/lock")
    with lock.open() as held:
        # As a process does that was stopped while it looked.
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "lock" in mine.take_turn()
        assert "lock" in later.take_turn()
    assert later.take_turn() == "1 before it"
    assert waiting(tmp_path) == {"cpu": 2}
    assert mine.take_turn() == ""
    for each in (mine, later):
        each.leave()


def test_a_full_disk_costs_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = queue_module._hold, [1]

    def full(path: Path) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path)

    monkeypatch.setattr(queue_module, "_hold", full)
    mine = DeviceQueue(tmp_path, ["cuda:0", "cuda:1"], "mine")
    # One ticket is taken, then one holding, then all: each time it goes on where it was.
    assert mine.take_turn() == "the queue cannot be written: No space left on device"
    left[0] = 2
    assert mine.take_turn() == "the queue cannot be written: No space left on device"
    assert waiting(tmp_path) == {"cuda:0": 1, "cuda:1": 1}
    left[0] = 9
    assert mine.take_turn() == ""
    assert len(mine.descriptors) == 2
    mine.leave()


def test_a_queue_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / ".queue").touch()
    with pytest.raises(OSError):
        DeviceQueue(tmp_path, ["cpu"], "x").take_turn()


def test_hostile_names_stay_in_the_queue(tmp_path: Path) -> None:
    queue = DeviceQueue(tmp_path / "runs", ["../../x", ".."], "../../../id\0\n")
    queue.join()
    assert queue.try_take() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".queue"]
    queue.leave()
    with pytest.raises(ValueError, match="needs a device"):
        DeviceQueue(tmp_path, [], "x")
