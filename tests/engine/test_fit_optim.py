"""Optimisers and schedulers by name."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from trainer.engine.optim import MuonWithAdamW, make_optimizer
from trainer.engine.override import override
from trainer.engine.schedule import InverseLR, make_scheduler
from trainer.errors import ConfigError


@pytest.fixture
def net():
    return nn.Sequential(
        nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Conv1d(4, 2, 1), nn.Linear(4, 1)
    )


def lrs(optimizer, config, steps):
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        config["scheduler"].step()
    return seen


def sgd(lr=1.0):
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)


def test_every_torch_optimiser_can_be_named(net):
    for name, cls in vars(torch.optim).items():
        if not (isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)):
            continue
        if name == "Optimizer":
            continue
        made = make_optimizer(net, {"type": name, "config": {"lr": 0.01}, "no_decay": False})
        assert isinstance(made, MuonWithAdamW if name == "Muon" else cls)
        held = {p for group in made.param_groups for p in group["params"]}
        assert held == set(net.parameters())


def test_norms_biases_and_vectors_are_spared_the_weight_decay(net, capsys):
    section = {"type": "AdamW", "config": {"weight_decay": 0.1}, "no_decay": True}
    made = make_optimizer(net, section | {"no_decay_verbose": True})

    decayed, spared = made.param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert {id(p) for p in decayed["params"]} == {id(net[i].weight) for i in (0, 1, 3, 4)}
    assert "2.weight" in capsys.readouterr().out


def test_frozen_parameters_are_left_out(net):
    net[1].requires_grad_(False)
    made = make_optimizer(net, {"type": "SGD", "config": {}})

    assert len(made.param_groups[0]["params"]) == len(list(net.parameters())) - 2
    net.requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter to train"):
        make_optimizer(net, {"type": "SGD"})


def test_lbfgs_takes_one_group(net):
    made = make_optimizer(net, {"type": "LBFGS", "config": {"lr": 0.5}, "no_decay": True})

    assert len(made.param_groups) == 1


def test_muon_takes_matrices_and_adamw_the_rest(net):
    section = {
        "type": "Muon",
        "config": {"lr": 0.02, "weight_decay": 0.1, "adamw": {"lr": 0.001, "betas": [0.9, 0.95]}},
        "no_decay": True,
    }
    made = make_optimizer(net, section)

    muon, adamw = made.parts["muon"], made.parts["adamw"]
    assert {id(p) for p in muon.param_groups[0]["params"]} == {id(net[1].weight), id(net[4].weight)}
    assert [g["lr"] for g in adamw.param_groups] == [0.001] * 2
    assert [g["weight_decay"] for g in adamw.param_groups] == [0.1, 0.0]
    assert adamw.param_groups[0]["betas"] == (0.9, 0.95)
    config = make_scheduler(made, {"type": "StepLR", "config": {"step_size": 1, "gamma": 0.5}})
    before = [p.clone() for p in net.parameters()]
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    made.step()
    config["scheduler"].step()
    assert all(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert muon.param_groups[0]["lr"] == 0.01

    state = made.state_dict()
    again = make_optimizer(net, section)
    again.load_state_dict(state)
    assert again.param_groups[0] is again.parts["muon"].param_groups[0]
    assert again.param_groups[0]["lr"] == 0.01
    with pytest.raises(ValueError, match="Muon"):
        again.load_state_dict({"state": {}, "param_groups": []})


def test_warmup_rises_linearly_and_hands_over():
    optimizer = sgd(lr=1.0)
    config = make_scheduler(
        optimizer,
        {"type": "CosineAnnealingLR", "config": {"T_max": 10}, "warmup": {"steps": 4}},
    )
    alone = sgd(lr=1.0)
    cosine = {"scheduler": lr_scheduler.CosineAnnealingLR(alone, 10)}

    assert config["interval"] == "step"
    seen = lrs(optimizer, config, 10)
    assert seen[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert seen[4:] == pytest.approx(lrs(alone, cosine, 6))


def test_warmup_alone():
    optimizer = sgd(lr=2.0)
    config = make_scheduler(optimizer, {"type": None, "warmup": 2})

    assert lrs(optimizer, config, 4) == [1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("section", "interval"),
    [
        ({"type": "StepLR"}, "epoch"),
        ({"type": "StepLR", "interval": "step"}, "step"),
        ({"type": "StepLR", "warmup": 3}, "step"),
        ({"type": "StepLR", "warmup": {"steps": 3, "interval": "epoch"}}, "epoch"),
        ({"type": "StepLR", "interval": "epoch", "warmup": 3}, "epoch"),
    ],
)
def test_one_interval_governs_scheduler_and_warmup(section, interval):
    config = make_scheduler(sgd(), section | {"config": {"step_size": 2}})

    assert config["interval"] == interval


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (
            {"type": "StepLR", "interval": "epoch", "warmup": {"steps": 3, "interval": "step"}},
            "counts by epoch and its warmup by step",
        ),
        ({"type": "OneCycleLR", "config": {"max_lr": 1, "total_steps": 9}, "warmup": 3}, "jump"),
        (
            {"type": "OneCycleLR", "config": {"max_lr": 1, "total_steps": 10, "pct_start": 0.1}},
            "zero",
        ),
        ({"type": "StepLR", "config": {"step_size": 1, "last_epoch": 3}}, "refuses its settings"),
        ({"type": "ReduceLROnPlateau", "warmup": 3}, "follows a metric"),
        (
            {"type": "CyclicLR", "config": {"base_lr": 0.1, "max_lr": 1.0}, "warmup": 3},
            "CyclicLR cannot follow",
        ),
        ({"type": "StepLR", "warmup": -1, "config": {"step_size": 1}}, "whole number"),
        ({"type": "InverseLR", "config": {"warmup": 1.0}}, "at least 0 and below 1"),
        ({"type": "SequentialLR"}, "other schedulers"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_with_the_reason(section, words):
    with pytest.raises(ConfigError, match=words):
        make_scheduler(sgd(), section)


def test_disabled_or_missing_is_none():
    assert make_scheduler(sgd(), {"type": "StepLR", "enabled": False}) is None
    assert make_scheduler(sgd(), {"type": None}) is None


def test_inverse_lr_follows_its_formula():
    optimizer = sgd(lr=0.5)
    keywords = {"inv_gamma": 10.0, "power": 0.5, "warmup": 0.9, "final_lr": 0.2}
    config = make_scheduler(optimizer, {"type": "InverseLR", "config": keywords})

    expected = [(1 - 0.9 ** (t + 1)) * max(0.2, 0.5 * (1 + t / 10) ** -0.5) for t in range(80)]
    assert config["interval"] == "step"
    assert lrs(optimizer, config, 80) == pytest.approx(expected)


def test_inverse_lr_defaults():
    optimizer = sgd(lr=1.0)
    assert lrs(optimizer, {"scheduler": InverseLR(optimizer)}, 3) == [
        1.0,
        0.5,
        pytest.approx(1 / 3),
    ]


def test_plateau_watches_the_validation_loss_by_default():
    config = make_scheduler(sgd(), {"type": "ReduceLROnPlateau"})

    assert (config["monitor"], config["reduce_on_plateau"]) == ("val/loss", True)


@pytest.mark.parametrize("steps", [2, 7])
def test_resume_lr_is_a_new_base_for_the_same_schedule(steps):
    section = {"type": "CosineAnnealingLR", "config": {"T_max": 20}, "warmup": {"steps": 4}}
    one, other = sgd(lr=1.0), sgd(lr=0.1)
    made, wanted = make_scheduler(one, section), make_scheduler(other, section)
    lrs(one, made, steps)
    lrs(other, wanted, steps)
    trainer = SimpleNamespace(
        optimizers=[one], lr_scheduler_configs=[SimpleNamespace(scheduler=made["scheduler"])]
    )

    override(trainer, lr=0.1, weight_decay=None)

    assert lrs(one, made, 6) == pytest.approx(lrs(other, wanted, 6))


def test_resume_weight_decay_leaves_spared_groups_alone(net):
    section = {"type": "AdamW", "config": {"weight_decay": 0.1}, "no_decay": True}
    optimizer = make_optimizer(net, section)

    override(
        SimpleNamespace(optimizers=[optimizer], lr_scheduler_configs=[]), lr=None, weight_decay=0.3
    )

    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]
    assert optimizer.param_groups[0]["lr"] == 0.001
