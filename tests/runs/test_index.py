"""The list of runs, whatever lies in the folder and whatever befell the index."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import RunError
from trainer.runs import index as index_module
from trainer.runs.folders import make_folder
from trainer.runs.index import INDEX, UNREADABLE, RunIndex, find, set_tags, summarise
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.status import State


def _age(path: Path, seconds: float = 3600.0) -> None:
    """Make a run folder look settled, so that the index may remember it."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def _ended(
    runs: Path, name: str, state: State = State.COMPLETED, *, now: float = 1.7e9, **status: Any
) -> RunFolder:
    run = make_folder(runs, name, {"tags": ["t"], "config_hash": "abc"}, now=now)
    record = read_json(run.status)
    record.update(state=state, writer="supervisor", ended=now + 5, exit_code=0, **status)
    write_json_atomic(run.status, record)
    _age(run.path)
    return run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_lists_newest_first_and_filters(runs: Path) -> None:
    progress = {"step": 5, "total_steps": 10, "metrics": {"train/loss": 0.5, "bad": "NaN"}}
    _ended(runs, "old", now=1.6e9, progress=progress)
    _ended(runs, "new", State.FAILED)
    for _ in range(2):
        # The second time around it comes out of the index.
        listed = RunIndex(runs).list()
        assert [run.name for run in listed] == ["new", "old"]
        old = listed[1]
        assert (old.state, old.tags, old.config_hash, old.exit_code) == (
            "completed",
            ("t",),
            "abc",
            0,
        )
        assert old.progress.fraction == 0.5
        assert math.isnan(old.progress.metrics["bad"])
        assert old.progress.metrics["train/loss"] == 0.5
        assert old.ended == 1.6e9 + 5
        assert old.folder.status.exists()
    index = RunIndex(runs)
    assert [run.name for run in index.list(state=["failed"])] == ["new"]
    assert [run.name for run in index.list(name="OL")] == ["old"]
    assert len(index.list(tag="t")) == 2
    assert index.list(tag="u") == []


def test_what_is_remembered_is_not_read_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        _ended(runs, f"r{number}")
    RunIndex(runs).list()
    monkeypatch.setattr(index_module, "summarise", lambda _: pytest.fail("read again"))
    assert len(RunIndex(runs).list()) == 5


def test_changes_are_seen(runs: Path) -> None:
    first = _ended(runs, "first")
    index = RunIndex(runs)
    index.list()
    second = _ended(runs, "second")
    assert {run.name for run in index.list()} == {"first", "second"}
    write_json_atomic(first.status, {**read_json(first.status), "state": "failed"})
    assert {run.state for run in index.list(name="first")} == {"failed"}
    shutil.rmtree(second.path)
    assert [run.name for run in index.list()] == ["first"]
    assert [run.name for run in RunIndex(runs).list()] == ["first"]


def test_live_runs_are_always_read(runs: Path) -> None:
    run = make_folder(runs, "live")
    _age(run.path)
    index = RunIndex(runs)
    assert index.list()[0].live
    stamp = run.path.stat()
    write_json_atomic(run.status, {**read_json(run.status), "state": "running"})
    os.utime(run.path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert index.list()[0].state == "running"


@pytest.mark.parametrize("harm", ["corrupt", "empty", "version", "table", "folder", "rows"])
def test_a_broken_index_is_rebuilt(runs: Path, harm: str) -> None:
    for number in range(3):
        _ended(runs, f"r{number}")
    wanted = RunIndex(runs).list()
    path = runs / INDEX
    assert path.exists()
    if harm == "corrupt":
        path.write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "folder":
        path.unlink()
        path.mkdir()
    else:
        with sqlite3.connect(path) as connection:
            connection.execute(
                {
                    "version": "PRAGMA user_version=99",
                    "table": "DROP TABLE runs",
                    "rows": "UPDATE runs SET doc='{\"half\":'",
                }[harm]
            )
        connection.close()
    for _ in range(2):
        assert RunIndex(runs).list() == wanted
    if harm != "folder":
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT count(*) FROM runs").fetchone() == (3,)
        connection.close()


def test_a_locked_index_only_costs_time(runs: Path) -> None:
    _ended(runs, "one")
    RunIndex(runs).list()
    connection = sqlite3.connect(runs / INDEX, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    _ended(runs, "two")
    assert len(RunIndex(runs).list()) == 2
    connection.close()


def test_a_folder_that_cannot_be_written(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _ended(runs, "one")

    def refused(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(RunIndex, "_open", refused)
    assert [run.name for run in RunIndex(runs).list()] == ["one"]
    assert not (runs / INDEX).exists()


def test_a_moved_runs_folder_is_read_anew(runs: Path, tmp_path: Path) -> None:
    _ended(runs, "one")
    RunIndex(runs).list()
    runs.rename(tmp_path / "moved")
    listed = RunIndex(tmp_path / "moved").list()
    assert Path(listed[0].path).is_dir()


def test_no_runs_folder_is_an_empty_list(runs: Path) -> None:
    assert RunIndex(runs).list() == []
    assert not runs.exists()


def test_garbage_among_the_runs_is_reported_as_such(runs: Path) -> None:
    good = _ended(runs, "good")
    day = good.path.parent
    (day / "empty").mkdir()
    (day / "half").mkdir()
    (day / "half" / "run.json").write_text('{"id": "abc", "na')
    (day / "noise").mkdir()
    (day / "noise" / "run.json").write_bytes(os.urandom(1000))
    (day / "noise" / "status.json").write_bytes(os.urandom(1000))
    (day / "odd").mkdir()
    (day / "odd" / "run.json").write_text(
        '{"id": 7, "name": ["x"], "tags": "t", "created": "now", "parent": {"a": []}}'
    )
    (day / "fifo").mkdir()
    os.mkfifo(day / "fifo" / "run.json")
    (day / "a file").write_text("x")
    (day / "dangling").symlink_to("nowhere")
    (day / "loop").symlink_to("loop")
    (day / ".making-x").mkdir()
    (day / "status only").mkdir()
    shutil.copy(good.status, day / "status only" / "status.json")
    (day / "esc\x1b[31m").mkdir()
    (runs / "notes").mkdir()
    (day / os.fsdecode(b"\xff\xfe")).mkdir()
    for path in day.iterdir():
        if path.is_dir():
            _age(path)
    for _ in range(2):
        listed = {Path(run.path).name: run for run in RunIndex(runs).list()}
        assert {name for name, run in listed.items() if run.state == UNREADABLE} == {
            "empty",
            "half",
            "noise",
            "fifo",
            "esc\x1b[31m",
            os.fsdecode(b"\xff\xfe"),
        }
        assert listed["half"].problem == "run.json is garbled"
        assert listed["empty"].problem == "run.json is missing"
        assert listed["odd"].state == "lost"
        assert listed["status only"].state == "completed"
        assert listed["status only"].problem == "run.json is missing"
        assert listed["esc\x1b[31m"].name == "esc"
        assert len(listed) == 9
    assert find(runs, "last").path == good.path


def test_an_unreadable_folder_never_raises(runs: Path) -> None:
    assert summarise(runs / "missing").state == UNREADABLE
    assert summarise("/proc/1/mem").state == UNREADABLE


def test_several_processes_at_once(runs: Path) -> None:
    for number in range(20):
        _ended(runs, f"r{number}")
    code = (
        "import sys; from trainer.runs.index import RunIndex\n"
        "for _ in range(5):\n"
        "    assert len(RunIndex(sys.argv[1]).list()) == 20\n"
        "    assert RunIndex(sys.argv[1]).rebuild() == 20\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(runs)]) for _ in range(3)]
    assert [each.wait(timeout=60) for each in processes] == [0, 0, 0]


class TestFind:
    def test_by_everything(self, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        old = _ended(runs, "same", now=1.6e9)
        new = _ended(runs, "same", now=1.7e9)
        identity = old.identity()
        for key in (
            identity["id"],
            identity["id"][:6],
            str(old.path),
            old.path.name,
            f"{old.path.parent.name}/{old.path.name}",
        ):
            assert find(runs, key).path == old.path
        assert find(runs, old.path).path == old.path
        assert find(runs, "same").path == new.path
        assert find(runs, "last").path == new.path
        monkeypatch.chdir(old.path)
        assert find(runs, ".").path == old.path

    def test_a_name_wins_over_the_beginning_of_an_id(self, runs: Path) -> None:
        by_id = _ended(runs, "x")
        prefix = by_id.identity()["id"][:4]
        named = _ended(runs, prefix)
        assert find(runs, prefix).path == named.path

    def test_several_are_named(self, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ids = iter(["abc1", "abc2"])
        monkeypatch.setattr("trainer.runs.folders.new_id", lambda: next(ids))
        _ended(runs, "x")
        _ended(runs, "y")
        with pytest.raises(RunError, match=r"fits 2 runs.*abc"):
            find(runs, "abc")

    @pytest.mark.parametrize("key", ["", "nope", "a\0b", "x" * 10_000, "../../etc", "\x1b[31m"])
    def test_nothing_is_an_error_fit_for_people(self, runs: Path, key: str) -> None:
        _ended(runs, "quickstart")
        with pytest.raises(RunError) as caught:
            find(runs, key)
        assert "\x1b" not in str(caught.value)

    def test_suggests_the_nearest_name(self, runs: Path) -> None:
        _ended(runs, "quickstart")
        with pytest.raises(RunError, match="Did you mean 'quickstart'"):
            find(runs, "quikstart")


def test_tags(runs: Path) -> None:
    run = _ended(runs, "x")
    index = RunIndex(runs)
    index.list()
    assert set_tags(run, ["b", " a\x1b[31m ", "b", ""]) == ("a", "b")
    assert index.list()[0].tags == ("a", "b")
    assert json.loads(run.run_json.read_text())["name"] == "x"
    with pytest.raises(RunError):
        set_tags(RunFolder(runs / "none"), ["x"])
