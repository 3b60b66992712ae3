"""Best values, means over seeds, and the time that is left."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.runs.status import State
from trainer.sweeps import drive, results
from trainer.sweeps.best import Best
from trainer.sweeps.folder import Sweep
from trainer.sweeps.trials import TrialState

from .conftest import Lab


def event(step: object, **metrics: object) -> str:
    return json.dumps({"event": "metrics", "step": step, "metrics": metrics}) + "\n"


def test_the_best_value_is_followed_while_the_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    low, high = Best(str(path), "m", "min"), Best(str(path), "m", "max")
    assert low.look() == (None, None)
    path.write_text(event(1, m=3.0) + event(2, other=0.0) + event(3, m=1.0) + event(4, m=2.0)[:-9])
    assert (low.look(), high.look()) == ((1.0, 3), (3.0, 1))
    with path.open("a") as file:
        file.write(event(4, m=2.0)[-9:] + event(5, m="NaN") + event(6, m=None) + "m" * 50 + '"m"\n')
        file.write(event("x", m=-5.0) + event(7, m=0.5))
    assert (low.look(), high.look()) == ((0.5, 7), (3.0, 1))


def test_what_a_resume_repeats_counts_as_it_was_repeated(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(event(step, m=value) for step, value in [(1, 5.0), (2, 1.0), (3, 2.0)]))
    best = Best(str(path), "m", "min")
    assert best.look() == (1.0, 2)
    with path.open("a") as file:
        file.write(event(2, m=4.0))
    assert best.look() == (4.0, 2)
    # Another file in its place is read from the beginning.
    path.unlink()
    path.write_text(event(1, m=9.0))
    assert best.look() == (9.0, 1)


def test_means_and_spreads_are_over_seeds_and_the_best_stands_first(
    made: Callable[..., Sweep], lab: Lab
) -> None:
    sweep = made("optimizer.config.lr=1e-3,3e-3,5e-3", seeds=(0, 1))
    lab.ends = {6: State.FAILED}
    drive.run(sweep, launcher=lab, poll=0.001)
    table = results.table(sweep)
    assert [row.value for row in table.rows] == [1 / n for n in range(1, 7)]
    assert [row.seconds for row in table.rows[:3]] == [10.0, 20.0, 30.0]
    # The value of a trial that failed counts nowhere: 1/5 alone, then the mean of 1/3 and 1/4.
    assert [group.n for group in table.groups] == [1, 2, 2]
    assert table.groups[0].mean == 1 / 5
    assert table.groups[0].spread is None
    assert table.groups[1].mean == pytest.approx((1 / 3 + 1 / 4) / 2)
    assert table.groups[1].spread == pytest.approx(abs(1 / 3 - 1 / 4) / math.sqrt(2))
    assert table.best is not None
    assert table.best.trial == 5
    upwards = results.table(made("optimizer.config.lr=1e-3,3e-3", goal="max"))
    assert upwards.goal == "max"
    assert upwards.best is None


def test_the_time_left_comes_from_what_has_ended() -> None:
    done = TrialState(1, "a", state=State.COMPLETED, seconds=100.0)
    half = TrialState(2, "b", state=State.RUNNING, progress=0.5)
    wait = [TrialState(number, "w") for number in (3, 4)]
    assert results.remaining([done, half, *wait], 1) == 250.0
    assert results.remaining([done, half, *wait], 2) == 125.0
    assert results.remaining([half, *wait], 1) is None
    assert results.remaining([done], 1) == 0.0
