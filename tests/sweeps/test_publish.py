"""Of the models that trials leave, the best one's comes among the finished models."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.commands import ablate_board
from trainer.errors import RunError
from trainer.runs.layout import RunFolder
from trainer.runs.status import State
from trainer.sweeps import drive, publish
from trainer.sweeps.folder import Sweep

from .conftest import Lab, told

RATES = "optimizer.config.lr=1e-3,3e-3,1e-2"


def leave_model(run: Path, name: str) -> Path:
    """Write what a fine-tuning leaves in its run's folder."""
    folder = run / "outputs" / "models" / name
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "metadata.json").write_text(json.dumps({"metadata": {"run": str(run)}}))
    (run / "outputs" / "model").symlink_to(Path("models") / name)
    return folder


@pytest.fixture
def swept(made: Callable[..., Sweep], lab: Lab) -> Sweep:
    """A sweep of three trials, each better than the one before it."""
    sweep = made(RATES)
    drive.run(sweep, 1, lab, poll=0.01)
    for trial in sweep.trials():
        assert trial.run is not None
        leave_model(trial.run, "mine")
    return sweep


def test_the_best_trials_model_is_copied_whole_with_its_origin(swept: Sweep, project: Path) -> None:
    found = publish.publish(swept)
    assert found is not None
    assert (found.trial, found.new, found.folder) == (3, True, project / "models" / "mine")
    assert (found.folder / "adapter_model.safetensors").read_bytes() == b"weights"
    about = json.loads((found.folder / "metadata.json").read_text())["metadata"]
    assert about["sweep"] == {
        "id": swept.id, "trial": 3, "metric": "val/loss", "value": pytest.approx(1 / 3),
    }  # fmt: skip
    assert publish.published(swept) == found.folder
    assert not list((project / "models").glob(".making*"))
    # Once more it is there; the trial keeps its own.
    again = publish.publish(swept)
    assert again is not None
    assert not again.new
    assert len(list((project / "models").iterdir())) == 1
    best = swept.trials()[2].run
    assert best is not None
    assert publish.model_of(best) == best / "outputs" / "models" / "mine"


def test_a_better_trial_later_comes_beside_it(swept: Sweep, project: Path) -> None:
    assert publish.publish(swept) is not None
    run = swept.trials()[0].run
    assert run is not None
    told(RunFolder(run), [(30, 0.01)])
    found = publish.publish(Sweep.load(swept.path))
    assert found is not None
    assert (found.trial, found.folder.name) == (1, "mine-2")
    assert publish.published(swept) == found.folder


def models(project: Path) -> list[str]:
    return sorted(path.name for path in (project / "models").iterdir())


def test_of_several_that_publish_at_once_one_looks_and_copies(
    swept: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = []

    def watched(work: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **options: Any) -> Any:
            descriptor = os.open(swept.path, os.O_RDONLY)
            try:
                with pytest.raises(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            finally:
                os.close(descriptor)
            alone.append(work.__name__)
            return work(*args, **options)

        return watching

    for name in ("_there", "_copied", "_link"):
        monkeypatch.setattr(publish, name, watched(getattr(publish, name)))
    assert publish.publish(swept) is not None
    assert alone == ["_there", "_copied", "_link"]


def test_whoever_is_killed_leaves_no_second_copy_and_no_rest(swept: Sweep, project: Path) -> None:
    # Behind the copy, before the link.
    assert publish.publish(swept) is not None
    (swept.outputs / "model").unlink()
    # In the midst of it; another sweep may be copying right now.
    for owner in (swept.id, "another"):
        (project / "models" / f".making-{owner}-1").mkdir()
    found = publish.publish(swept)
    assert found is not None
    assert not found.new
    assert publish.published(swept) == found.folder
    run = swept.trials()[0].run
    assert run is not None
    told(RunFolder(run), [(30, 0.01)])
    assert publish.publish(swept) is not None
    assert models(project) == [".making-another-1", "mine", "mine-2"]


def test_what_a_resumed_trial_leaves_is_another_model(swept: Sweep, project: Path) -> None:
    assert publish.publish(swept) is not None
    run = swept.trials()[2].run
    assert run is not None
    (run / "outputs" / "model").unlink()
    about = {"metadata": {"run": str(run), "created": "later"}}
    (leave_model(run, "later") / "metadata.json").write_text(json.dumps(about))
    found = publish.publish(swept)
    assert found is not None
    assert (found.new, models(project)) == (True, ["later", "mine"])
    assert publish.published(swept) == found.folder


@pytest.mark.parametrize("config", ["", "output: 3\n", "- a list\n", "no: [yaml"])
def test_a_config_that_is_none_names_the_usual_folder(
    swept: Sweep, project: Path, config: str
) -> None:
    run = swept.trials()[2].run
    assert run is not None
    (run / "config.yaml").write_text(config)
    assert publish.publish(swept) is not None
    assert models(project) == ["mine"]


def test_models_go_where_the_trial_says(
    made: Callable[..., Sweep], lab: Lab, project: Path
) -> None:
    sweep = made(RATES, "output.models_dir=kept/here")
    drive.run(sweep, 1, lab, poll=0.01)
    run = sweep.trials()[2].run
    assert run is not None
    leave_model(run, "mine")
    found = publish.publish(sweep)
    assert found is not None
    assert found.folder == project / "kept" / "here" / "mine"


@pytest.mark.parametrize(
    ("word", "many"), [("best", 1), ("none", 0), ("all", 0)]
)  # with "all" the trials have left theirs there by themselves
def test_the_config_says_whose_model_it_is(
    made: Callable[..., Sweep], lab: Lab, project: Path, word: str, many: int
) -> None:
    sweep = made(RATES, f"ablation.publish={word}")
    outcome = drive.run(sweep, 1, lab, poll=0.01)
    for trial in sweep.trials():
        assert trial.run is not None
        leave_model(trial.run, "mine")
    ablate_board.publish_at_end(sweep, outcome)
    assert len(list((project / "models").glob("*"))) == many


def test_a_sweep_that_is_stopped_publishes_nothing_by_itself(swept: Sweep, project: Path) -> None:
    outcome = drive.Outcome(tuple(swept.trials()), asked="stop")
    assert ablate_board.publish_at_end(swept, outcome) is None
    assert not (project / "models").exists()


def test_what_cannot_be_written_costs_no_results(
    swept: Sweep, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "models").write_text("in the way")
    outcome = drive.Outcome(tuple(swept.trials()))
    assert ablate_board.publish_at_end(swept, outcome) is None
    assert "could not be copied" in capsys.readouterr().err


def test_the_command_publishes_and_says_where(
    swept: Sweep, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ablate", "--publish", "last"])
    assert not ended.value.code
    assert capsys.readouterr().out.strip() == str(project / "models" / "mine")
    with pytest.raises(SystemExit):
        main(["ablate", "--status", "last", "--json"])
    assert json.loads(capsys.readouterr().out)["model"] == str(project / "models" / "mine")


def test_without_a_model_it_says_why(made: Callable[..., Sweep], lab: Lab) -> None:
    sweep = made(RATES)
    with pytest.raises(RunError, match="no trial has ended"):
        ablate_board.show_model(sweep, as_json=False)
    lab.ends[1] = State.FAILED
    drive.run(sweep, 1, lab, poll=0.01)
    with pytest.raises(RunError, match="trial 3, the best by val/loss, has left no model"):
        ablate_board.show_model(sweep, as_json=False)
