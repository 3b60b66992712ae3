"""A run that stands still is ended where that is asked for; a resumed one is not taken for ill."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import torch

from trainer.config.schema_health import Health
from trainer.engine.fit import fit
from trainer.engine.health.guard import HealthGuard
from trainer.engine.session import NoEvents, Session
from trainer.runs import control, launch, manage
from trainer.runs.layout import RunFolder

# Stands still in its sixth step, under a supervisor, watched as a training is.
HANGS = """
import sys, time
from pathlib import Path
from trainer.config.schema_health import Health
from trainer.engine.health.guard import HealthGuard
from trainer.engine.session import NoEvents, Session
from trainer.runs.beat import TrainerBeat

beat = TrainerBeat(sys.argv[1]).start()
beat.progress(step=6)
session = Session(folder=Path(sys.argv[1]), config={}, events=NoEvents(), beat=beat)
guard = HealthGuard(
    session,
    Health(per_kind={"stall": sys.argv[2]}, stall_seconds=0.2, stall_first_seconds=0.2),
)
guard.start(lambda: (1.0, 6, "training"))
time.sleep(float(sys.argv[3]))
guard.close()
beat.end("completed", "it went on", 0)
"""


class Beat:
    def __init__(self, supervised: bool) -> None:
        self.supervised = supervised
        self.told: list[str] = []

    def stopping(self, why: str) -> None:
        self.told.append(why)


def stalled(folder: Path, supervised: bool, action: str, seconds: float) -> Session:
    """Stand still for so long and longer than three times the limit."""
    session = Session(folder=folder, config={}, events=NoEvents(), beat=Beat(supervised))
    settings = Health(per_kind={"stall": action}, stall_seconds=0.05, stall_first_seconds=0.05)
    guard = HealthGuard(session, settings)
    guard.start(lambda: (1.0, 6, "training"))
    deadline = time.monotonic() + (60 if seconds == 0 else seconds)
    while time.monotonic() < deadline and not (seconds == 0 and control.pending(folder)):
        time.sleep(0.01)
    guard.close()
    return session


def test_stop_asks_for_a_checkpoint_first_and_the_supervisor_to_kill_it_later(tmp_path):
    session = stalled(tmp_path, supervised=True, action="stop", seconds=0)
    asked = session.requests.stop_asked
    assert (asked.after, asked.reason, asked.failed) == ("step", "stall at step 6", True)
    request = control.pending(tmp_path)[0]
    assert request.kind == "kill"
    assert request.reason.startswith("No sign of life for ")


@pytest.mark.parametrize(("supervised", "action"), [(False, "stop"), (True, "warn")])
def test_nobody_is_asked_to_kill_where_nobody_listens_or_it_was_not_wanted(
    tmp_path, supervised, action
):
    stalled(tmp_path, supervised, action, seconds=0.5)
    assert control.pending(tmp_path) == []


def test_the_supervisor_ends_a_run_that_stands_still(make_run, tmp_path):
    script = tmp_path / "hangs.py"
    script.write_text(HANGS)
    run = make_run(argv=[sys.executable, str(script), "{run}", "stop", "600"])
    launch.start(run)
    status = manage.wait(run, timeout=120)
    assert status.state == "killed", status
    assert status.reason.startswith("No sign of life for ")
    assert control.pending(RunFolder(run.path)) == []


@pytest.mark.parametrize("resumes", [2, 4])
def test_a_healthy_run_that_is_resumed_raises_nothing_and_forgets_nothing(lab, events, resumes):
    # Sensitive, so that a beginning or a best that is forgotten on resuming would be seen.
    settings = {"health.divergence_rise": 0.5, "health.validations": 1, "trainer.max_epochs": 2}
    folder = lab(**settings)
    assert fit(folder) == 0
    for attempt in range(1, resumes):
        lab(**settings | {"trainer.max_epochs": 2 + 2 * attempt, "run.resume": "auto"})
        assert fit(folder) == 0
    assert events(folder, "alert") == []
    losses = [
        e["metrics"]["train/loss"]
        for e in events(folder, "metrics")
        if "train/loss" in e["metrics"]
    ]
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    (saved,) = [s["health"] for s in state["callbacks"].values() if "health" in s]
    assert saved["level"]["first"] == pytest.approx(losses[0])
    assert saved["level"]["count"] == len(losses) == 22 * resumes
