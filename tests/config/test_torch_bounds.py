"""Bounds and choices of torch's keywords, held against what the installed torch itself refuses."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.optim import lr_scheduler  # noqa: E402

from trainer.config.torch_args import OPTIMIZERS, SCHEDULERS, Keyword  # noqa: E402
from trainer.config.torch_bounds import bounds_of, choices_of  # noqa: E402
from trainer.config.torch_rules import optimizer_problems, scheduler_problems  # noqa: E402

PROBES = [-2.0, -1.0, -1e-6, 0.0, 1e-6, 0.5, 0.999999, 1.0, 1.5, 2.0, 1e6]
NEEDED = {
    "CosineAnnealingLR": {"T_max": 9},
    "CosineAnnealingWarmRestarts": {"T_0": 9},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 1.0},
    "ExponentialLR": {"gamma": 0.9},
    "MultiStepLR": {"milestones": [3]},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 9},
    "StepLR": {"step_size": 3},
}


def construct(kind: str, keywords: dict[str, Any]) -> None:
    """Build a class of torch and take a step."""
    weight = nn.Parameter(torch.ones(2, 2))
    if kind in OPTIMIZERS:
        optimizer = getattr(torch.optim, kind)([weight], **keywords)
        grad = torch.ones(2, 2)
        weight.grad = grad.to_sparse() if kind == "SparseAdam" else grad
        optimizer.step((weight * 0).sum)
        return
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    scheduler = getattr(lr_scheduler, kind)(optimizer, **keywords)
    scheduler.step(1.0) if kind == "ReduceLROnPlateau" else scheduler.step()


def torch_refuses(kind: str, keywords: dict[str, Any]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            construct(kind, keywords)
        except (TypeError, ValueError, RuntimeError, ArithmeticError, KeyError):
            return True
    return False


def we_refuse(kind: str, keywords: dict[str, Any]) -> bool:
    section = "optimizer" if kind in OPTIMIZERS else "scheduler"
    find = optimizer_problems if section == "optimizer" else scheduler_problems
    return bool(list(find({section: {"type": kind, "config": keywords}}, {})))


def classes() -> list[str]:
    return [*OPTIMIZERS, *(name for name in SCHEDULERS if name != "InverseLR")]


def words(kind: str) -> tuple[Keyword, ...]:
    return OPTIMIZERS.get(kind) or SCHEDULERS[kind]


@pytest.mark.parametrize("kind", classes())
def test_what_we_let_through_torch_takes(kind: str) -> None:
    base = NEEDED.get(kind, {})
    assert not torch_refuses(kind, base)
    for word in words(kind):
        number, _, count = word.kind.partition("*")
        if number not in ("float", "int", "float or list"):
            continue
        for probe in PROBES:
            value: Any = probe if number != "int" else int(probe)
            if number == "int" and abs(value) > 100:
                continue
            values = [value]
            if count:
                values = [
                    tuple(
                        value if at == place else default for at, default in enumerate(word.default)
                    )
                    for place in range(int(count))
                ]
            for each in values:
                keywords = base | {word.name: each}
                assert we_refuse(kind, keywords) or not torch_refuses(kind, keywords), keywords


# Where torch takes what would be of no use, or fails later.
STRICTER = {"T_max", "step_size", "total_iters", "history_size", "max_iter", "max_eval", "eta_min",
            "max_lr", "base_lr", "min_lr", "power", "patience", "cooldown", "threshold", "factor",
            "last_epoch", "base_momentum", "max_momentum", "div_factor", "final_div_factor",
            "pct_start", "tolerance_grad", "tolerance_change", "lr", "weight_decay", "momentum",
            "step_size_up", "step_size_down", "alpha", "ns_steps", "eps", "epochs",
            "steps_per_epoch", "start_factor", "gamma"}  # fmt: skip


@pytest.mark.parametrize("kind", classes())
def test_what_we_refuse_torch_refuses_or_has_no_use_for(kind: str) -> None:
    base = NEEDED.get(kind, {})
    for word in words(kind):
        if word.kind not in ("float", "float or list") or word.name in STRICTER:
            continue
        for probe in PROBES:
            keywords = base | {word.name: probe}
            assert torch_refuses(kind, keywords) or not we_refuse(kind, keywords), keywords


@pytest.mark.parametrize("kind", classes())
def test_choices_are_torchs(kind: str) -> None:
    base = NEEDED.get(kind, {})
    for word in words(kind):
        for choice in choices_of(kind, word.name):
            keywords = base | {word.name: choice}
            assert not we_refuse(kind, keywords)
            assert not torch_refuses(kind, keywords), keywords
        if word.kind == "str":
            assert we_refuse(kind, base | {word.name: "no such thing"}), word


@pytest.mark.parametrize(("kind", "word"), [("AdamW", "betas"), ("Rprop", "etas")])
def test_pairs_name_the_part_that_is_wrong(kind: str, word: str) -> None:
    section = {"type": kind, "config": {word: [0.5, 0.5] if word == "etas" else [0.9, 1.0]}}
    (found,) = optimizer_problems({"optimizer": section}, {})
    assert "the second" in found.what
    bounds = bounds_of(kind, word, 1)
    assert bounds is not None
    assert str(bounds) in found.what


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 10**400])
def test_a_number_that_no_float_holds_is_refused(value: float) -> None:
    # Bounded, unbounded, one of several, and one in a list.
    assert we_refuse("AdamW", {"lr": value})
    assert we_refuse("InverseLR", {"power": value})
    assert we_refuse("AdamW", {"betas": [0.9, value]})
    assert we_refuse("CyclicLR", {"base_lr": [0.1, value], "max_lr": 1.0})


@pytest.mark.parametrize("stones", [["a"], [1.5], [-1], [True], [None]])
def test_milestones_are_whole_numbers(stones: list[Any]) -> None:
    assert we_refuse("MultiStepLR", {"milestones": stones})
    assert not we_refuse("MultiStepLR", {"milestones": [3, 3, 0]})
