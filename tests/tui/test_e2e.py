"""The whole way in a terminal, by keyboard: launch, watch, kill the app, come back, stop, resume."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tmuxlab import Tmux, needs_tmux

from trainer.runs.layout import RunFolder
from trainer.runs.status import State, Status, read_status

pytestmark = [needs_tmux, pytest.mark.slow]

# The quickstart, small enough for a test, and long enough to be stopped by hand.
SMALL = (
    "quickstart",
    "model=gpt_nano",
    "model.dim=16",
    "model.context=32",
    "data.max_items=12",
    "dataloader.batch_size=4",
    "trainer.val_check_interval=100",
    "trainer.limit_val_batches=2",
    "trainer.max_steps=3000",
    "run.num_threads=1",
)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    folder = tmp_path / "project"
    folder.mkdir()
    terminal = Tmux(folder)
    yield terminal
    for run in runs(terminal):
        status = read_status(run)
        if status.alive and status.pid:
            os.kill(status.pid, signal.SIGKILL)
    terminal.close()


def runs(tmux: Tmux) -> list[RunFolder]:
    return [RunFolder(path.parent) for path in sorted(tmux.folder.glob("runs/*/*/run.json"))]


def until_state(run: RunFolder, *wanted: State, seconds: float = 60) -> Status:
    end = time.monotonic() + seconds
    while (status := read_status(run)).state not in wanted:
        assert time.monotonic() < end, f"{status}\n{run.output.read_text()[-2000:]}"
        time.sleep(0.05)
    return status


def losses(run: RunFolder) -> list[float]:
    found = []
    for line in run.events.read_text().splitlines():
        metrics = json.loads(line).get("metrics")
        if isinstance(metrics, dict) and isinstance(metrics.get("train/loss"), float):
            found.append(metrics["train/loss"])
    return found


def shown_loss(screen: str) -> float:
    found = re.search(r"loss +train ([\d.]+)", screen)
    assert found is not None, screen
    return float(found[1])


def at_the_prompt(screen: str) -> bool:
    return screen.rstrip().endswith(("$", "#"))


def launch(tmux: Tmux) -> RunFolder:
    """From the list of runs to the Monitor, by keys alone."""
    tmux.run()
    tmux.until("No runs yet")
    tmux.keys("n")
    tmux.until("ready to start")
    tmux.keys("3")
    for word in SMALL:
        tmux.type(word)
        tmux.keys("Enter")
    tmux.until(rf"overrides \({len(SMALL)}\)(?s:.*)ready to start")
    tmux.keys("C-l")
    tmux.until(r"▶ running", seconds=120)
    (run,) = runs(tmux)
    return run


def app_pid(tmux: Tmux, run: RunFolder) -> int:
    """The pid of the app in this terminal: neither the trainer nor the supervisor."""
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    status = read_status(run)
    for line in listing.stdout.splitlines():
        pid, args = line.strip().split(None, 1)
        if "trainer.cli" in args and int(pid) not in (status.pid, status.supervisor_pid):
            try:
                if Path(f"/proc/{pid}/cwd").resolve() == tmux.folder.resolve():
                    return int(pid)
            except OSError:
                continue
    pytest.fail("the app is not there")


def test_launch_watch_kill_the_app_come_back_stop_and_resume(tmux: Tmux) -> None:
    run = launch(tmux)
    first = shown_loss(tmux.until(r"loss +train [\d.]+"))
    tmux.until(lambda screen: shown_loss(screen) < first - 0.3, seconds=90)

    os.kill(app_pid(tmux, run), signal.SIGKILL)
    at = len(losses(run))
    tmux.keys("Enter")
    tmux.type("stty sane; clear")
    tmux.keys("Enter")
    end = time.monotonic() + 30
    while len(losses(run)) <= at + 20:
        assert time.monotonic() < end, "training was hurt by the death of the app"
        time.sleep(0.05)

    tmux.run()
    tmux.until(r"▶ running +quickstart")
    tmux.keys("Enter")
    tmux.until(r"▶ running(?s:.*)loss +train")
    tmux.keys("s")
    tmux.until(r"Stop quickstart")
    tmux.keys("y")
    status = until_state(run, State.STOPPED)
    assert status.progress.step is not None
    assert (run.checkpoints / "last.ckpt").exists()
    tmux.until("■ stopped")

    tmux.keys("R")
    tmux.until("Resume")
    tmux.keys("y")
    tmux.until(r"▶ running", seconds=90)
    status = until_state(run, State.COMPLETED, seconds=120)
    assert status.attempt == 2
    tmux.until("✓ completed")
    # Every step once, although it was stopped on the way.
    steps = [
        event["step"]
        for event in map(json.loads, run.events.read_text().splitlines())
        if event["event"] == "metrics" and "train/loss" in event["metrics"]
    ]
    assert steps == list(range(1, 3001))

    tmux.keys("C-q")
    tmux.until(at_the_prompt)


def test_train_opens_the_monitor_and_leaving_leaves_the_run(tmux: Tmux) -> None:
    tmux.run("train", *SMALL, "trainer.max_steps=100000")
    tmux.until(r"▶ running", seconds=120)
    (run,) = runs(tmux)
    tmux.keys("q")
    screen = tmux.until("the run goes on")
    assert f"traindeck watch {run.id}" in screen
    at = read_status(run).progress.step or 0
    end = time.monotonic() + 30
    while (read_status(run).progress.step or 0) <= at:
        assert time.monotonic() < end
        time.sleep(0.1)

    # Suspended and brought back, resized: whole.
    tmux.run("watch", run.id)
    tmux.until(r"▶ running")
    tmux.keys("C-z")
    tmux.until("Stopped")
    tmux.type("fg")
    tmux.keys("Enter")
    tmux.until(r"▶ running(?s:.*)loss +train")
    tmux.resize(60, 18)
    tmux.until(r"▶ running(?s:.*)loss +train")
    tmux.resize(120, 40)
    tmux.until(r"▶ running(?s:.*)loss +train(?s:.*)grad norm")

    # The terminal goes (TERM here, HUP when SSH drops): the shell is whole, the run untouched.
    os.kill(app_pid(tmux, run), signal.SIGTERM)
    tmux.until(at_the_prompt)
    tmux.type("echo whole-$((40+2))")
    tmux.keys("Enter")
    tmux.until("whole-42")
    assert read_status(run).state == State.RUNNING
