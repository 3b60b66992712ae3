"""What reads the list of runs, and curves at a glance."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tuilab import NOW, FakeClock, make_run, training

from trainer.errors import RunError
from trainer.runs.aside import DELETED, purge_leftovers, put_back, set_aside
from trainer.runs.index import RunIndex
from trainer.runs.layout import RunFolder
from trainer.runs.summary import RunSummary
from tui.clock import SystemClock
from tui.screens.runs.columns import COLUMNS, compact, lay_out, sparkline
from tui.screens.runs.order import arrange
from tui.sources.glance import glance
from tui.sources.runs import RunsSource


def test_a_run_that_did_not_change_is_the_same_object(runs_dir: Path) -> None:
    make_run(runs_dir, "live", state="running")
    make_run(runs_dir, "done")
    source = RunsSource([runs_dir], FakeClock())
    assert source.picture.loading
    assert source.step()
    first = source.picture
    assert not first.loading
    assert not source.step()
    assert source.picture is first
    make_run(runs_dir, "new", created=NOW)
    assert source.step()
    assert source.picture.runs[1:] == first.runs
    assert all(any(run is old for old in first.runs) for run in source.picture.runs[1:])


def test_the_thread_finds_what_is_new_and_rests_while_paused(runs_dir: Path) -> None:
    source = RunsSource([runs_dir], SystemClock())
    told = threading.Event()
    source.told = told.set
    source.start()
    try:
        source.wait(5.0)
        assert not source.picture.loading
        assert told.wait(5.0)
        make_run(runs_dir, "new")
        deadline = time.monotonic() + 10
        while not source.picture.runs and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [run.name for run in source.picture.runs] == ["new"]
        source.pause(True)
        time.sleep(0.1)
        make_run(runs_dir, "later")
        time.sleep(1.3)
        assert len(source.picture.runs) == 1
        source.pause(False)
        while len(source.picture.runs) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(source.picture.runs) == 2
    finally:
        source.stop()


def test_curves_are_read_for_runs_in_sight_alone(runs_dir: Path) -> None:
    seen = make_run(runs_dir, "seen", events=training(100))
    make_run(runs_dir, "unseen", events=training(100))
    empty = make_run(runs_dir, "empty")
    source = RunsSource([runs_dir], FakeClock())
    source.look_at((str(seen.path), str(empty.path), "/nowhere"))
    source.step()
    assert set(source.picture.curves) == {str(seen.path), str(empty.path), "/nowhere"}
    assert len(source.picture.curves[str(seen.path)]) == 24
    assert source.picture.curves[str(empty.path)] == ()
    assert not source.step()


@pytest.mark.parametrize("steps", [1, 5, 23, 24, 25, 400, 5000])
def test_a_glance_begins_and_ends_where_the_curve_does(runs_dir: Path, steps: int) -> None:
    run = make_run(runs_dir, events=training(steps, loss=float))
    curve = glance(run.events, "train/loss")
    assert curve[-1] == steps
    assert list(curve) == sorted(curve)
    # A share may hold nothing but the line that declares the metric.
    assert max(1, min(steps, 24) - 4) <= len(curve) <= 24


def test_a_glance_leaves_out_what_a_later_branch_replaced(runs_dir: Path) -> None:
    events = [
        *training(100, loss=lambda s: 1000.0 + s),
        *training(60, start=41, loss=float),
    ]
    curve = glance(make_run(runs_dir, events=events).events, "train/loss")
    assert max(curve) <= 1041.0
    assert curve[-1] == 100.0


def test_a_glance_at_garbage(runs_dir: Path, tmp_path: Path) -> None:
    run = make_run(runs_dir)
    run.events.write_bytes(b'\xff\xfe\n{"metrics":{"train/loss":\n' + os.urandom(300_000))
    assert glance(run.events, "train/loss") == ()
    with pytest.raises(FileNotFoundError):
        glance(tmp_path / "none", "train/loss")


def test_a_sparkline() -> None:
    signs = "▁▂▃▄▅▆▇█"
    assert sparkline([0, 7], 5, signs, "×") == "▁█"
    assert sparkline([1, 1, 1], 5, signs, "×") == "▁▁▁"
    assert sparkline([math.nan, 1, math.inf, 2], 9, signs, "×") == "×▁×█"
    assert len(sparkline(list(range(24)), 12, signs, "×")) == 12
    assert sparkline([1e308, -1e308], 4, signs, "×") == "▁▁"
    assert not sparkline([], 4, signs, "×")


def test_columns_go_in_order_of_their_rank() -> None:
    before: set[str] = set()
    for width in range(1, 220):
        layout = lay_out(width, 20)
        keys = set(layout.keys)
        assert before <= keys
        used = 2 + sum(cells + 1 for _, cells in layout.cells)
        assert used <= max(width, 30)
        before = keys
    assert before == {column.key for column in COLUMNS}
    assert {"state", "name", "progress", "train", "val", "eta", "age"} == set(lay_out(80, 20).keys)


def test_runs_without_a_value_come_last_either_way(runs_dir: Path) -> None:
    make_run(runs_dir, "low", metrics={"val/loss": 1.0})
    make_run(runs_dir, "high", metrics={"val/loss": 2.0})
    make_run(runs_dir, "none", metrics={"train/loss": 1.0})
    make_run(runs_dir, "nan", metrics={"val/loss": math.nan})
    runs = RunIndex(runs_dir).list()
    for column in COLUMNS:
        for reverse in (False, True):
            assert len(arrange(runs, column.key, reverse, NOW)) == 4
    up = [run.name for run in arrange(runs, "val", False, NOW)]
    down = [run.name for run in arrange(runs, "val", True, NOW)]
    assert up[:2] == ["low", "high"]
    assert down[:2] == ["high", "low"]
    assert set(up[2:]) == set(down[2:]) == {"none", "nan"}


def test_compact_numbers() -> None:
    shown = [compact(value) for value in (0.0, 0.25, 9.4, 38, 999, 1214, 45_000, 2.5e6, math.nan)]
    assert shown == ["0", "0.25", "9.4", "38", "999", "1.2k", "45k", "2.5M", "NaN"]


def test_set_aside_and_put_back(runs_dir: Path) -> None:
    run = make_run(runs_dir, "done", output="kept")
    aside = set_aside(run, runs_dir)
    assert not run.path.exists()
    assert RunIndex(runs_dir).list() == []
    assert put_back(aside).path == run.path
    assert run.output.read_text() == "kept"
    assert [each.name for each in RunIndex(runs_dir).list()] == ["done"]


def test_what_lives_or_is_no_run_is_not_set_aside(runs_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is running"):
        set_aside(make_run(runs_dir, "live", state="running"), runs_dir)
    (runs_dir / "mine").mkdir()
    with pytest.raises(RunError, match=r"no run\.json of a run"):
        set_aside(RunFolder(runs_dir / "mine"), runs_dir)
    assert not (runs_dir / DELETED).exists()


def test_a_place_taken_meanwhile_is_not_overwritten(runs_dir: Path) -> None:
    run = make_run(runs_dir, "done")
    aside = set_aside(run, runs_dir)
    run.path.mkdir()
    with pytest.raises(RunError, match="something else lies there"):
        put_back(aside)
    assert aside.lies.exists()


def test_a_link_is_set_aside_without_what_it_leads_to(runs_dir: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "far", "done")
    link = runs_dir / "linked"
    link.symlink_to(run.path)
    aside = set_aside(RunFolder(link), runs_dir)
    assert not link.is_symlink()
    purge_leftovers(runs_dir, now=time.time() + 100_000)
    assert not aside.lies.is_symlink()
    assert run.run_json.exists()


def test_leftovers_of_a_crash_go_after_a_day(runs_dir: Path) -> None:
    old = set_aside(make_run(runs_dir, "old"), runs_dir)
    new = set_aside(make_run(runs_dir, "new"), runs_dir)
    past = time.time() - 90_000
    os.utime(old.lies.parent, (past, past))
    assert purge_leftovers(runs_dir) == 1
    assert not old.lies.exists()
    assert new.lies.exists()
    assert purge_leftovers(runs_dir / "none") == 0


def test_the_list_loads_nothing_that_its_first_picture_does_not_need() -> None:
    code = "import sys, tui.entry, tui.app, tui.screens.runs; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pydantic", "ruamel", "hydra", "omegaconf", "yaml", "tree_sitter", "numpy", "torch"}
    loaded = set(done.stdout.split())
    assert not heavy & loaded
    assert not {name for name in loaded if name.startswith("tui.widgets.chart")}


def test_the_list_s_reader_needs_no_screen() -> None:
    code = "import sys, tui.sources.runs; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name for name in done.stdout.split() if name.startswith(("textual", "rich"))}


def test_the_thread_survives_what_goes_wrong_and_tells_it(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(runs_dir, "there")
    wrong = [True]
    listed = RunIndex.list

    def flaky(index: RunIndex) -> list[RunSummary]:
        if wrong:
            raise ValueError("a \x1b[31mbug")
        return listed(index)

    monkeypatch.setattr(RunIndex, "list", flaky)
    source = RunsSource([runs_dir], SystemClock())
    source.start()
    try:
        source.wait(5.0)
        assert source.picture.problems == ("the runs cannot be listed: ValueError: a bug",)
        wrong.clear()
        source.wake()
        deadline = time.monotonic() + 10
        while source.picture.problems and time.monotonic() < deadline:
            time.sleep(0.05)
        assert source.picture.problems == ()
        assert [run.name for run in source.picture.runs] == ["there"]
    finally:
        source.stop()
