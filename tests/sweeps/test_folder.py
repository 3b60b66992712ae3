"""The folder of a sweep, beside the folders of runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest

from trainer.commands.ablate import show
from trainer.errors import RunError, TraindeckError
from trainer.runs.index import RunIndex
from trainer.runs.layout import RunFolder
from trainer.runs.manage import remove
from trainer.runs.status import State
from trainer.sweeps import drive, folder
from trainer.sweeps.folder import SWEEP_JSON, Sweep
from trainer.sweeps.lock import driver, hold

from .conftest import Lab, write

RATES = "optimizer.config.lr=1e-3,3e-3"


def test_a_sweep_is_read_back_as_it_was_planned(made: Callable[..., Sweep], project: Path) -> None:
    sweep = made(RATES, "seed=0,1", mode="one_at_a_time")
    again = Sweep.load(sweep.path)
    assert again.planned == sweep.planned
    assert (again.mode, again.seeds, again.factors) == (
        "one_at_a_time",
        (0, 1),
        ["optimizer.config.lr"],
    )
    assert all(len(trial.config_hash) == 64 for trial in again.planned)
    assert again.where["cwd"] == project
    assert [trial.state for trial in again.trials()] == ["waiting"] * 6
    assert sorted(entry.name for entry in sweep.path.iterdir()) == [
        "control",
        "logs",
        "outputs",
        SWEEP_JSON,
    ]


def test_it_is_no_run_and_its_trials_are(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made(RATES)
    assert RunIndex(sweep.runs_dir).list() == []
    drive.run(sweep, launcher=lab, poll=0.001)
    runs = RunIndex(sweep.runs_dir).list()
    assert {(run.parent["sweep"], run.parent["trial"]) for run in runs} == {
        (sweep.id, "1"),
        (sweep.id, "2"),
    }
    assert {run.problem for run in runs} == {""}


def test_it_is_found_by_what_a_person_calls_it(made: Callable[..., Sweep]) -> None:
    sweep = made(RATES)
    runs = sweep.runs_dir
    for name in ("last", sweep.id, sweep.id[:4], "night", sweep.path.name, str(sweep.path)):
        assert folder.find(runs, name).id == sweep.id
    with pytest.raises(RunError, match="no sweep 'other'"):
        folder.find(runs, "other")
    with pytest.raises(RunError, match="no sweep"):
        folder.find(runs, "./nowhere")
    assert folder.list_sweeps(runs / "nowhere") == []


@pytest.mark.parametrize("text", ["", "[]", '{"v": 1}', '{"v": 9, "mode": "product"}', "{"])
def test_a_garbled_sweep_is_an_error_and_no_traceback(
    made: Callable[..., Sweep], text: str
) -> None:
    sweep = made(RATES)
    (sweep.path / SWEEP_JSON).write_text(text)
    with pytest.raises(RunError, match=r"sweep\.json cannot be read"):
        Sweep.load(sweep.path)


def test_a_sweep_of_odd_values_is_shown_or_refused(
    made: Callable[..., Sweep], capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = made("seed=0,1")
    record = json.loads((sweep.path / SWEEP_JSON).read_text())
    axes = [{"key": 1, "values": [{"a": "\x1b[31m"}]}]
    record |= {"axes": axes, "overrides": [3], "tags": [5], "command": [1, None]}
    (sweep.path / SWEEP_JSON).write_text(json.dumps(record))
    assert show(Sweep.load(sweep.path), as_json=False) == 0
    said = capsys.readouterr().out
    assert 'varies    1: {"a": ' in said
    assert "\x1b" not in said
    for wrong in ({"seeds": ["a"]}, {"created": inf}):
        (sweep.path / SWEEP_JSON).write_text(json.dumps({**record, **wrong}))
        with pytest.raises(RunError, match="cannot be read"):
            Sweep.load(sweep.path)


def test_trials_are_numbered_one_by_one(made: Callable[..., Sweep]) -> None:
    sweep = made(RATES)
    record = json.loads((sweep.path / SWEEP_JSON).read_text())
    record["trials"][1]["number"] = 7
    (sweep.path / SWEEP_JSON).write_text(json.dumps(record))
    with pytest.raises(RunError, match="not numbered one by one"):
        Sweep.load(sweep.path)


def test_secrets_are_refused(made: Callable[..., Sweep]) -> None:
    with pytest.raises(TraindeckError, match="looks like a secret"):
        made(RATES, "++model.api_key=sk-abcdefghijklmnopqrstuvwxyz123456")


def test_a_look_follows_what_happens_to_the_runs(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made(RATES)
    drive.run(sweep, launcher=lab, poll=0.001)
    first = sweep.trials()[0]
    assert first.run is not None
    assert (first.state, first.metrics_best, first.best_step) == (
        "completed",
        {"val/loss": 1.0},
        10,
    )
    write(RunFolder(first.run), State.FAILED, reason="oh")
    assert (sweep.trials()[0].state, sweep.trials()[0].reason) == ("failed", "oh")
    remove(RunFolder(first.run))
    assert sweep.trials()[0].state == "waiting"


def test_a_look_at_many_trials_is_cheap(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made("optimizer.config.lr=1e-3,3e-3,5e-3,7e-3", seeds=(0, 1, 2))
    drive.run(sweep, launcher=lab, poll=0)
    for trial in sweep.trials():
        assert trial.run is not None
        os.utime(trial.run, (1.0, 1.0))
    os.utime(sweep.path.parent, (1.0, 1.0))
    sweep.trials()
    opened = []
    sys.addaudithook(lambda name, args: opened.append(args[0]) if name == "open" and on else None)
    on = True
    sweep.trials()
    on = False
    assert [path for path in opened if str(sweep.runs_dir) in str(path)] == []


def test_two_drivers_are_refused_and_a_dead_one_is_not_waited_for(
    made: Callable[..., Sweep],
) -> None:
    sweep = made(RATES)
    code = (
        "import sys, time; from pathlib import Path; from trainer.sweeps.lock import hold\n"
        "with hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(sweep.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        who = driver(sweep.path)
        assert who is not None
        assert (who.pid, who.alive) == (other.pid, True)
        with pytest.raises(RunError, match=f"driven by process {other.pid}"), hold(sweep.path):
            pass
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    who = driver(sweep.path)
    assert who is not None
    assert not who.alive
    with hold(sweep.path):
        who = driver(sweep.path)
        assert who is not None
        assert who.pid == os.getpid()
    assert driver(sweep.path) is None


def test_a_driver_that_fails_leaves_no_note(made: Callable[..., Sweep]) -> None:
    sweep = made(RATES)
    with pytest.raises(RunError, match="its own"), hold(sweep.path):
        raise RunError("its own")
    assert driver(sweep.path) is None


def test_without_locks_the_note_decides(
    made: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = made(RATES)
    monkeypatch.setattr("trainer.runs.lock.lock_descriptor", lambda _: False)
    with hold(sweep.path):
        note = json.loads((sweep.path / "driver.json").read_text())
    parent = os.getppid()
    from trainer.runs.proc import process_start_time

    note.update(pid=parent, pid_start=process_start_time(parent))
    (sweep.path / "driver.json").write_text(json.dumps(note))
    with pytest.raises(RunError, match=f"driven by process {parent}"), hold(sweep.path):
        pass
    # From another machine only the age of its beat can tell.
    note.update(boot_id="elsewhere")
    (sweep.path / "driver.json").write_text(json.dumps(note))
    with pytest.raises(RunError, match="driven"), hold(sweep.path):
        pass
    old = time.time() - 600
    os.utime(sweep.path / "driver.json", (old, old))
    with hold(sweep.path):
        pass
