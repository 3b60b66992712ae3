"""The curve shown before a launch is the learning rate that Lightning then trains with."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from itertools import pairwise
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from enginelab.schedules import ADAMW, MUON, NEEDED
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from trainer.config.torch_args import SCHEDULERS
from trainer.engine import lr_curve
from trainer.engine.lr_curve import curve
from trainer.engine.lr_length import Clock, Length
from trainer.engine.optim import make_optimizer
from trainer.engine.schedule import make_scheduler, training_length
from trainer.errors import ConfigError


class Watched(pl.LightningModule):
    """Notes the learning rates that each optimiser step uses."""

    def __init__(self, optimizer: dict[str, Any], scheduler: dict[str, Any]) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        self.sections = optimizer, scheduler
        self.used: list[list[float]] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.net(batch[0]).square().mean()

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.used.append([group["lr"] for group in optimizer.param_groups])

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self, self.sections[0])
        scheduler = make_scheduler(
            optimizer, self.sections[1], lambda interval: training_length(self.trainer, interval)
        )
        return {"optimizer": optimizer, **({"lr_scheduler": scheduler} if scheduler else {})}


def trained(optimizer: Any, scheduler: Any, length: Length) -> list[list[float]]:
    assert length.batches is not None
    module = Watched(optimizer, scheduler)
    loader = DataLoader(TensorDataset(torch.ones(length.batches, 2)), batch_size=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pl.Trainer(
            accelerator="cpu", logger=False, enable_checkpointing=False, barebones=True,
            max_steps=-1 if length.steps is None else length.steps,
            max_epochs=-1 if length.epochs is None else length.epochs,
            accumulate_grad_batches=length.accumulate,
        ).fit(module, loader)  # fmt: skip
    return module.used


def expanded(found: dict[str, Any]) -> list[list[float]]:
    """Give the lr of every step from the rows."""
    rows = [*found["rows"], [found["total"]]]
    return [lrs for (at, *lrs), after in pairwise(rows) for _ in range(int(at), int(after[0]))]


COSINE = {"type": "CosineAnnealingLR", "config": {"T_max": 12, "eta_min": 0.01}}
LINEAR = {
    "type": "LinearLR",
    "config": {"start_factor": 1.0, "end_factor": 0.0, "total_iters": "auto"},
}
SCENES = {
    "constant": (ADAMW, {}, Length(steps=9, batches=4)),
    "off": (ADAMW, {"type": "StepLR", "enabled": False}, Length(steps=9, batches=4)),
    "warmup only": (ADAMW, {"warmup": 4}, Length(epochs=2, batches=5)),
    "003's block": (
        ADAMW,
        {"type": "CosineAnnealingLR", "config": {"T_max": 10, "eta_min": 1e-5},
         "warmup": {"steps": 6, "interval": "step"}},
        Length(epochs=3, batches=11),
    ),
    "002's block": (
        ADAMW,
        {"type": "InverseLR", "config": {"inv_gamma": 1.0, "power": 1.0, "warmup": 0}},
        Length(steps=20, batches=7),
    ),
    "by epoch": (ADAMW, {**COSINE, "interval": "epoch"}, Length(epochs=15, batches=3)),
    "every second epoch": (ADAMW, {**COSINE, "frequency": 2}, Length(epochs=9, batches=3)),
    "warmup by epoch": (
        ADAMW, {**COSINE, "warmup": {"steps": 3, "interval": "epoch"}},
        Length(epochs=8, batches=3),
    ),
    "accumulated": (
        ADAMW, {**COSINE, "interval": "step"}, Length(epochs=3, batches=11, accumulate=4),
    ),
    "accumulated, by epoch": (
        ADAMW, {**COSINE, "interval": "epoch"}, Length(epochs=4, batches=11, accumulate=4),
    ),
    "frequency": (ADAMW, {**COSINE, "interval": "step", "frequency": 3}, Length(30, None, 11)),
    "frequency, accumulated": (
        ADAMW, {**COSINE, "interval": "step", "frequency": 6}, Length(None, 4, 12, 4),
    ),
    "frequency, accumulated, cut": (
        ADAMW, {**COSINE, "interval": "step", "frequency": 11}, Length(None, 4, 11, 4),
    ),
    "the earlier end": (ADAMW, {**COSINE, "interval": "step"}, Length(7, 4, 11)),
    "to the end": (ADAMW, {**LINEAR, "interval": "step"}, Length(None, 3, 7)),
    "to the end, accumulated": (ADAMW, {**LINEAR, "warmup": 2}, Length(None, 3, 11, 4)),
    "to the earlier end": (ADAMW, {**LINEAR, "warmup": 4}, Length(12, 5, 7)),
    "to the end, by epoch": (
        ADAMW, {"type": "CosineAnnealingLR", "config": {"T_max": "auto"}}, Length(None, 6, 3),
    ),
    "muon": (MUON, {"type": "StepLR", "config": {"step_size": 2}, "warmup": 3}, Length(12, None, 5)),
    "one cycle": (
        ADAMW, {"type": "OneCycleLR", "config": {"max_lr": 1.0, "total_steps": 20},
                "interval": "step"}, Length(20, None, 6),
    ),
    "restarts": (
        ADAMW, {"type": "CosineAnnealingWarmRestarts", "config": {"T_0": 3, "T_mult": 2},
                "warmup": 4}, Length(30, None, 7),
    ),
}  # fmt: skip


@pytest.mark.parametrize("scene", list(SCENES))
def test_the_curve_is_what_lightning_trains_with(scene: str) -> None:
    optimizer, scheduler, length = SCENES[scene]
    found = curve(optimizer, scheduler, length)
    used = trained(optimizer, scheduler, length)

    assert found["unit"] == "step"
    assert found["total"] == len(used)
    assert [lrs[0] for lrs in expanded(found)] == [lrs[0] for lrs in used]
    assert sorted({*expanded(found)[0]}) == sorted({*used[0]})
    assert (found["known"], found["stepped"], found["exact"]) == (True, True, True)


def test_a_schedule_to_the_end_of_training_comes_to_its_end_there() -> None:
    last = trained(ADAMW, {**LINEAR, "warmup": 4}, Length(None, 3, 7))[-1][0]
    assert last == pytest.approx(ADAMW["config"]["lr"] / 17)  # one of 21 - 4 steps from nothing
    optimizer = make_optimizer(nn.Linear(1, 1), ADAMW)
    with pytest.raises(ConfigError, match="nothing ends training"):
        make_scheduler(optimizer, LINEAR, lambda interval: float("inf"))


def test_every_scheduler_that_moves_by_itself_is_tried() -> None:
    assert set(NEEDED) == set(SCHEDULERS) - {"ReduceLROnPlateau"}


@pytest.mark.parametrize("warm", [0, 77])
@pytest.mark.parametrize("name", list(NEEDED))
def test_a_thinned_curve_has_the_same_values_and_loses_no_turn(
    name: str, warm: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if warm and name in ("OneCycleLR", "CyclicLR"):
        pytest.skip("cannot follow a warmup")
    section = {"type": name, "config": NEEDED[name], "interval": "step", "warmup": warm}
    monkeypatch.setattr(lr_curve, "BINS", 12)
    whole = curve(ADAMW, section, Length(steps=4900))
    monkeypatch.setattr(lr_curve, "STEPPED", 100)
    thin = curve(ADAMW, section, Length(steps=4900))

    assert whole["stepped"]
    assert not thin["stepped"]
    assert thin["exact"]
    values = [lrs[0] for lrs in expanded(whole)]
    for at, lr, _ in thin["rows"]:
        assert lr == pytest.approx(values[at], rel=1e-9, abs=1e-15)
    for marks in ("first", "low", "high", "last"):
        assert thin[marks][0] == pytest.approx(whole[marks][0], rel=1e-9, abs=1e-12)
    assert len(thin["rows"]) < 200
    assert [p[:2] for p in thin["points"]] == [p[:2] for p in whole["points"]]


@pytest.mark.parametrize("warm", [0, 5])
@pytest.mark.parametrize("name", [n for n in NEEDED if n not in ("OneCycleLR", "CyclicLR")])
def test_a_warmup_is_followed_by_the_scheduler_as_if_alone(name: str, warm: int) -> None:
    alone = expanded(curve(ADAMW, {"type": name, "config": NEEDED[name], "interval": "step"},
                           Length(steps=30)))  # fmt: skip
    both = expanded(curve(ADAMW, {"type": name, "config": NEEDED[name], "warmup": warm or None,
                                  "interval": "step"}, Length(steps=30 + warm)))  # fmt: skip
    rise = [0.1 * (step + 1) / warm for step in range(warm)]
    assert [lrs[0] for lrs in both[:warm]] == pytest.approx(rise)
    assert [lrs[0] for lrs in both[warm:]] == pytest.approx([lrs[0] for lrs in alone])


def test_ten_million_steps_are_quick_and_say_that_they_are_thinned() -> None:
    section = {"type": "CosineAnnealingLR", "config": {"T_max": 10_000_000}, "warmup": 2000}
    found = curve(ADAMW, section, Length(steps=10_000_000))

    assert (found["stepped"], found["exact"]) == (False, True)
    assert found["points"][1][:2] == ["warmup ends", 1999]
    assert found["points"][1][2] == pytest.approx(0.1)
    assert found["high"][0][0] == pytest.approx(0.1)


SLOW = {"inv_gamma": 50.0, "power": 0.9, "warmup": 0.998}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"inv_gamma": 900.0},  # rises from the first step on
        {"inv_gamma": 0.01, "warmup": 0.9995, "power": 1.5},  # falls first, then rises, then falls
        {"final_lr": 0.02},  # and rises again from where the decay ends
        {"power": -0.5},
        {"warmup": 0.0, "final_lr": 0.01},
    ],
)
def test_the_turns_of_inverse_lr_are_found(
    changes: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    section = {"type": "InverseLR", "config": SLOW | changes}
    monkeypatch.setattr(lr_curve, "BINS", 7)
    whole = curve(ADAMW, section, Length(steps=6000))
    monkeypatch.setattr(lr_curve, "STEPPED", 100)
    thin = curve(ADAMW, section, Length(steps=6000))
    for marks in ("low", "high"):
        assert thin[marks][0] == pytest.approx(whole[marks][0], rel=1e-12)
    assert thin["exact"]
    assert len(thin["rows"]) < 60


def test_a_slow_rise_over_a_long_run_is_quick() -> None:
    section = {"type": "InverseLR", "config": {**SLOW, "inv_gamma": 1e6, "warmup": 0.9999999}}
    found = curve(ADAMW, section, Length(steps=50_000_000))
    assert len(found["rows"]) < 3000
    assert [name for name, *_ in found["points"]] == ["start", "peak", "end"]


def test_a_learning_rate_that_no_float_holds_is_refused() -> None:
    section = {"type": "ExponentialLR", "config": {"gamma": 2.0}, "interval": "step"}
    for steps in (1200, 500_000):
        with pytest.raises(ConfigError, match="too large"):
            curve(ADAMW, section, Length(steps=steps))


def test_a_cycle_without_a_formula_for_its_turns_is_not_called_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lr_curve, "STEPPED", 100)
    config = NEEDED["CyclicLR"] | {"mode": "exp_range", "gamma": 0.999}
    found = curve(ADAMW, {"type": "CyclicLR", "config": config, "interval": "step"}, Length(900))
    assert not found["exact"]


# What is known of the length


def test_epochs_of_unknown_length_are_drawn_as_epochs() -> None:
    found = curve(ADAMW, {**COSINE, "interval": "epoch"}, Length(steps=500, epochs=9))
    assert (found["unit"], found["total"], found["known"]) == ("epoch", 9, True)
    assert len(expanded(found)) == 9
    assert "step 500" in " ".join(found["notes"])


def test_a_run_of_unknown_length_shows_what_the_scheduler_does_and_says_so() -> None:
    found = curve(ADAMW, {**COSINE, "warmup": 30}, Length(epochs=9))
    assert (found["unit"], found["total"], found["known"]) == ("step", 60, False)
    assert "unknown" in found["notes"][0]
    assert [name for name, *_ in found["points"]][-1] != "end"


def test_no_step_is_no_curve() -> None:
    found = curve(ADAMW, COSINE, Length(steps=0, batches=3))
    assert (found["total"], found["points"], found["low"]) == (0, [], [[], []])


def test_steps_begin_where_the_clock_says() -> None:
    clock = Clock("step", 3, Length(40, None, 11, 2), lambda unit: 1)
    taken = [clock.taken(done) for done in range(41)]
    for step in range(taken[-1] + 1):
        assert clock.begin(step) == taken.index(step)


# What is said of it


def notes(section: dict[str, Any], length: Length) -> str:
    return " ".join(curve(ADAMW, section, length)["notes"])


def test_a_plateau_is_drawn_as_it_stands_and_says_what_it_follows() -> None:
    section = {"type": "ReduceLROnPlateau", "config": {"patience": 3, "factor": 0.5}}
    found = curve(ADAMW, section, Length(epochs=5, batches=4))
    assert expanded(found) == [[0.1, 0.1]] * 20
    assert "follows val/loss" in found["notes"][0]
    assert "more than 3" in found["notes"][0]
    assert "0.5" in found["notes"][0]


@pytest.mark.parametrize(
    ("section", "length", "words"),
    [
        ({**COSINE, "interval": "step"}, Length(steps=50), "rises again"),
        ({"warmup": 80}, Length(steps=50), "the run ends before, after 50"),
        ({**COSINE, "interval": "epoch"}, Length(epochs=1, batches=9), "never moves"),
        ({**COSINE, "interval": "step", "frequency": 3}, Length(30, None, 11), "counts batches"),
        ({**COSINE, "interval": "step"}, Length(30, 4), "after 4 epochs"),
    ],
)
def test_what_one_would_not_expect_is_said(section: Any, length: Length, words: str) -> None:
    assert words in notes(section, length)


def test_a_scheduler_that_ends_before_the_run_is_refused_with_the_step() -> None:
    section = {"type": "OneCycleLR", "config": {"max_lr": 1, "total_steps": 20}, "interval": "step"}
    with pytest.raises(ConfigError, match="step 21 of 33"):
        curve(ADAMW, section, Length(epochs=3, batches=11))


def test_groups_are_named() -> None:
    assert curve(MUON, {}, Length(3))["groups"] == [
        "Muon",
        "AdamW, weight decay",
        "AdamW, no weight decay",
    ]
    assert curve({"type": "LBFGS"}, {}, Length(3))["groups"] == ["all"]


# The process that answers


def test_the_process_answers_line_by_line_without_lightning() -> None:
    length = {"steps": 5, "epochs": None, "batches": None, "accumulate": 1}
    requests = [
        {"id": 1, "optimizer": ADAMW, "scheduler": {"warmup": 2}, "length": length},
        {"id": 2, "optimizer": {"type": "Nothing"}, "scheduler": {}, "length": length},
        {"id": 3, "length": {}},
    ]
    code = (
        "import sys; from trainer.engine import lr_server; lr_server.serve();"
        "assert 'pytorch_lightning' not in sys.modules"
    )
    text = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True
    )
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert first["id"] == 1
    assert [lr for _, lr, _ in first["curve"]["rows"]] == pytest.approx([0.05, 0.1])
    assert "no optimiser 'Nothing'" in second["problems"][0]["what"]
    assert "KeyError" in third["problems"][0]["what"]
