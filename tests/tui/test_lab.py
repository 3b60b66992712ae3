"""What the lab makes is what the rooms below read."""

from __future__ import annotations

from pathlib import Path

from tuilab import make_run, training

from trainer.events.series import RunSeries
from trainer.runs.index import RunIndex


def test_made_runs_are_listed_with_their_states(runs_dir: Path) -> None:
    make_run(runs_dir, "done", events=training(120, end="completed"), overrides=["quickstart"])
    make_run(runs_dir, "busy", state="running", created=1772366000.0)
    states = {run.name: run.state for run in RunIndex(runs_dir).list()}
    assert states == {"done": "completed", "busy": "running"}


def test_made_events_are_read_whole(runs_dir: Path) -> None:
    run = make_run(runs_dir, events=training(120, end="completed"))
    series = RunSeries(run.events)
    series.poll()
    assert series.latest("train/loss") is not None
    assert series.view.finished is not None
