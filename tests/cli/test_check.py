"""`traindeck check repro` as a person would type it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from trainer.runs.layout import RunFolder, read_json, write_json_atomic


@pytest.fixture
def twin(shared_deck: Any, finished: RunFolder, tmp_path: Path) -> RunFolder:
    """Give a copy of the finished run under an id of its own, outside of the list of runs."""
    folder = tmp_path / "twin"
    shutil.copytree(finished.path, folder, symlinks=True)
    run = RunFolder(folder)
    write_json_atomic(run.run_json, {**run.identity(), "id": "twin"})
    return run


def test_a_finished_run_passes(shared_deck: Any, finished: RunFolder) -> None:
    out = shared_deck("check", "repro", "shared").stdout
    assert f"reproducibility of run {finished.id}  shared" in out
    for part in ("1 the seed is fixed", "5 the versions", "packages, with hashes"):
        assert part in out
    assert "not ok" not in out
    assert "a repetition here and now" in out
    told = json.loads(shared_deck("check", "repro", finished.id, "--json").stdout)
    assert (told["kind"], told["ok"]) == ("run", True)
    # Who works on traindeck itself may change it between a run and its check.
    assert set(told["changed"]) <= {"code: traindeck itself is another one"}
    marks = {point["key"]: point["mark"] for point in told["points"]}
    assert marks["environment"] == marks["threads"] == "ok"
    seen = read_json(finished.environment_seen)["seen"]
    assert seen[0]["differs"] == []


def test_what_would_be_launched_is_checked_too(shared_deck: Any) -> None:
    assert "42, for all random generators" in shared_deck("check", "repro", "quickstart").stdout
    out = shared_deck("check", "repro", "quickstart", "seed=null").stdout
    assert "the launch draws one" in out
    done = shared_deck(
        *("check", "repro", "trainer.devices=2", "trainer.accelerator=cpu", "--json"), code=1
    )
    told = json.loads(done.stdout)
    assert (told["kind"], told["ok"]) == ("config", False)
    (point,) = [p for p in told["points"] if p["mark"] == "not ok"]
    assert point["key"] == "determinism"
    assert "trainer.deterministic=true" in point["remedy"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["quickstrat"], "quickstart"),
        (["no-such-thing"], "no run in"),
        (["trainer.max_epochz=3"], "max_epochs"),
        (["shared", "no-such-run"], "no run 'no-such-run'"),
        (["shared", "last"], "same run"),
        (["shared", "shared", "shared"], "two can be compared"),
        (["quickstart", "--verify"], "--verify"),
    ],
)
def test_wrong_words_are_told(
    shared_deck: Any, finished: RunFolder, words: list[str], told: str
) -> None:
    done = shared_deck("check", "repro", *words, code=2)
    assert told in done.stderr


def test_two_runs_are_compared_to_the_last_bit(
    shared_deck: Any, finished: RunFolder, twin: RunFolder
) -> None:
    done = shared_deck("check", "repro", finished.id, str(twin.path))
    assert "the same to the last bit at 60 steps" in done.stdout
    lines = [json.loads(line) for line in twin.events.read_text().splitlines()]
    for event in lines:
        if event["event"] == "metrics" and event["step"] == 31 and "train/loss" in event["metrics"]:
            event["metrics"]["train/loss"] *= 1 + 2**-50
    twin.events.write_text("".join(json.dumps(event) + "\n" for event in lines))
    done = shared_deck("check", "repro", finished.id, str(twin.path), code=1)
    assert "they part at step 31: train/loss" in done.stdout
    done = shared_deck("check", "repro", finished.id, str(twin.path), "--json", code=1)
    told = json.loads(done.stdout)
    assert told["figures"]["parted"] == 31
    assert [part["same"] for part in told["parts"]] == [True] * 4


def test_a_damaged_run_is_told_without_a_traceback(shared_deck: Any, twin: RunFolder) -> None:
    for path in (twin.environment, twin.config, twin.hash_summary, twin.events):
        path.write_text("{")
    done = shared_deck("check", "repro", str(twin.path), code=1)
    assert done.stdout.count("not ok") >= 5


def test_a_repetition_gives_the_same_bits(
    shared_deck: Any, finished: RunFolder, tmp_path: Path
) -> None:
    shared_deck.env["TMPDIR"] = str(tmp_path)
    try:
        done = shared_deck("check", "repro", finished.id, "--verify", "--steps", "5", "--json")
    finally:
        del shared_deck.env["TMPDIR"]
    told = json.loads(done.stdout)["verify"]
    assert (told["equal"], told["last"], told["trouble"]) == (True, 5, "")
    assert "train/loss" in told["metrics"]
    assert not list(tmp_path.glob("traindeck-verify-*"))
