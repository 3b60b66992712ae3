"""`resume_lr` and `resume_weight_decay`: the same schedule on another base."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
import torch
from enginelab.schedules import ADAMW, MUON, NEEDED
from torch import nn
from torch.optim import lr_scheduler

from trainer.engine.optim import make_optimizer
from trainer.engine.override import override
from trainer.engine.schedule import make_scheduler


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def of(optimizer, scheduler=None):
    configs = [] if scheduler is None else [SimpleNamespace(scheduler=scheduler)]
    return SimpleNamespace(optimizers=[optimizer], lr_scheduler_configs=configs)


def made(section, scheduler):
    optimizer = make_optimizer(nn.Sequential(nn.Linear(2, 2), nn.Embedding(2, 2)), section)
    return optimizer, make_scheduler(optimizer, scheduler)["scheduler"]


def lrs(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


# The base of a cycle is one of its own bounds.
OTHER = {
    "CyclicLR": {"base_lr": 0.001, "max_lr": 0.1},
    "OneCycleLR": {"max_lr": 0.01},
}


@pytest.mark.parametrize("warm", [0, 7])
@pytest.mark.parametrize("done", [0, 3, 200])
@pytest.mark.parametrize("name", list(NEEDED))
def test_every_schedule_goes_on_as_if_it_had_had_the_new_base(name, done, warm):
    if warm and name in OTHER:
        pytest.skip("cannot follow a warmup")
    section = {"type": name, "config": NEEDED[name], "interval": "step", "warmup": warm}
    wanted = section | {"config": NEEDED[name] | OTHER.get(name, {})}
    lr = {"CyclicLR": 0.001}.get(name, 0.01)
    one, moves = made(ADAMW, section)
    other, moves_other = made(ADAMW | {"config": ADAMW["config"] | {"lr": lr}}, wanted)
    for _ in range(done):
        moves.step()
        moves_other.step()

    override(of(one, moves), lr=lr, weight_decay=None)

    for _ in range(40):
        assert lrs(one) == pytest.approx(lrs(other), rel=1e-9)
        moves.step()
        moves_other.step()
    assert moves.get_last_lr() == lrs(one)


def test_groups_keep_their_proportion():
    optimizer, moves = made(MUON, {"type": "StepLR", "config": {"step_size": 2}})
    moves.step()
    moves.step()
    override(of(optimizer, moves), lr=0.2, weight_decay=None)
    assert lrs(optimizer) == pytest.approx([0.02, 0.001, 0.001])
    assert [group["initial_lr"] for group in optimizer.param_groups] == pytest.approx(
        [0.2, 0.01, 0.01]
    )
    assert moves.base_lrs == pytest.approx([0.2, 0.01, 0.01])


def test_a_run_does_it_once():
    section = {"type": "ReduceLROnPlateau", "config": {"patience": 0, "factor": 0.5}}
    optimizer, moves = made(ADAMW, section)
    override(of(optimizer, moves), lr=0.2, weight_decay=None, run="one")
    moves.step(1.0)
    moves.step(1.0)
    assert lrs(optimizer) == [0.1, 0.1]
    state = optimizer.state_dict()
    again, _ = made(ADAMW, section)
    again.load_state_dict(state)

    override(of(again), lr=0.2, weight_decay=None, run="one")
    assert lrs(again) == [0.1, 0.1]
    override(of(again), lr=0.2, weight_decay=None, run="another")
    assert lrs(again) == [0.2, 0.2]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (ADAMW, [0.3, 0.0]),
        ({"type": "Adam", "config": {}}, [0.3]),
        ({"type": "Adam", "config": {}, "no_decay": True}, [0.3, 0.0]),
        (MUON, [0.3, 0.3, 0.0]),
    ],
)
def test_a_weight_decay_reaches_all_groups_but_the_spared_ones(section, expected):
    optimizer, _ = made(section, {"warmup": 2})
    override(of(optimizer), lr=None, weight_decay=0.3)
    assert [group["weight_decay"] for group in optimizer.param_groups] == expected


def test_groups_of_ones_own_without_weight_decay_stay_without():
    one, two = (nn.Parameter(torch.ones(2)) for _ in range(2))
    groups = [{"params": [one], "weight_decay": 0.1}, {"params": [two], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups)
    override(of(optimizer), lr=None, weight_decay=0.3)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]


def test_a_chain_of_ones_own_gets_new_bases():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    parts = [lr_scheduler.ExponentialLR(optimizer, 0.5), lr_scheduler.ConstantLR(optimizer, 0.5)]
    chain = lr_scheduler.ChainedScheduler(parts, optimizer)
    override(of(optimizer, chain), lr=0.1, weight_decay=None)
    assert [part.base_lrs for part in parts] == [[0.1], [0.1]]
    assert lrs(optimizer) == [0.1]
