"""What is done before the first step and after the last one stands in the status and the events."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from trainer.commands.runs import _cells
from trainer.engine import phase
from trainer.engine.phase import Pace, heard_by, telling
from trainer.engine.session import Session
from trainer.runs.beat import TrainerBeat
from trainer.runs.status import Progress
from trainer.runs.summary import RunSummary


def test_a_word_is_an_event_and_stands_in_the_status_until_the_block_ends(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    stood: list[str] = []
    events: Any = SimpleNamespace(log=lambda level, text: said.append((level, text)))
    beat: Any = SimpleNamespace(phase=stood.append)
    with heard_by(Session(tmp_path, {}, events, beat=beat)), telling(print) as tell:
        tell("preparing: base model")
    assert said == [("info", "preparing: base model")]
    assert stood == ["preparing: base model", ""]


def test_where_no_run_is_it_is_told_otherwise() -> None:
    said: list[str] = []
    with telling(said.append) as tell:
        tell("preparing")
    assert said == ["preparing"]


def test_a_pace_tells_how_far_and_how_long(monkeypatch: Any) -> None:
    now = [100.0]
    monkeypatch.setattr(phase.time, "monotonic", lambda: now[0])
    said: list[str] = []
    pace = Pace("preparing: base model, step", 800, said.append)
    for seconds, done in ((5, 50), (10, 100), (12, 120), (20, 200), (80, 800)):
        now[0] = 100.0 + seconds
        pace.at(done)
    assert said == [
        "preparing: base model, step 100 of 800, ETA 1:10",
        "preparing: base model, step 200 of 800, ETA 1:00",
    ]


def test_the_status_keeps_it_and_lets_it_go(tmp_path: Path) -> None:
    from trainer.runs.layout import read_json
    from trainer.runs.status import parse

    beat = TrainerBeat(tmp_path)
    for text in ("evaluating: sample 3 of 8", ""):
        beat.phase(text)
        beat._write()
        assert parse(read_json(tmp_path / "status.trainer.json")).progress.phase == text


def test_runs_shows_it_while_the_run_lives(tmp_path: Path) -> None:
    def step(state: str) -> str:
        progress = Progress(step=4, total_steps=8, phase="evaluating")
        row = RunSummary("a", "a", str(tmp_path), state, progress=progress)
        return _cells(row, 0.0)[3]

    assert step("running") == "evaluating"
    assert step("completed") == "4/8"
