"""Sweeps made by hand: planned by the real planner, with runs that only say that they trained."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuilab import make_run

from trainer.runs import proc
from trainer.runs.layout import write_json_atomic
from trainer.sweeps import folder, plan
from trainer.sweeps.folder import Sweep

TWO_AXES = ("quickstart", "optimizer.config.lr=1e-3,3e-3,1e-2", "model.dropout=0.0,0.1")


def make_sweep(runs_dir: Path, *words: str, name: str = "night", **options: Any) -> Sweep:
    """Make the folder of a sweep; nothing of it has begun."""
    planned = plan.make(words or TWO_AXES, name=name, cwd=runs_dir.parent, **options)
    planned, _ = plan.check(planned)
    command = ["traindeck", "ablate", "-m", *(words or TWO_AXES)]
    return folder.create(planned, runs_dir=runs_dir, name=name, command=command)


def make_trial(
    sweep: Sweep,
    number: int,
    state: str = "completed",
    value: float | None = 0.5,
    *,
    step: int = 100,
    reason: str = "",
    **more: Any,
) -> Path:
    """Write the run of a trial; one that lives seems to be this process."""
    events = []
    if value is not None:
        metrics: Mapping[str, float] = {sweep.metric: value}
        events = [{"ts": time.time(), "event": "metrics", "step": step, "metrics": metrics}]
    run = make_run(
        sweep.runs_dir,
        f"night-{number}",
        run_id=f"t{number:03d}aaa",
        state=state,
        created=time.time(),
        step=step,
        reason=reason,
        events=events,
        parent={"sweep": sweep.id, "trial": str(number)},
        **more,
    )
    return run.path


def drive(sweep: Sweep, *, stopping: bool = False) -> None:
    """Let this process seem to drive a sweep."""
    record = {
        "pid": os.getpid(),
        "pid_start": proc.process_start_time(os.getpid()),
        "boot_id": proc.boot_id(),
        "host": proc.host_name(),
        "since": time.time(),
        "stopping": stopping,
    }
    write_json_atomic(sweep.path / "driver.json", record, sync=False)
