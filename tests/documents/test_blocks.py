"""Every YAML block of documents 000, 002 and 003, as it is printed: it composes and trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from documentlab import printed

from .conftest import POINTS, Typed

Type = Callable[..., Typed]


@pytest.fixture
def with_block(typed: Type, project: Path) -> Type:
    """Train with a block as one's own config file."""

    def train(block: str, *more: str) -> Typed:
        (project / "mine.yaml").write_text(block, encoding="utf-8")
        return typed("traindeck train --config mine.yaml", *more)

    return train


def optimizer_of(done: Typed) -> dict[str, object]:
    assert done.run is not None
    state = torch.load(done.run.checkpoints / "last.ckpt", weights_only=True)
    return dict(state["optimizer_states"][0]["param_groups"][0])


def test_000_a_defaults_list_in_train_yaml(typed: Type, project: Path) -> None:
    (project / "train.yaml").write_text(printed.DEFAULTS_LIST)
    done = typed("traindeck train", "trainer.max_steps=1")
    assert done.code == 0
    assert done.config["trainer"]["max_epochs"] == 50
    assert done.config["dataloader"]["batch_size"] == 64


@pytest.mark.parametrize("below", ["", "trainer"])
def test_002_the_optimiser(with_block: Type, below: str) -> None:
    done = with_block(indented(printed.OPTIMIZER, below), *POINTS, "scheduler=none")
    assert done.code == 0
    group = optimizer_of(done)
    assert (group["lr"], tuple(group["betas"]), group["weight_decay"]) == (3e-4, (0.9, 0.999), 1e-4)


@pytest.mark.parametrize("below", ["", "trainer"])
def test_002_the_scheduler(with_block: Type, below: str) -> None:
    done = with_block(indented(printed.SCHEDULER, below), *POINTS, "optimizer.config.lr=0.5")
    assert done.code == 0
    assert list(done.told("lr").values()) == pytest.approx([0.5, 0.5 / 2, 0.5 / 3])


def test_002_the_scheduler_is_disabled(with_block: Type) -> None:
    off = printed.SCHEDULER + "  enabled: false\n"
    done = with_block(off, *POINTS, "optimizer.config.lr=0.5")
    assert done.code == 0
    assert list(done.told("lr").values()) == [0.5] * 3


@pytest.mark.parametrize("below", ["", "trainer"])
def test_002_the_losses(with_block: Type, below: str) -> None:
    # Until the audio recipe: the person is told that the term is left out, and the rest trains.
    done = with_block(indented(printed.LOSS, below), *POINTS)
    assert done.code == 0
    assert "loss.groups.spectral.stft_mse: recognised, not acted on by this version" in done.err
    assert set(done.told("train/loss/mse")) == {1, 2, 3}
    assert not done.told("train/loss/spectral/stft_mse")


def test_002_a_loss_of_nothing_but_a_term_to_come_is_refused(with_block: Type) -> None:
    done = with_block(printed.LOSS, *POINTS, "~loss")
    assert (done.code, done.run) == (2, None)
    assert "nothing would be minimised" in done.err


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_002_weights_remain_positive(with_block: Type, weight: float) -> None:
    changed = printed.BOTTLENECK.replace("kl: 1.0", f"kl: {weight}")
    done = with_block(changed, *POINTS, "model=vae")
    assert done.code == (0 if weight == 0 else 2)
    assert not done.told("train/loss/bottleneck/kl")


@pytest.mark.parametrize(("model", "steps"), [("vae", [1, 2, 3]), ("plain", [])])
def test_002_the_bottlenecks_kl(with_block: Type, model: str, steps: list[int]) -> None:
    done = with_block(printed.BOTTLENECK, *POINTS, f"model={model}")
    assert done.code == 0
    assert list(done.told("train/loss/bottleneck/kl")) == steps
    kl, mse, total = (done.told(f"train/{n}") for n in ("loss/bottleneck/kl", "loss/mse", "loss"))
    for step in steps:
        assert total[step] == pytest.approx(kl[step] + mse[step])


def test_002_the_losses_of_evaluation(with_block: Type) -> None:
    # Until the audio recipe: told, and left out of a training that validates.
    done = with_block(printed.EVAL_LOSS, *POINTS, "trainer.val_check_interval=1")
    assert done.code == 0
    for name in ("sisdr", "stft", "mel"):
        assert f"eval_loss.{name}: recognised, not acted on by this version" in done.err
        assert not done.told(f"val/{name}")
    assert done.told("val/loss")
    assert done.config["eval_loss"] == yaml.safe_load(printed.EVAL_LOSS)["eval_loss_config"]


def test_003_the_minimal_example_as_printed_needs_its_gpu(with_block: Type) -> None:
    done = with_block(printed.MINIMAL, *POINTS)
    if torch.cuda.is_available():
        assert done.code == 0
        return
    assert done.code == 2
    assert "torch finds no such device here" in done.err
    assert "Traceback" not in done.err
    assert not done.told("train/loss")


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_003_the_minimal_example_runs(with_block: Type) -> None:
    on_cpu = ("trainer.accelerator=cpu", "trainer.precision=32-true")
    done = with_block(printed.MINIMAL, *POINTS, *on_cpu)
    assert (done.code, done.ended) == (0, ("completed", "max_steps reached"))
    assert list(done.told("lr").values()) == pytest.approx([2e-4 * n / 1000 for n in (1, 2, 3)])
    assert set(done.told("weight_decay").values()) == {0.1}
    started = next(e for e in done.events if e["event"] == "run_started")
    assert started["metrics"]["grad_norm"]["threshold"] == 1.0
    assert done.config["dataloader"]["num_workers"] == 16
    assert done.config["trainer"]["early_stopping"] == {"monitor": "val/loss", "patience": 5}


def indented(block: str, below: str) -> str:
    """Put a block below a key, as the text around it says where it lives."""
    return f"{below}:\n" + "".join(f"  {line}\n" for line in block.splitlines()) if below else block
