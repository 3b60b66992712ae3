"""Keywords of optimisers and schedulers, as torch takes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from trainer.config.schema import defaults
from trainer.config.validate import validate

sys.path.insert(0, str(Path(__file__).parent))
from validlab import config_with, problem


def test_a_wrong_keyword_of_an_optimizer_names_the_allowed_ones() -> None:
    found = problem("optimizer.config.beta", optimizer__config={"lr": 1e-3, "beta": 0.9})
    assert "AdamW takes no 'beta'" in found.what
    assert "Did you mean 'betas'?" in found.remedy
    assert "weight_decay" in found.remedy


def test_an_unknown_optimizer_gets_the_nearest() -> None:
    assert "'AdamW'" in problem("optimizer.type", optimizer__type="AdmW").remedy
    assert "'AdamW'" in problem("optimizer.type", optimizer__type="adamw").remedy
    assert "'SGD'" in problem("optimizer.type", optimizer__type="sgd").remedy
    assert (
        "'T_max'"
        in problem(
            "scheduler.config.t_max",
            scheduler={"type": "CosineAnnealingLR", "config": {"T_max": 1, "t_max": 1}},
        ).remedy
    )


@pytest.mark.parametrize("name", ["params", "optimizer", "self"])
def test_what_the_engine_gives_itself_cannot_be_given(name: str) -> None:
    problem(f"optimizer.config.{name}", optimizer__config={name: 1})


@pytest.mark.parametrize(
    ("kind", "keywords"),
    [
        ("AdamW", {"lr": "fast"}),
        ("AdamW", {"lr": True}),
        ("AdamW", {"lr": -1e-3}),
        ("AdamW", {"lr": None}),
        ("AdamW", {"betas": [0.9]}),
        ("AdamW", {"betas": 0.9}),
        ("AdamW", {"betas": [0.9, "x"]}),
        ("AdamW", {"amsgrad": 1}),
        ("LBFGS", {"max_iter": 1.5}),
        ("LBFGS", {"line_search_fn": 3}),
        ("Muon", {"ns_coefficients": [1, 2]}),
        ("Adafactor", {"eps": [1]}),
    ],
)
def test_values_of_keywords_are_checked(kind: str, keywords: dict[str, Any]) -> None:
    (name,) = keywords
    problem(f"optimizer.config.{name}", optimizer__type=kind, optimizer__config=keywords)


@pytest.mark.parametrize(
    ("kind", "keywords"),
    [
        ("AdamW", {"lr": 1, "betas": [0, 0.99], "fused": None, "foreach": True}),
        ("Adafactor", {"eps": [None, 1e-3]}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("Muon", {"lr": 0.02, "adamw": {"lr": 1e-3, "betas": [0.9, 0.95]}}),
        ("LBFGS", {"line_search_fn": "strong_wolfe"}),
    ],
)
def test_right_keywords_are_right(kind: str, keywords: dict[str, Any]) -> None:
    assert validate(config_with(optimizer__type=kind, optimizer__config=keywords)) == []


def test_the_adamw_beside_muon_is_checked_too() -> None:
    problem(
        "optimizer.config.adamw.beta",
        optimizer__type="Muon",
        optimizer__config={"adamw": {"beta": 1}},
    )


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("type", {"type": "Cosine"}),
        ("type", {"type": "LambdaLR"}),
        ("type", {"type": "SequentialLR"}),
        ("config.T_max", {"type": "CosineAnnealingLR"}),
        ("config.T_max", {"type": "CosineAnnealingLR", "config": {"T_max": -1}}),
        ("config.T_max", {"type": "CosineAnnealingLR", "config": {"T_max": None}}),
        ("config.gama", {"type": "ExponentialLR", "config": {"gamma": 0.9, "gama": 1}}),
        ("config.milestones", {"type": "MultiStepLR", "config": {"milestones": 3}}),
        ("config.scale_fn", {"type": "CyclicLR",
                             "config": {"base_lr": 0.1, "max_lr": [1], "scale_fn": "x"}}),
        ("config.total_steps", {"type": "OneCycleLR", "config": {"max_lr": 0.1}}),
        ("config.warmup", {"type": "InverseLR", "config": {"warmup": 1.0}}),
        ("config.inv_gamma", {"type": "InverseLR", "config": {"inv_gamma": 0}}),
        ("warmup", {"type": "ReduceLROnPlateau", "warmup": 5}),
        ("warmup", {"type": "OneCycleLR", "warmup": {"steps": 5},
                    "config": {"max_lr": 0.1, "total_steps": 9}}),
        ("warmup.interval", {"type": "InverseLR", "interval": "step",
                             "warmup": {"steps": 5, "interval": "epoch"}}),
    ],
)  # fmt: skip
def test_wrong_schedulers(key: str, section: dict[str, Any]) -> None:
    found = problem(f"scheduler.{key}", scheduler=defaults()["scheduler"] | section)
    assert found.what


@pytest.mark.parametrize(
    "section",
    [
        {"type": "InverseLR", "config": {"inv_gamma": 1.0, "power": 1.0, "warmup": 0}},
        {"type": "OneCycleLR", "config": {"max_lr": 1, "epochs": 3, "steps_per_epoch": 5}},
        {"type": "ReduceLROnPlateau", "warmup": 0, "monitor": "val/loss"},
        {"type": "InverseLR", "interval": "step", "warmup": {"steps": 5, "interval": None}},
        {"type": "LambdaLR", "enabled": False},
        {"type": None, "warmup": 100},
        {"type": "MultiStepLR", "config": {"milestones": [3, 5]}},
    ],
)
def test_right_schedulers(section: dict[str, Any]) -> None:
    assert validate(config_with(scheduler=defaults()["scheduler"] | section)) == []


def test_a_length_that_follows_an_unset_limit_says_which_to_set() -> None:
    for unset in (-1, None):
        section = {"type": "CosineAnnealingLR", "config": {"T_max": unset}}
        found = problem("scheduler.config.T_max", scheduler=section)
        assert "trainer.max_steps" in found.remedy
