"""`make faults`: kill things at random moments and count what broke.

Every trial launches a real training run from the command line, kills one of its processes (or two)
with SIGKILL at a random moment, and checks what a person relies on:

- the status is right within five seconds;
- at most half a second of events is lost;
- every checkpoint on disk loads;
- a resume goes on at the step after its checkpoint, and ends as completed.

The seed is printed and can be given, so that a failing trial can be repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.events import EventReader
from trainer.runs.layout import RunFolder
from trainer.runs.status import TERMINAL, State, Status, read_status

VICTIMS = ("trainer", "supervisor", "launcher", "both")
STATUS_WITHIN = 5.0
LOST_AT_MOST = 0.5
STEPS = 1200
RUN = (
    "quickstart",
    "model=gpt_nano",
    f"trainer.max_steps={STEPS}",
    "trainer.save_every_n_steps=40",
    "trainer.val_check_interval=100",
    "trainer.limit_val_batches=2",
    "dataloader.batch_size=4",
    "data.max_items=40",
    "run.num_threads=1",
)
CLI = (sys.executable, "-m", "trainer.cli")


@dataclass
class Trial:
    """One kill and what came of it."""

    number: int
    victim: str
    delay: float
    wrong: list[str] = field(default_factory=list)
    status_after: float = 0.0
    lost: float = 0.0
    checkpoints: int = 0
    resumed: bool = False
    killed: bool = False
    counted: bool = False

    def check(self, holds: bool, otherwise: str) -> bool:
        """Note what is wrong unless it holds."""
        if not holds:
            self.wrong.append(otherwise)
        return holds


def wait_for(condition: Any, timeout: float, pause: float = 0.02) -> bool:
    """Wait until the condition holds, at most `timeout` seconds."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(pause)
    return bool(condition())


def events_of(run: RunFolder) -> list[Any]:
    """Read every whole event of a run."""
    reader, events = EventReader(run.events), []
    while True:
        batch = reader.poll()
        events.extend(batch.events)
        if not batch.more:
            return events


def kill(pid: int | None) -> None:
    """Kill a process, if it is still there."""
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def launch(runs_dir: Path, follow: bool) -> tuple[subprocess.Popen[str] | None, RunFolder]:
    """Launch a run from the command line, followed or detached."""
    command = [*CLI, "train", *RUN, "--json", "--runs-dir", str(runs_dir)]
    if not follow:
        done = subprocess.run([*command, "--detach"], check=True, stdout=subprocess.PIPE, text=True)
        return None, RunFolder(Path(json.loads(done.stdout)["path"]))
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )
    wait_for(lambda: any(runs_dir.glob("*/*/status.json")), 30)
    (path,) = (found.parent for found in runs_dir.glob("*/*/status.json"))
    return process, RunFolder(path)


def steps_of(events: list[Any]) -> list[int]:
    """Give the steps whose training loss stands in the stream, in order of writing."""
    return [e["step"] for e in events if e["event"] == "metrics" and "train/loss" in e["metrics"]]


def run_trial(trial: Trial, folder: Path) -> Trial:
    """Do one trial in a folder of its own."""
    process, run = launch(folder / "runs", follow=trial.victim == "launcher")
    started = wait_for(lambda: bool(read_status(run).pid), 60)
    if not trial.check(started, "the training process never started"):
        return trial
    if trial.delay >= 0:
        wait_for(lambda: any(e["event"] == "run_started" for e in events_of(run)), 90)
    time.sleep(abs(trial.delay))
    before = read_status(run)
    if before.state in TERMINAL:
        trial.check(before.state == State.COMPLETED, f"ended by itself as {before.state}")
        return trial
    trial.killed = True
    killed_at = time.time()
    if trial.victim in ("supervisor", "both"):
        kill(before.supervisor_pid)
    if trial.victim in ("trainer", "both"):
        kill(before.pid)
    if trial.victim == "launcher" and process is not None:
        process.kill()
    if trial.victim in ("trainer", "both"):
        _after_trainer_died(trial, run, killed_at)
    else:
        _after_bystander_died(trial, run)
    _load_checkpoints(trial, run)
    if process is not None:
        process.wait(timeout=60)
    return trial


def _after_trainer_died(trial: Trial, run: RunFolder, killed_at: float) -> None:
    begin = time.monotonic()
    right = wait_for(lambda: read_status(run).state in (State.KILLED, State.LOST), STATUS_WITHIN)
    trial.status_after = time.monotonic() - begin
    events = events_of(run)
    if events and events[-1]["event"] == "run_finished":
        # It had recorded its end before the kill reached it, and that end stands.
        trial.status_after = 0.0
        trial.check(read_status(run).state == State.COMPLETED, "its own end was forgotten")
        return
    trial.check(right, f"status is {read_status(run).state} after the trainer was killed")
    steps = [e for e in events if e["event"] == "metrics"]
    if len(steps) > 50 and events[-1]["event"] in ("metrics", "checkpoint"):
        # Only where steps were flowing can the gap be told from a pause before the kill.
        trial.counted = True
        trial.lost = max(0.0, killed_at - max(event["ts"] for event in steps))
        trial.check(trial.lost <= LOST_AT_MOST, f"{trial.lost:.2f} s of events lost")
    _resume(trial, run)


def _after_bystander_died(trial: Trial, run: RunFolder) -> None:
    status = read_status(run)
    alive = status.state in (State.RUNNING, State.STARTING, State.COMPLETED)
    trial.check(alive, f"status is {status.state} though the trainer lives")

    def ended() -> bool:
        return read_status(run).state in TERMINAL

    trial.check(wait_for(ended, 180, 0.2), "never ended")
    status = read_status(run)
    trial.check(status.state == State.COMPLETED, f"ended as {status.state}: {status.reason}")
    steps = steps_of(events_of(run))
    trial.check(steps == list(range(1, STEPS + 1)), "steps are missing or repeated")


def _resume(trial: Trial, run: RunFolder) -> None:
    last = run.checkpoints / "last.ckpt"
    expected = _load(last)["global_step"] if last.exists() else 0
    before = len(events_of(run))
    done = subprocess.run(
        [*CLI, "resume", run.id, "--json", "--runs-dir", str(run.path.parent.parent)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if not expected:
        # Killed before its first checkpoint: there is nothing to resume, and it says so.
        trial.check(done.returncode == 2, f"resume of nothing: exit {done.returncode}")
        return
    if not trial.check(
        done.returncode == 0, f"resume: exit {done.returncode} {done.stderr[-300:]}"
    ):
        return
    trial.resumed = expected > 0
    steps = steps_of(events_of(run)[before:])
    trial.check(
        steps == list(range(expected + 1, STEPS + 1)),
        f"resumed at step {steps[0] if steps else None}, expected {expected + 1}",
    )
    status: Status = read_status(run)
    trial.check(status.state == State.COMPLETED, f"resumed run ended as {status.state}")


def _load(path: Path) -> Any:
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


def _load_checkpoints(trial: Trial, run: RunFolder) -> None:
    for path in run.checkpoints.glob("*.ckpt"):
        trial.checkpoints += 1
        try:
            _load(path)
        except Exception as error:
            trial.check(False, f"{path.name} does not load: {error}")


def make_trials(count: int, seed: int) -> list[Trial]:
    """Draw the trials; a negative delay means a moment during start-up."""
    rng = random.Random(seed)
    return [
        Trial(
            number,
            VICTIMS[number % len(VICTIMS)],
            -rng.uniform(0, 3) if rng.random() < 0.15 else rng.uniform(0, 4.5),
        )
        for number in range(count)
    ]


def main() -> int:
    """Run the trials, two at a time, and print the count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.trials} trials", flush=True)
    trials = make_trials(options.trials, options.seed)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:

        def go(trial: Trial) -> Trial:
            place = Path(folder) / str(trial.number)
            place.mkdir()
            try:
                return run_trial(trial, place)
            except Exception as error:
                trial.wrong.append(f"the trial itself failed: {error!r}")
                return trial

        with ThreadPoolExecutor(options.jobs) as pool:
            for trial in pool.map(go, trials):
                verdict = "; ".join(trial.wrong) or "ok"
                print(
                    f"{trial.number:4} {trial.victim:<10} {trial.delay:+.2f} s  "
                    f"lost {trial.lost:.2f} s  checkpoints {trial.checkpoints}  {verdict}",
                    flush=True,
                )
    bad = [trial for trial in trials if trial.wrong]
    killed = Counter(trial.victim for trial in trials if trial.killed)
    print(f"\n{len(trials)} trials: {len(trials) - len(bad)} right, {len(bad)} wrong")
    early = sum(not trial.killed for trial in trials)
    print(f"had ended before the kill, and prove nothing: {early}")
    print("killed: " + ", ".join(f"{victim} {count}" for victim, count in killed.items()))
    print(f"longest until the status was right: {max(t.status_after for t in trials):.2f} s")
    counted = [trial.lost for trial in trials if trial.counted]
    print(
        f"most events lost: {max(counted, default=0):.2f} s, over {len(counted)} kills in full flow"
    )
    print(f"checkpoints loaded: {sum(t.checkpoints for t in trials)}")
    print(f"resumed from a checkpoint: {sum(t.resumed for t in trials)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
