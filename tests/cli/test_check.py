"""`traindeck check repro` as a person would type it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from trainer.cli import cli
from trainer.errors import EXIT_FAILED, EXIT_OK, EXIT_WRONG_INPUT, TraindeckError
from trainer.runs import provenance
from trainer.runs.layout import RunFolder, read_json, write_json_atomic


@pytest.fixture
def twin(shared_deck: Any, finished: RunFolder, tmp_path: Path) -> RunFolder:
    """Give a copy of the finished run under an id of its own, outside of the list of runs."""
    folder = tmp_path / "twin"
    shutil.copytree(finished.path, folder, symlinks=True)
    run = RunFolder(folder)
    write_json_atomic(run.run_json, {**run.identity(), "id": "twin"})
    return run


def here(deck: Any, *words: str) -> Result:
    """Run the command in this process: another one costs more than the command."""
    return CliRunner().invoke(cli, ["check", "repro", *words], env=deck.env, standalone_mode=False)


def test_a_finished_run_passes(shared_deck: Any, finished: RunFolder) -> None:
    out = shared_deck("check", "repro", "shared").stdout
    assert f"reproducibility of run {finished.id}  shared" in out
    for part in ("1 the seed is fixed", "5 the versions", "packages, with hashes"):
        assert part in out
    assert "not ok" not in out
    assert "a repetition here and now" in out
    told = json.loads(shared_deck("check", "repro", finished.id, "--json").stdout)
    assert (told["kind"], told["ok"]) == ("run", True)
    marks = {point["key"]: point["mark"] for point in told["points"]}
    assert marks["environment"] == marks["threads"] == "ok"
    seen = read_json(finished.environment_seen)["seen"]
    assert seen[0]["differs"] == []


def test_what_changed_since_the_run_is_told_and_nothing_else(
    shared_deck: Any, twin: RunFolder
) -> None:
    def changed(**traindeck: Any) -> Any:
        summary = read_json(twin.hash_summary)
        # Traindeck's own files may be worked on since the run. This process hashes them once.
        summary["code"]["traindeck"] = {
            **provenance.code(shared_deck.folder)["traindeck"],
            **traindeck,
        }
        write_json_atomic(twin.hash_summary, summary)
        done = here(shared_deck, str(twin.path), "--json")
        assert done.return_value == EXIT_OK, done.output
        return json.loads(done.stdout)["changed"]

    assert changed() == []
    assert changed(files="0" * 64) == ["code: traindeck itself is another one"]
    locked = read_json(twin.environment)
    locked["packages"]["torch"]["version"] = "0.1"
    write_json_atomic(twin.environment, locked)
    (told,) = changed()
    assert told.startswith("environment: torch 0.1 → ")


def test_what_would_be_launched_is_checked_too(shared_deck: Any) -> None:
    assert "42, for all random generators" in here(shared_deck, "quickstart").stdout
    assert "the launch draws one" in here(shared_deck, "quickstart", "seed=null").stdout
    done = here(shared_deck, "trainer.devices=2", "trainer.accelerator=cpu", "--json")
    assert done.return_value == EXIT_FAILED
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
    error = here(shared_deck, *words).exception
    assert isinstance(error, TraindeckError)
    assert error.exit_code == EXIT_WRONG_INPUT
    assert told in str(error)


def test_two_runs_are_compared_to_the_last_bit(
    shared_deck: Any, finished: RunFolder, twin: RunFolder
) -> None:
    done = here(shared_deck, finished.id, str(twin.path))
    assert done.return_value == EXIT_OK
    assert "the same to the last bit at 60 steps" in done.stdout
    lines = [json.loads(line) for line in twin.events.read_text().splitlines()]
    for event in lines:
        if event["event"] == "metrics" and event["step"] == 31 and "train/loss" in event["metrics"]:
            event["metrics"]["train/loss"] *= 1 + 2**-50
    twin.events.write_text("".join(json.dumps(event) + "\n" for event in lines))
    done = here(shared_deck, finished.id, str(twin.path))
    assert done.return_value == EXIT_FAILED
    assert "they part at step 31: train/loss" in done.stdout
    done = here(shared_deck, finished.id, str(twin.path), "--json")
    assert done.return_value == EXIT_FAILED
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
