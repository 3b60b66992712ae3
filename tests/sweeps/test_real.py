"""A sweep of real trainings whose driver and trials are killed, interrupted and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.runs.layout import RunFolder
from trainer.runs.manage import find_checkpoint
from trainer.sweeps.folder import Sweep, find
from trainer.sweeps.trials import TrialState

pytest.importorskip("torch")

HERE = Path(__file__).parent
PATIENCE = 400.0
SWEEP = (
    "trainer=defaults",
    "data=gated",
    "model=net",
    "loss=plain",
    "callbacks=none",
    "logger=none",
    "ablation.diagnostics=[]",
    "trainer.max_epochs=8",
    "trainer.save_every_n_epochs=1",
    "dataloader.batch_size=4",
    "run.num_threads=1",
    "optimizer.config.lr=1e-2,1e-3",
    "seed=0,1",
)
PROFILES = {
    "data/gated.yaml": "# D.\n_target_: sweeplab.gated.GatedData\n",
    "model/net.yaml": "# M.\n_target_: enginelab.tiny.Net\n",
    "loss/plain.yaml": "# L.\n_target_: enginelab.tiny.Loss\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with the tiny recipe."""
    for name, text in PROFILES.items():
        file = tmp_path / "profiles" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    settings = tmp_path / "home" / "traindeck" / "settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("allowed_prefixes: [enginelab, sweeplab]\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{HERE.parent / 'engine'}")
    monkeypatch.setenv("TRAINDECK_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "trainer.cli", "ablate", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(what: str, holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def saved(trial: TrialState) -> bool:
    """Whether it trains and has something to go on from."""
    return bool(
        trial.run
        and trial.state == "running"
        and (trial.step or 0) > 11
        and find_checkpoint(RunFolder(trial.run))
    )


def kill_whole(run: Path) -> None:
    """Kill a trial with its supervisor, as the kernel would."""
    for name, key in (("status.json", "supervisor_pid"), ("status.json", "pid")):
        os.kill(json.loads((run / name).read_text())[key], signal.SIGKILL)


def attempts(sweep: Sweep) -> list[int]:
    return [trial.attempt for trial in sweep.trials()]


def test_whatever_is_killed_a_resume_finishes_what_is_missing(folder: Path) -> None:
    driver = start("-m", *SWEEP, "--parallel", "2", "--name", "lab")
    runs = folder / "runs"
    until("the sweep is made", lambda: list(runs.glob("*/*/sweep.json")))
    sweep = find(runs, "last")
    until("two train", lambda: all(saved(trial) for trial in sweep.trials()[:2]))

    driver.kill()
    driver.communicate()
    second = sweep.trials()[1].run
    assert second is not None
    kill_whole(second)
    until("it is lost", lambda: sweep.trials()[1].state == "lost")
    before = sweep.trials()[1].step

    driver = start("--resume", "lab", "--interval", "0.2")
    until("it goes on", lambda: sweep.trials()[1].attempt == 2 and saved(sweep.trials()[1]))
    refused = start("--resume", "last")
    said, _ = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 2
    assert f"driven by process {driver.pid}" in said
    driver.send_signal(signal.SIGINT)
    said, _ = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 130, said
    assert "1/4  runs already  lab-1" in said
    assert "2/4  goes on  lab-2" in said
    assert f"next    traindeck ablate --resume {sweep.id}" in said
    assert [str(trial.state) for trial in sweep.trials()] == ["stopped"] * 2 + ["waiting"] * 2

    (folder / "gate").touch()
    driver = start("--resume", sweep.id)
    said, _ = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, said
    trials = sweep.trials()
    assert [str(trial.state) for trial in trials] == ["completed"] * 4
    assert attempts(sweep) == [2, 3, 1, 1]
    assert len({trial.step for trial in trials}) == 1
    assert trials[1].run == second
    assert len(list(runs.glob("*/*/run.json"))) == 4
    assert "2/2" in said
    # It went on from where it was, not from the beginning.
    assert before is not None
    started = [
        event["step"]
        for event in map(json.loads, RunFolder(second).events.read_text().splitlines())
        if event["event"] == "run_started"
    ]
    assert len(started) == 3
    assert started[1] > 0
    seeds = [yaml.safe_load(RunFolder(t.run).config.read_text())["seed"] for t in trials if t.run]
    assert seeds == [0, 1, 0, 1]

    again = start("--resume", "last", "--json")
    said, _ = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0
    events = [json.loads(line) for line in said.splitlines()]
    assert [event["event"] for event in events] == ["resumed", "ended"]
    assert attempts(sweep) == [2, 3, 1, 1]
    assert [group["n"] for group in events[-1]["results"]] == [2, 2]
