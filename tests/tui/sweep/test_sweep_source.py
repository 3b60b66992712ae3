"""What the threads read of sweeps: pictures that change only when something did, lists, times."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from nightlab import drive, make_sweep, make_trial
from tuilab import make_run

from trainer.config.compose import compose
from trainer.runs import proc
from trainer.runs.layout import read_json, write_json_atomic
from tui.sources.sweepcost import Costs, said
from tui.sources.sweeplist import SweepsSource, find_sweep
from tui.sources.sweeps import SweepSource

TINY = ("quickstart", "trainer.max_steps=100")


def test_a_sweep_at_rest_gives_the_same_picture(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    make_trial(sweep, 1, value=0.5)
    source = SweepSource(sweep.path)
    assert source.step()
    picture = source.picture
    assert (picture.state, len(picture.trials)) == ("unfinished", 6)
    assert not source.step()
    assert source.picture is picture


def test_only_trials_that_changed_are_other_objects(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    make_trial(sweep, 1, value=0.5)
    source = SweepSource(sweep.path)
    source.step()
    before = source.picture
    make_trial(sweep, 2, value=0.4)
    drive(sweep)
    assert source.step()
    after = source.picture
    assert after.state == "running"
    assert [a is b for a, b in zip(before.trials, after.trials, strict=True)].count(False) == 1
    assert after.best is not None
    assert (after.best.trial, after.best.value) == (2, 0.4)
    assert [group.rows[0].trial for group in after.groups[:2]] == [2, 1]
    assert after.effects.rows


def test_a_sweep_that_is_gone_or_garbled_is_said(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    source = SweepSource(sweep.path)
    source.step()
    shutil.rmtree(sweep.path)
    assert source.step()
    assert source.picture.problem == "the sweep's folder is gone"
    assert len(source.picture.trials) == 6
    other = make_sweep(runs_dir)
    (other.path / "sweep.json").write_text('{"v": 1, "id": "\\u001b[31mx"')
    source = SweepSource(other.path)
    source.step()
    assert "cannot be read" in source.picture.problem
    assert source.picture.problem.isprintable()


def test_the_thread_tells_of_its_first_look_and_ends(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    source = SweepSource(sweep.path)
    told: list[int] = []
    source.told = lambda: told.append(1)
    source.start()
    until = time.monotonic() + 30
    while not told and time.monotonic() < until:
        time.sleep(0.01)
    assert told
    assert not source.picture.loading
    source.stop()
    assert source._thread is not None
    source._thread.join(30)
    assert not source._thread.is_alive()


# ── the list ─────────────────────────────────────────────────────────────────────────────────────


def test_the_list_counts_the_newest_run_of_each_trial(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir, seeds=(0, 1))
    make_trial(sweep, 1)
    make_trial(sweep, 2, "failed", None, reason="loss became NaN")
    make_trial(sweep, 3, "running")
    other = make_sweep(runs_dir, "quickstart", "seed=0,1", name="other")
    source = SweepsSource([runs_dir])
    source.step()
    by_name = {entry.name: entry for entry in source.picture.entries}
    night = by_name["night"]
    assert (night.total, night.done, night.failed, night.live) == (12, 1, 1, 1)
    assert night.state == "undriven"
    assert night.varies == "lr: 0.001, 0.003, 0.01  dropout: 0.0, 0.1  seed: 0, 1"
    assert by_name["other"].state == "unfinished"
    assert not source.step()
    drive(other)
    assert source.step()
    assert find_sweep([runs_dir], sweep.id) == sweep.path
    assert find_sweep([runs_dir], "nothing") is None


def test_the_lists_thread_outlives_whatever_goes_wrong(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SweepsSource([runs_dir])
    looks: list[int] = []

    def step() -> bool:
        looks.append(1)
        if len(looks) == 1:
            raise ArithmeticError("a clock that lies")
        return False

    monkeypatch.setattr(source, "step", step)
    source.start()
    until = time.monotonic() + 30
    while len(looks) < 2 and time.monotonic() < until:
        source._woken.set()
        time.sleep(0.01)
    assert len(looks) >= 2
    source.stop()


def test_a_sweep_that_cannot_be_read_is_listed_with_why(runs_dir: Path) -> None:
    sweep = make_sweep(runs_dir)
    (sweep.path / "sweep.json").write_text("{")
    source = SweepsSource([runs_dir])
    source.step()
    (entry,) = source.picture.entries
    assert entry.state == "unreadable"
    assert "cannot be read" in entry.problem


def test_plans_that_overtake_each_other_ask_for_the_time_one_by_one(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs, inside, most = Costs([runs_dir]), [0], [0]

    def earlier_runs() -> list[object]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        # Long enough for the other one to get in, were it let in.
        time.sleep(0.2)
        inside[0] -= 1
        return []

    monkeypatch.setattr(costs, "_earlier", earlier_runs)
    threads = [threading.Thread(target=costs.of, args=({}, ())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


# ── the time ─────────────────────────────────────────────────────────────────────────────────────


def earlier(runs_dir: Path, name: str, *words: str, took: float, host: str = "") -> None:
    run = make_run(runs_dir, name, overrides=words, host=host or proc.host_name())
    record = read_json(run.status)
    write_json_atomic(run.status, {**record, "started": 1000.0, "ended": 1000.0 + took})


def test_the_time_comes_from_runs_that_did_the_same(runs_dir: Path) -> None:
    config = compose(TINY, cwd=runs_dir.parent).config
    assert Costs([runs_dir]).of(config, ()) is None
    earlier(runs_dir, "a", *TINY, took=60)
    earlier(runs_dir, "b", *TINY, "optimizer.config.lr=0.1", took=100)
    earlier(runs_dir, "c", *TINY, "seed=5", took=80)
    earlier(runs_dir, "longer", "quickstart", "trainer.max_steps=900", took=900)
    earlier(runs_dir, "elsewhere", *TINY, took=1, host="far")
    cost = Costs([runs_dir]).of(config, ())
    assert cost is not None
    assert (cost.each, cost.least, cost.most, cost.runs) == (80, 60, 100, 3)
    assert cost.total(5, 2) == 240
    assert said(cost, 5, 2) == "about 4:00, from 3 earlier runs like it (1:00 to 1:40)"
    # What varies may be other there, and is told.
    varied = Costs([runs_dir]).of(config, {"trainer.max_steps"})
    assert varied is not None
    assert (varied.runs, varied.apart) == (4, True)
    assert said(varied, 1, 1).endswith("with other values")
    assert said(None, 3, 1).startswith("time unknown: no run here")


@pytest.mark.parametrize("text", ["[1]", "\x00", "a: [", ""])
def test_an_earlier_config_that_cannot_be_read_tells_nothing(runs_dir: Path, text: str) -> None:
    config = compose(TINY, cwd=runs_dir.parent).config
    run = make_run(runs_dir, "odd", host=proc.host_name())
    run.config.write_text(text)
    assert Costs([runs_dir]).of(config, ()) is None


def test_looks_at_trials_at_rest_open_no_files(runs_dir: Path) -> None:
    """Counted, not timed: a trial that is over costs one stat and no opened file."""
    values = ",".join(str(n / 1000) for n in range(1, 101))
    sweep = make_sweep(runs_dir, "quickstart", f"optimizer.config.lr={values}")
    for number in range(1, 101):
        path = make_trial(sweep, number)
        old = time.time() - 60
        os.utime(path, (old, old))
    for day in runs_dir.iterdir():
        os.utime(day, (time.time() - 60, time.time() - 60))
    source = SweepSource(sweep.path)
    source.step()
    assert all(trial.done for trial in source.picture.trials)
    opened: list[str] = []
    real = os.open

    def counting(path: object, *words: object, **more: object) -> int:
        opened.append(str(path))
        return real(path, *words, **more)  # type: ignore[call-overload, no-any-return]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", counting)
        assert not source.step()
    assert len(opened) <= 2
    assert json.loads((sweep.path / "sweep.json").read_text())["v"] == 1
