"""Settings of optimiser, scheduler and trainer that contradict each other are told before launch."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.config.compose import compose
from trainer.config.torch_together import contradictions, plateau_notes
from trainer.errors import ConfigError

CYCLE = {"type": "OneCycleLR", "interval": "step", "config": {"max_lr": 1.0, "total_steps": 90}}


def keys(**sections: Any) -> list[str]:
    return [problem.key for problem in contradictions(sections, {})]


@pytest.mark.parametrize(
    ("key", "sections"),
    [
        ("optimizer.config.nesterov", {"optimizer": {"type": "SGD", "config": {"nesterov": True}}}),
        (
            "optimizer.config.nesterov",
            {"optimizer": {"type": "SGD",
                           "config": {"nesterov": True, "momentum": 0.9, "dampening": 0.1}}},
        ),
        (
            "optimizer.config.foreach",
            {"optimizer": {"type": "AdamW", "config": {"fused": True, "foreach": True}}},
        ),
        (
            "trainer.resume_weight_decay",
            {"optimizer": {"type": "LBFGS"}, "trainer": {"resume_weight_decay": 0.1}},
        ),
        (
            "scheduler.config.cycle_momentum",
            {"optimizer": {"type": "Adagrad"}, "scheduler": CYCLE},
        ),
        ("scheduler.config.cycle_momentum", {"optimizer": {"type": "Muon"}, "scheduler": CYCLE}),
        (
            "scheduler.config.total_steps",
            {"optimizer": {}, "scheduler": CYCLE, "trainer": {"max_steps": 91}},
        ),
        (
            "scheduler.config.total_steps",
            {"optimizer": {}, "scheduler": CYCLE | {"interval": "epoch"},
             "trainer": {"max_epochs": 91, "max_steps": -1}},
        ),
        (
            "scheduler.config.pct_start",
            {"optimizer": {}, "scheduler": CYCLE | {"config": {
                "max_lr": 1.0, "epochs": 2, "steps_per_epoch": 5, "pct_start": 0.1}}},
        ),
        (
            "scheduler.interval",
            {"optimizer": {}, "scheduler": {"type": "ReduceLROnPlateau", "interval": "step"}},
        ),
        (
            "scheduler.interval",
            {"optimizer": {}, "trainer": {"val_check_interval": 50},
             "scheduler": {"type": "ReduceLROnPlateau", "interval": "step", "frequency": 49}},
        ),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_told(key: str, sections: dict[str, Any]) -> None:
    assert keys(**sections) == [key]


@pytest.mark.parametrize(
    "sections",
    [
        {"optimizer": {"type": "SGD", "config": {"nesterov": True, "momentum": 0.9}}},
        {"optimizer": {"type": "Nothing"}, "scheduler": CYCLE},
        {"optimizer": {"type": "Muon"}, "scheduler": CYCLE | {"enabled": False}},
        {
            "optimizer": {"type": "Adagrad"},
            "scheduler": CYCLE | {"config": CYCLE["config"] | {"cycle_momentum": False}},
        },
        {"optimizer": {}, "scheduler": CYCLE, "trainer": {"max_steps": 90}},
        # Which end comes first is known only with the data.
        {"optimizer": {}, "scheduler": CYCLE, "trainer": {"max_steps": 900, "max_epochs": 1}},
        {
            "optimizer": {},
            "trainer": {"val_check_interval": 50},
            "scheduler": {"type": "ReduceLROnPlateau", "interval": "step", "frequency": 50},
        },
        {
            "optimizer": {},
            "scheduler": {
                "type": "ReduceLROnPlateau",
                "interval": "step",
                "monitor": "train/x",
            },
        },
        {"optimizer": {}, "trainer": {"resume_weight_decay": 0.1}},
    ],
)
def test_what_goes_together_is_let_through(sections: dict[str, Any]) -> None:
    assert keys(**sections) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lr_warmup=10", "scheduler.type=ReduceLROnPlateau"], "cannot follow a warmup"),
        (["scheduler=onecycle", "trainer.max_steps=90", "lr_warmup=10"], "cannot follow a warmup"),
        (
            ["scheduler.type=CyclicLR", "scheduler.config.base_lr=0.1", "scheduler.config.max_lr=1",
             "scheduler.warmup=5"],
            "cannot follow a warmup",
        ),
        (["scheduler.type=LambdaLR", "scheduler.warmup=5"], "needs a function"),
        (
            ["scheduler=cosine", "scheduler.interval=epoch", "trainer.max_epochs=3", "lr_warmup={steps:5,interval:step}"],
            "counts by epoch and its warmup by step",
        ),
        (["lr_warmup={interval:step}"], "needs 'steps'"),
        (["optimizer.config.beta=0.9"], "It takes lr, betas, eps"),
        (["optimizer.config.betas=[0.9,1.0]"], "the second ≥ 0, < 1"),
        (["optimizer=muon", "optimizer.config.adamw=3"], "a section of keywords"),
        (["optimizer=lbfgs", "optimizer.config.line_search_fn=wolfe"], "'strong_wolfe' or null"),
    ],
)  # fmt: skip
def test_everything_is_refused_when_composed(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")) as caught:
        compose(["quickstart", *words])
    assert all(problem.key for problem in caught.value.problems)


def test_a_plateau_that_looks_more_often_than_is_validated_is_noted() -> None:
    section = {"type": "ReduceLROnPlateau"}
    trainer = {"check_val_every_n_epoch": 5}
    (note,) = plateau_notes({"scheduler": section, "trainer": trainer})
    assert "scheduler.frequency=5" in note
    for more in ({"frequency": 5}, {"enabled": False}, {"monitor": "train/loss_epoch"}):
        assert not list(plateau_notes({"scheduler": section | more, "trainer": trainer}))
