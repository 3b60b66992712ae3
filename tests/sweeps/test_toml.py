"""Sweeps over the tables of a TOML file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.errors import ConfigError
from trainer.sweeps import drive, folder, plan

from .conftest import Lab

FILE = """\
[lora.tiny]
r = 2
[lora.tall]
r = 32
[experts.scribe]
role = "doc"
[experts.coder]
role = "code"
[presets.mine]
expert = "scribe"
lora = "tiny"
hardware = "cpu"
"""
RATES = "optimizer.config.lr=1e-3,3e-3"


@pytest.fixture
def tables(project: Path) -> Path:
    path = project / "mine.toml"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("word", ["lora=glob(t*)", "lora=t*", "lora=tall,tiny"])
def test_the_tables_of_a_file_are_options_that_vary(tables: Path, word: str) -> None:
    planned, _ = plan.check(plan.make(["mine", word], config_file=tables))
    assert [trial.factors for trial in planned.trials] == [{"lora": "tall"}, {"lora": "tiny"}]
    assert len({trial.config_hash for trial in planned.trials}) == 2


def test_patterns_find_built_in_tables_too_and_say_what_there_is(tables: Path) -> None:
    planned = plan.make(["mine", "hyperparameters=*"], config_file=tables)
    assert [trial.factors["hyperparameters"] for trial in planned.trials] == [
        "default",
        "production",
    ]
    with pytest.raises(ConfigError, match="There are full, minimal, standard, tall, tiny"):
        plan.make(["mine", "lora=x*"], config_file=tables)


def test_experts_without_a_preset_are_fine_tuned(tables: Path) -> None:
    planned = plan.make(["expert=scribe,coder"], config_file=tables)
    assert planned.base == ("lora",)
    assert any("preset lora" in note for note in planned.notes)
    # A sweep that a training begins has what the training would have.
    single = plan.make(["expert=scribe,coder"], config_file=tables, default_profile=False)
    assert single.base == ()


@pytest.mark.parametrize(
    ("more", "base"),
    [
        ("", ("trainer=ablation",)),
        ("[trainer.short]\nmax_epochs = 1\n", ("trainer=ablation",)),
        ("[trainer]\nmax_epochs = 1\n", ()),
        ('defaults = [{ trainer = "ci_fast" }]\n', ()),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_the_profile_for_sweeps_is_taken_unless_the_file_settles_a_trainer(
    project: Path, more: str, base: tuple[str, ...], named: bool
) -> None:
    path = project / "mine.toml" if named else project / "config" / "training.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(more + FILE)
    assert plan.make([RATES], config_file=path if named else None).base == base


def test_trials_keep_the_file_and_say_its_line(tables: Path, lab: Lab) -> None:
    planned, _ = plan.check(plan.make(["mine", "lora=tiny,tall"], config_file=Path("mine.toml")))
    sweep = folder.create(planned, runs_dir=tables.parent / "runs", name="night")
    drive.run(sweep, 1, lab, poll=0.01)
    run = sweep.trials()[1].run
    assert run is not None
    origin = json.loads((run / "provenance.json").read_text())["lora.r"]
    assert origin["where"].endswith("mine.toml")
    assert origin["line"] == 4
    command = json.loads((run / "run.json").read_text())["command"]
    assert command[-2:] == ["--config", str(tables)]
    # What was planned is started, or nothing is.
    tables.write_text(FILE.replace("r = 32", "r = 16"))
    (problem,) = drive.changed(folder.Sweep.load(sweep.path), [1, 2])
    assert "another one than when the sweep was planned" in problem.what
