"""What the lists of options say: one set of facts and columns for the command line and the app."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from hardwarelab import Nvml, host

from trainer.cli import cli
from trainer.config.hardware_detect import detect
from trainer.config.listing import Listed, columns, listed
from trainer.config.sources import search_path

TEXT = """\
[hyperparameters.default]
num_epochs = 2
learning_rate = 1e-3
weight_decay = 0.5

[hyperparameters.long]
num_epochs = 9

[hyperparameters.quick]
max_steps = 20

[datasets.good]
path = "~/good"
quality_threshold = 0.7
domains = ["asm", "debug"]

[presets.mine]
expert = "oracle-rauru-assembler"
hardware = "cpu"
dataset = "good"
batch_size = 2
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "training.toml"
    path.parent.mkdir()
    path.write_text(TEXT)
    return tmp_path


def of(project: Path, group: str, name: str) -> Listed:
    machine = detect(host(project / "machine"), {}, Nvml(broken="none"))
    rows = listed(search_path(cwd=project), group, machine)
    return next(row for row in rows if row.option.name == name)


def test_a_set_of_hyperparameters_tells_what_it_inherits(project: Path) -> None:
    row = of(project, "hyperparameters", "long")
    assert (row.cells["epochs"], row.cells["lr"], row.cells["weight_decay"]) == (
        "9",
        "0.001",
        "0.5",
    )
    assert row.inherited == {"lr", "weight_decay", "warmup", "scheduler"}
    assert not of(project, "hyperparameters", "default").inherited
    quick = of(project, "hyperparameters", "quick")
    assert (quick.cells["epochs"], quick.cells["max_steps"]) == ("2", "20")
    assert "epochs" in quick.inherited
    assert "max_steps" not in quick.inherited


def test_a_dataset_is_chosen_by_its_folder_and_its_threshold(project: Path) -> None:
    row = of(project, "data", "good")
    assert row.cells["root"] == "~/good"
    assert (row.cells["quality_threshold"], row.cells["domains"]) == ("0.7", "asm debug")
    assert row.cells["kind"] == "Instructions", "it builds on the set `instruct`"


def test_a_preset_tells_what_it_trains_with_what_it_builds_on(project: Path) -> None:
    mine = of(project, "preset", "mine")
    assert (mine.cells["trains"], mine.cells["hardware"]) == ("oracle-rauru-assembler", "cpu")
    assert (mine.cells["dataset"], mine.cells["lora"]) == ("good", "standard")
    assert mine.cells["batch"] == "2 x 1"
    assert of(project, "preset", "quickstart").cells["trains"] == "gpt_tiny"


def test_hardware_tells_whether_it_fits_only_where_that_is_known(project: Path) -> None:
    assert of(project, "hardware", "cpu").cells["here"] == "fits"
    assert of(project, "hardware", "mac-mps").cells["here"].startswith("needs Apple's MPS")
    assert of(project, "hardware", "kaggle-t4x2").cells["device"] == "2 x cuda"
    unknown = listed(search_path(cwd=project), "hardware")
    assert {row.cells["here"] for row in unknown} == {""}
    assert "HERE" not in [column.title for column in columns("hardware")]
    assert "HERE" in [column.title for column in columns("hardware", here=True)]


def test_a_profile_that_cannot_be_read_says_why_and_the_others_stand(project: Path) -> None:
    broken = project / "profiles" / "preset" / "broken.yaml"
    broken.parent.mkdir(parents=True)
    broken.write_text("a: [")
    row = of(project, "preset", "broken")
    assert row.problem is not None
    assert "broken.yaml" in row.cells["doc"]
    assert of(project, "preset", "mine").problem is None


def test_the_command_line_lists_the_same_facts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    result = CliRunner().invoke(cli, ["train", "--list-presets", "--json"])
    rows = {row["preset"]: row for row in json.loads(result.output)}
    assert rows["mine"]["expert"] == "oracle-rauru-assembler"
    assert (rows["mine"]["batch_size"], rows["mine"]["from"]) == (2, "project")
    printed = CliRunner().invoke(cli, ["train", "--list-presets"]).output.splitlines()
    titles = [column.title for column in columns("preset")]
    assert printed[0].split("  ")[0] == "PRESET"
    assert all(title in printed[0] for title in titles)
