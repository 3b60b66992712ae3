"""`--clamp` in a sweep: each trial keeps to its hardware, and what that changes is told everywhere."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.errors import ConfigError
from trainer.sweeps import drive, leaderboard, plan, results
from trainer.sweeps.clamped import ranges
from trainer.sweeps.folder import Sweep

from .conftest import Lab

LIMITS = ["quickstart", "hardware.max_batch_size=16", "hardware.max_sequence_length=64"]
BATCHES = "dataloader.batch_size=8,32,64"
CONTEXTS = "data.context=128,64"


def typed(words: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def checked(*overrides: str, **options: Any) -> plan.Plan:
    return plan.check(plan.make([*LIMITS, *overrides], clamp=True, **options))[0]


def test_without_it_all_that_is_beyond_a_limit_is_refused_in_one_message() -> None:
    with pytest.raises(ConfigError) as caught:
        plan.check(plan.make([*LIMITS, BATCHES, CONTEXTS], seeds=(0, 1)))
    texts = [str(problem) for problem in caught.value.problems]
    assert len(texts) == 3
    assert any(text.startswith("trials 1, 2, 5, 6, 9, 10: override data.con") for text in texts)
    assert any(text.startswith("trials 5-8: override dataloader.batch_size=32") for text in texts)
    assert all("`--clamp`" in text for text in texts)


def test_each_trial_is_lowered_and_keeps_its_factors() -> None:
    planned = checked("data.context=64", BATCHES)
    assert [trial.factors for trial in planned.trials] == [
        {"dataloader.batch_size": size} for size in (8, 32, 64)
    ]
    assert planned.trials[0].clamped == ()
    last = {each.key: (each.old, each.new) for each in planned.trials[2].clamped}
    assert last["dataloader.batch_size"] == (64, 16)
    assert last["trainer.accumulate_grad_batches"] == (1, 4)
    assert planned.notes[-1].endswith("lowers 2 trials of 3 to the hardware's limits: 2, 3")
    assert len({trial.config_hash for trial in planned.trials}) == 3


def test_trials_that_become_the_same_are_trained_once() -> None:
    planned = checked("dataloader.batch_size=8,32", CONTEXTS)
    # The one that asks for what it gets stays, though it came second.
    assert [trial.factors["data.context"] for trial in planned.trials] == [64, 64]
    assert [trial.number for trial in planned.trials] == [1, 2]
    assert planned.trials[1].name == "quickstart-2 batch_size=32 context=64"
    assert planned.trials[0].stands_for == ({"dataloader.batch_size": 8, "data.context": 128},)
    assert any("stands for batch_size=32, context=128" in note for note in planned.notes)
    with pytest.raises(ConfigError, match="nothing varies"):
        checked(CONTEXTS, seeds=(0, 1))
    # What was the same before is left as it is.
    twice = plan.check(plan.make(["quickstart", "run.name=a,b"], clamp=True))[0]
    assert len(twice.trials) == 2


def test_the_baseline_stands_for_what_becomes_the_baseline() -> None:
    planned = checked("data.context=64,128", BATCHES, mode="one_at_a_time")
    assert planned.trials[0].factors == {}
    assert planned.trials[0].stands_for == ({"data.context": 64}, {"data.context": 128})


@pytest.fixture
def swept(made: Callable[..., Sweep], lab: Lab) -> Sweep:
    sweep = made(*LIMITS[1:], "data.context=64", BATCHES, clamp=True)
    lab.ends[3] = None
    drive.run(sweep, 3, lab, asked=lambda: "leave" if lab.running else "", poll=0.01)
    return sweep


def test_trials_train_what_was_planned_also_when_it_is_resumed(
    swept: Sweep, lab: Lab, project: Path
) -> None:
    again = Sweep.load(swept.path)
    assert again.clamp
    assert again.planned == swept.planned
    assert drive.changed(again, [1, 2, 3]) == []
    runs = {trial.number: trial.run for trial in again.trials()}
    assert runs[2] is not None
    config = drive.compose_trial(again, again.planned[1])
    assert config.config["dataloader"]["batch_size"] == 16
    written = (runs[2] / "config.yaml").read_text()
    assert "batch_size: 16" in written
    identity = json.loads((runs[2] / "run.json").read_text())
    assert "--clamp" in identity["command"]


def test_the_leaderboard_tells_what_was_clamped(swept: Sweep) -> None:
    board = leaderboard.gather(swept, curves=False)
    found = {row.trial: row.clamped for row in board.table.rows}
    assert found[1] == ""
    assert "batch_size 32 → 16" in found[2]
    assert "accumulate_grad_batches 1 → 2" in found[2]
    assert "| trials | clamped | remarks |" in leaderboard.markdown(board)
    assert "batch_size 32 → 16" in leaderboard.markdown(board).replace("\\", "")
    rows = list(csv.DictReader(leaderboard.table_csv(board).splitlines()))
    assert {row["trial"]: row["clamped"] for row in rows}["1"] == ""
    assert any("2, 3" in note for note in board.effects.notes)
    from trainer.sweeps.page import page

    assert "batch_size 32 → 16" in page(board)


def test_the_app_tells_it_of_the_trial_under_the_cursor(swept: Sweep) -> None:
    from tui.screens.sweep.facts import about

    first, second, _ = swept.trials()
    assert not any("clamped" in part for part in about(first, swept.metric))
    assert "batch_size 32 → 16" in about(second, swept.metric)[-1]


def test_a_sweep_without_it_has_no_such_column(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made("trainer.max_epochs=1,2")
    drive.run(sweep, 1, lab, poll=0.01)
    assert not results.table(sweep).clamped
    assert "clamped" not in leaderboard.markdown(leaderboard.gather(sweep, curves=False))


@pytest.mark.parametrize("command", [["ablate"], ["train", "-m"]])
def test_the_commands_show_the_diff_trial_by_trial(
    project: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*command, *LIMITS, "data.context=64", BATCHES, "--clamp", "--dry-run"]
    assert typed(words) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "2 ~ dataloader.batch_size 32 → 16 clamped from 32 by hardware.max_batch_size" in lines
    assert typed([*words, "--json"]) == 0
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert [each["key"] for each in trials[0]["clamped"]] == []
    assert {"old": 64, "new": 16} in [
        {"old": each["old"], "new": each["new"]} for each in trials[2]["clamped"]
    ]


def test_what_a_sweep_is_resumed_with_is_settled(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(["ablate", "--resume", "last", "--clamp"]) == 2
    assert "--clamp is settled when a sweep begins" in capsys.readouterr().err


def test_numbers_are_written_in_short() -> None:
    assert ranges([9, 1, 3, 4, 5, 6]) == "1, 3-6, 9"
    assert ranges([1, 2]) == "1, 2"
