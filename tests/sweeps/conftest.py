"""Sweeps over a recipe that trains nothing, driven by launchers that only write what runs write."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.commands import ablate_board
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.status import State
from trainer.sweeps import folder, plan
from trainer.sweeps.diagnostics import Drawn
from trainer.sweeps.folder import Sweep


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder of one's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def made(project: Path) -> Callable[..., Sweep]:
    """Make the folder of a sweep over the quickstart."""

    def make(*overrides: str, parallel: int = 1, **options: Any) -> Sweep:
        planned = plan.make(["quickstart", *overrides], parallel=parallel, **options)
        planned, _ = plan.check(planned)
        return folder.create(planned, runs_dir=project / "runs", name="night")

    return make


class Lab:
    """A launcher that keeps count, and ends each run as it is told to.

    Attributes:
        started: The numbers of the trials started, in order.
        ends: How the trials end, by number; "completed" if not named, `None` to go on running.
    """

    def __init__(self) -> None:
        self.started: list[int] = []
        self.ends: dict[int, State | None] = {}
        self.running: dict[int, RunFolder] = {}

    def __call__(self, run: RunFolder) -> None:
        number = int(run.identity()["parent"]["trial"])
        self.started.append(number)
        end = self.ends.get(number, State.COMPLETED)
        if end is None:
            # As long as this process lives, its supervisor seems to.
            write(run, State.RUNNING)
            self.running[number] = run
        else:
            self.finish(run, end)

    def finish(self, run: RunFolder, state: State) -> None:
        """End a run."""
        number = int(run.identity()["parent"]["trial"])
        self.running.pop(number, None)
        write(run, state, reason="" if state == State.COMPLETED else "a reason", took=10.0 * number)
        told(run, [(10, 1.0 / number), (20, 2.0)])


def write(run: RunFolder, state: State, *, reason: str = "", took: float = 1.0) -> None:
    """Write a run's status as its supervisor would."""
    record = read_json(run.status)
    record.update(writer="supervisor", state=state, reason=reason, started=1000.0)
    if state not in (State.RUNNING, State.STOPPING):
        record["ended"] = 1000.0 + took
    write_json_atomic(run.status, record, sync=False)


def told(run: RunFolder, values: list[tuple[int, float]]) -> None:
    """Append validations to a run's events."""
    run.logs.mkdir(exist_ok=True)
    with run.events.open("a") as file:
        for step, value in values:
            event = {"v": 1, "event": "metrics", "step": step, "metrics": {"val/loss": value}}
            file.write(json.dumps(event) + "\n")


def checkpoint(run: RunFolder) -> None:
    """Give a run a checkpoint that looks whole."""
    with zipfile.ZipFile(run.checkpoints / "last.ckpt", "w") as archive:
        archive.writestr("data", "x")


@pytest.fixture
def lab() -> Lab:
    """A launcher that keeps count."""
    return Lab()


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds; its own tests do it."""
    monkeypatch.setattr(ablate_board, "plots_at_end", lambda *_: Drawn())
