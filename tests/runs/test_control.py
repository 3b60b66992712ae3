"""Requests as files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from trainer.runs import control
from trainer.runs.layout import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    (tmp_path / "control").mkdir()
    return RunFolder(tmp_path)


def test_requests_come_in_order_and_whole(run: RunFolder) -> None:
    control.request(run, "checkpoint")
    control.request(run, "validate")
    control.request(run, "stop", after="epoch", reason="enough")
    asked = control.pending(run)
    assert [each.kind for each in asked] == ["checkpoint", "validate", "stop"]
    assert (asked[2].after, asked[2].reason) == ("epoch", "enough")
    control.done(asked[0])
    control.done(asked[0])
    assert [each.kind for each in control.pending(run)] == ["validate", "stop"]


def test_unknown_kinds_are_refused(run: RunFolder) -> None:
    with pytest.raises(ValueError, match="unknown request"):
        control.request(run, "dance")


def test_the_control_folder_is_made_when_missing(tmp_path: Path) -> None:
    control.request(tmp_path, "stop")
    assert control.pending(tmp_path)[0].after == "step"


def test_older_requests_are_removed_not_answered(run: RunFolder) -> None:
    old = control.request(run, "stop")
    os.utime(old, (1000, 1000))
    control.request(run, "checkpoint")
    assert [each.kind for each in control.pending(run, since=time.time() - 60)] == ["checkpoint"]
    assert not old.exists()


def test_hostile_files_are_passed_over(run: RunFolder) -> None:
    folder = run.control
    (folder / "a.json").write_bytes(b"\x00\xff garbage")
    (folder / "b.json").write_text('{"kind": "rm -rf"}')
    (folder / "c.json").write_text('["stop"]')
    (folder / "d.json").write_text('{"kind": "stop", "x": "' + "y" * 200_000 + '"}')
    (folder / "e.json").mkdir()
    (folder / "f.json").symlink_to("/etc/passwd")
    os.mkfifo(folder / "g.json")
    (folder / "h.json").write_text('{"kind": ["stop"]}')
    (folder / ".i.json").write_text('{"kind": "stop"}')
    (folder / "j.txt").write_text('{"kind": "stop"}')
    (folder / "k.json").write_text('{"kind": "stop", "after": "Tuesday", "reason": 7}')
    asked = control.pending(run)
    assert [each.path.name for each in asked] == ["k.json"]
    assert (asked[0].after, asked[0].reason) == ("step", "")
    assert control.clear(run) >= 9


def test_garbage_hides_no_request_and_goes_when_it_is_old(run: RunFolder) -> None:
    for number in range(1500):
        (run.control / f"{number:05d}.json").write_text("garbage")
        (run.control / f"{number:020d}-host-1-{number}-stop.json").touch()
    asked = control.request(run, "stop")
    assert [each.path for each in control.pending(run)] == [asked]
    # Whoever names garbage as ours, and later than now, delays a request, no more.
    for number in range(1500):
        (run.control / f"9{number:019d}-host-1-{number}-stop.json").touch()
    inbox = control.Inbox(run)
    assert [each.path for _ in range(3) for each in inbox.poll()] == [asked]
    for path in run.control.iterdir():
        os.utime(path, (1000, 1000))
    late = control.request(run, "checkpoint")
    assert [each.path for each in control.pending(run, since=time.time() - 60)] == [late]
    assert list(run.control.iterdir()) == [late]


def test_of_a_flood_the_newest_count(run: RunFolder) -> None:
    for number in range(1100):
        name = f"{number:020d}-host-1-{number}-stop.json"
        (run.control / name).write_text('{"kind": "stop"}')
    asked = control.request(run, "kill")
    found = control.pending(run)
    assert (len(found), found[-1].path) == (1000, asked)


class TestInbox:
    def test_gives_each_request_once(self, run: RunFolder) -> None:
        inbox = control.Inbox(run)
        assert inbox.poll() == []
        control.request(run, "stop")
        assert [each.kind for each in inbox.poll()] == ["stop"]
        assert inbox.poll() == []
        control.request(run, "checkpoint")
        assert [each.kind for each in inbox.poll()] == ["checkpoint"]

    def test_does_not_list_an_unchanged_folder(
        self, run: RunFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = [0.0]
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])
        listed = []
        real = os.scandir
        monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or real(path))
        inbox = control.Inbox(run)
        inbox.poll()
        clock[0] = 2.0
        before = len(listed)
        for _ in range(1000):
            inbox.poll()
        assert len(listed) == before
        clock[0] = 8.0
        inbox.poll()
        assert len(listed) == before + 1

    def test_a_change_in_the_same_tick_is_not_missed(self, run: RunFolder) -> None:
        inbox = control.Inbox(run)
        inbox.poll()
        stamp = run.control.stat()
        control.request(run, "stop")
        os.utime(run.control, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        assert [each.kind for each in inbox.poll()] == ["stop"]

    def test_a_clock_that_jumps_back_loses_nothing(self, run: RunFolder) -> None:
        inbox = control.Inbox(run, since=time.time())
        late = control.request(run, "stop")
        os.utime(late, (1000, 1000))
        assert [each.kind for each in inbox.poll()] == ["stop"]

    def test_a_missing_folder_is_no_error(self, tmp_path: Path) -> None:
        assert control.Inbox(tmp_path / "gone").poll() == []
