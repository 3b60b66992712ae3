"""Every command of documents 000, 001 and 002, as it is printed: what it composes, and that it trains."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from documentlab import printed

from trainer.runs.layout import RunFolder

from .conftest import POINTS, Typed

Type = Callable[..., Typed]
SHORT = ("trainer.max_steps=2",)


@pytest.mark.parametrize(
    ("line", "epochs", "batch", "accumulated", "every"),
    zip(printed.CHOOSE_TRAINER, (50, 30, 2), (64, 32, 8), (2, 2, 1), (10, 1, 1), strict=True),
)
def test_000_and_001_the_trainer_is_chosen(
    typed: Type, line: str, epochs: int, batch: int, accumulated: int, every: int
) -> None:
    done = typed(line, *SHORT)
    assert (done.code, done.ended) == (0, ("completed", "max_steps reached"))
    trainer = done.config["trainer"]
    assert (trainer["max_epochs"], trainer["save_every_n_epochs"]) == (epochs, every)
    assert done.config["dataloader"]["batch_size"] == batch
    assert trainer["accumulate_grad_batches"] == accumulated
    assert set(done.told("train/loss")) == {1, 2}


def test_000_and_001_the_smoke_test_trains_to_its_end(typed: Type) -> None:
    done = typed("traindeck train trainer=ci_fast")
    assert (done.code, done.ended) == (0, ("completed", "max_epochs reached"))
    assert [e["epoch"] for e in done.events if e["event"] == "checkpoint"][-1] == 2
    assert len(done.told("val/loss")) == 2


def test_001_mixed_precision_is_asked_for_and_explained(typed: Type) -> None:
    done = typed("traindeck train trainer=defaults", *SHORT, "hardware=cpu")
    assert done.config["trainer"]["amp"] is True
    assert done.config["trainer"]["precision"] == "32-true"
    assert "note: trainer.precision" in done.err


def test_000_parameters_are_overridden_inline(typed: Type) -> None:
    done = typed(printed.OVERRIDE_INLINE, *SHORT)
    assert done.code == 0
    trainer = done.config["trainer"]
    assert (trainer["max_epochs"], trainer["gradient_clip_val"]) == (30, 1.0)
    assert (trainer["accumulate_grad_batches"], trainer["save_every_n_epochs"]) == (2, 10)
    started = next(e for e in done.events if e["event"] == "run_started")
    assert started["metrics"]["grad_norm"]["threshold"] == 1.0


def test_000_a_new_scenario_is_a_file_in_the_folder(typed: Type, project: Path) -> None:
    file = project / "profiles" / "trainer" / "multi_gpu.yaml"
    file.parent.mkdir()
    file.write_text("# Mine.\nmax_epochs: 7\naccelerator: cpu\ndevices: 1\n")
    done = typed("traindeck train trainer=multi_gpu", *SHORT)
    assert (done.code, done.config["trainer"]["max_epochs"]) == (0, 7)


@pytest.mark.parametrize("command", ["ablate", "train"])
def test_001_the_ablation_is_planned(typed: Type, command: str) -> None:
    done = typed(printed.ABLATE.replace("ablate", command), "--dry-run")
    assert (done.code, done.run) == (0, None)
    for weight in ("0.0", "0.05", "0.1"):
        assert f"loss.composite.smoothness.weight={weight}" in done.out.split()
    assert not list(Path("runs").glob("*"))


def test_001_the_ablation_trains_and_leaves_its_leaderboard(typed: Type) -> None:
    done = typed(printed.ABLATE)
    assert done.code == 0, done.err + done.out
    assert "spectra of generated planets" in done.err
    (sweep,) = Path("runs").glob("*/*/sweep.json")
    found = json.loads(sweep.read_text())
    assert found["metric"] == "val/score"
    assert [list(t["factors"].values()) for t in found["trials"]] == [[0.0], [0.05], [0.1]]
    for kind in ("md", "html"):
        assert (sweep.parent / "outputs" / f"ablation_leaderboard.{kind}").is_file()
    runs = [RunFolder(path.parent) for path in Path("runs").glob("*/*/run.json")]
    assert len(runs) == 3
    for run in runs:
        config = yaml.safe_load(run.config.read_text(encoding="utf-8"))
        assert config["trainer"]["max_epochs"] == 30
        names = ("logs/v50_debug_log.md", "logs/events.jsonl", "run_hash_summary_v50.json")
        assert all((run.path / name).is_file() for name in names)


@pytest.mark.parametrize(
    ("line", "trials", "axes"),
    [
        (printed.ABLATE_TOGETHER, 12, " (3 x 2 x 2)"),
        ("traindeck ablate trainer=ablation --one-at-a-time", 13, ", 1 at a time"),
    ],
)
def test_001_what_the_ablation_profile_varies(
    typed: Type, line: str, trials: int, axes: str
) -> None:
    done = typed(line, "--dry-run")
    assert done.code == 0, done.err
    assert f"{trials} trials{axes}" in done.out
    assert "by val/score (max); all configs are right" in done.out


@pytest.mark.parametrize("weight", ["0.0", "0.05", "0.1"])
def test_001_each_value_of_the_ablation_trains(typed: Type, weight: str) -> None:
    done = typed(f"traindeck train loss.composite.smoothness.weight={weight}", *POINTS)
    # One number has no neighbours: what cannot be smooth is said, and a weight of 0 is no term.
    assert done.code == (0 if weight == "0.0" else 2)
    wide = typed(
        f"traindeck train loss.composite.smoothness.weight={weight}",
        *POINTS,
        "model.width=4",
        "data.width=4",
    )
    assert wide.code == 0
    assert bool(wide.told("train/loss/smoothness")) is (weight != "0.0")


def test_002_variants_are_selected(typed: Type) -> None:
    line = printed.VARIANTS
    for group, name in (("trainer", "ci_fast"), ("data", "points"), ("model", "plain")):
        line = line.replace(f"{group}=<name>", f"{group}={name}")
    done = typed(line, "loss=mse", "callbacks=none")
    assert (done.code, done.ended[0]) == (0, "completed")
    assert done.config["model"]["_target_"] == "documentlab.small.Autoencoder"
    assert done.config["dataloader"]["batch_size"] == 8


def test_002_the_learning_rate_is_overridden(typed: Type) -> None:
    done = typed(printed.LEARNING_RATE, *SHORT, "scheduler=none")
    assert done.code == 0
    assert set(done.told("lr").values()) == {3e-4}


def test_002_batch_size_and_epochs(typed: Type) -> None:
    done = typed(printed.BATCH_AND_EPOCHS, *SHORT)
    assert done.code == 0
    assert set(done.told("train/loss")) == {1, 2}
    assert done.config["dataloader"]["batch_size"] == 32
    assert done.config["trainer"]["max_epochs"] == 100


def test_002_wandb_is_disabled(typed: Type) -> None:
    done = typed(printed.NO_WANDB, *SHORT)
    assert done.code == 0
    assert done.config["logger"]["wandb"]["enabled"] is False


def test_002_another_model_and_data_set(typed: Type, project: Path) -> None:
    # Until the audio recipe: both are named as unknown. With profiles of these names, they train.
    missing = typed(printed.OTHER_MODEL)
    assert (missing.code, missing.run) == (2, None)
    for name in ("SEANet_real", "jamendo_highres"):
        assert name in missing.err
    assert "gpt_tiny" in missing.err, "what there is"

    profiles = project / "profiles"
    (profiles / "model" / "plain.yaml").rename(profiles / "model" / "SEANet_real.yaml")
    (profiles / "data" / "points.yaml").rename(profiles / "data" / "jamendo_highres.yaml")
    done = typed(printed.OTHER_MODEL, "loss=mse", "callbacks=none", "trainer.max_steps=2")
    assert (done.code, done.ended[0]) == (0, "completed")


@pytest.fixture
def undetermined() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("undetermined")
def test_002_determinism_for_distributed_runs(typed: Type) -> None:
    done = typed(f"traindeck train {printed.DETERMINISTIC}", *SHORT)
    assert done.code == 0
    assert torch.are_deterministic_algorithms_enabled()
