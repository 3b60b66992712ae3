"""Generic terms against slow references, and their gradients against differences."""

from __future__ import annotations

import cmath
import inspect
import math

import pytest
import torch

from trainer.config.loss_terms import TERMS
from trainer.engine.losses import generic
from trainer.engine.losses.outputs import Outputs, Supervised, outputs_of, parts_of
from trainer.engine.losses.terms import Term, ValueLoss, call
from trainer.engine.targets import locate
from trainer.errors import ConfigError


def example(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


X, Y = example(3, 9), example(3, 9, seed=1)


def mean(values) -> float:
    values = list(values)
    return math.fsum(values) / len(values)


def slow_smoothness(order: int) -> float:
    rows = X.tolist()
    if order == 1:
        return mean((row[i + 1] - row[i]) ** 2 for row in rows for i in range(8))
    return mean((row[i + 1] - 2 * row[i] + row[i - 1]) ** 2 for row in rows for i in range(1, 8))


def slow_power(cutoff: float) -> float:
    found = []
    for row in X.tolist():
        centre = mean(row)
        for k in range(9 // 2 + 1):
            if k / 9 > cutoff:
                terms = [
                    (x - centre) * cmath.exp(-2j * math.pi * k * n / 9) for n, x in enumerate(row)
                ]
                found.append(abs(sum(terms)) ** 2 / 9)
    return mean(found)


def pairs():
    return zip(X.flatten().tolist(), Y.flatten().tolist(), strict=True)


def slow_huber(delta: float) -> float:
    errors = [abs(x - y) for x, y in pairs()]
    return mean(e * e / 2 if e <= delta else delta * (e - delta / 2) for e in errors)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (generic.MSE(), mean((x - y) ** 2 for x, y in pairs())),
        (generic.MSE("sum"), math.fsum((x - y) ** 2 for x, y in pairs())),
        (generic.L1(), mean(abs(x - y) for x, y in pairs())),
        (generic.Huber(0.7), slow_huber(0.7)),
        (generic.Smoothness(), slow_smoothness(2)),
        (generic.Smoothness(1), slow_smoothness(1)),
        (
            generic.Smoothness(1, skip=6),
            mean((r[i + 1] - r[i]) ** 2 for r in X.tolist() for i in (6, 7)),
        ),
        (generic.HighFrequency(skip=7), mean((r[7] - r[8]) ** 2 / 2 for r in X.tolist())),
        (generic.HighFrequency(), slow_power(0.25)),
        (generic.HighFrequency(0.0), slow_power(0.0)),
        (generic.HighFrequency(2 / 9), slow_power(2 / 9)),
        (generic.Nonnegativity(), mean(max(-x, 0.0) for x, _ in pairs())),
        (
            generic.Nonnegativity("softplus", 3.0),
            mean(math.log1p(math.exp(-3 * x)) for x, _ in pairs()),
        ),
        (generic.Nonnegativity("exp"), mean(math.exp(-x) for x, _ in pairs())),
        (ValueLoss("kl"), 0.25),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Term) else "",
)
def test_a_term_is_what_its_formula_says(term, expected):
    value = term(Outputs(X, Y, info={"kl": torch.tensor(0.25)}))
    assert float(value) == pytest.approx(expected, rel=1e-12)
    assert value.ndim == 0
    if isinstance(term, ValueLoss):
        return
    # Away from kinks, which the example's numbers are.
    assert torch.autograd.gradcheck(lambda x: term(Outputs(x, Y)), X.clone().requires_grad_())


def test_cross_entropy():
    logits, target = example(2, 3, 5), torch.tensor([[0, 4, 2], [1, 1, 3]])
    expected = mean(
        math.log(sum(math.exp(v) for v in row)) - row[int(wanted)]
        for row, wanted in zip(logits.flatten(0, 1).tolist(), target.flatten(), strict=True)
    )
    term = generic.CrossEntropy()
    assert float(term(Outputs(logits, target))) == pytest.approx(expected)
    smoothed = generic.CrossEntropy(label_smoothing=0.1)
    assert float(smoothed(Outputs(logits, target))) > expected
    assert float(smoothed.eval()(Outputs(logits, target))) == pytest.approx(expected)
    assert torch.autograd.gradcheck(
        lambda x: term(Outputs(x, target)), logits.clone().requires_grad_()
    )


def test_constants_have_no_high_frequencies_and_short_ones_none_at_all():
    assert float(generic.HighFrequency()(Outputs(torch.full((2, 8), 3.0)))) == 0.0
    assert generic.HighFrequency(0.49)(Outputs(torch.randn(2, 5))) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: generic.Smoothness(3),
        lambda: generic.Nonnegativity("wall"),
        lambda: generic.Nonnegativity(sharpness=0.0),
        lambda: generic.HighFrequency(0.5),
        lambda: generic.Smoothness(skip=-1),
        lambda: generic.Smoothness(skip=2)(Outputs(torch.ones(4, 4))),
        lambda: generic.Huber(-1.0),
        lambda: generic.MSE("none"),
        lambda: generic.MSE()(Outputs(torch.ones(4), torch.ones(4, 1))),
        lambda: generic.MSE()(Outputs(torch.ones(4))),
        lambda: generic.Smoothness()(Outputs(torch.ones(4, 2))),
        lambda: call(torch.nn.L1Loss(), Outputs(torch.ones(2)), "loss.composite.x"),
        lambda: call(torch.nn.L1Loss(reduction="none"), Outputs(torch.ones(2), torch.ones(2)), "k"),
    ],
)
def test_what_makes_no_sense_is_refused(make):
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize("name", [name for name, row in TERMS.items() if row.target])
def test_the_table_of_names_knows_the_classes(name):
    row = TERMS[name]
    cls = locate(row.target, Term)
    parameters = inspect.signature(cls).parameters
    assert row.keywords == tuple(parameters)
    assert row.required == tuple(
        p.name for p in parameters.values() if p.default is inspect.Parameter.empty
    )


def test_batches_and_outputs_of_many_shapes():
    x, y = torch.ones(2, 3), torch.zeros(2, 3)
    assert parts_of((x, y)) == (x, y)
    assert parts_of([x, y, x]) == (x, y)
    assert parts_of(x) == (x, x)
    assert parts_of([x]) == (x, x)
    assert parts_of({"x": x, "labels": y}) == (x, y)
    assert parts_of({"inputs": x}) == (x, x)
    assert parts_of((x, 1, y), 0, 2) == (x, y)
    assert Supervised("a", "b")(torch.nn.Identity(), {"a": x, "b": y}).target is y
    with pytest.raises(ConfigError, match="'b' among a"):
        parts_of({"a": x}, "a", "b")
    with pytest.raises(ConfigError, match="'inputs' among z"):
        parts_of({"z": x})

    info = {"kl": torch.tensor(1.0)}
    assert outputs_of(x, y) == Outputs(x, y)
    assert outputs_of((x, info), y).info is info
    assert outputs_of({"logits": x, "loss_info": info}, None) == Outputs(x, None, info)
    with pytest.raises(ConfigError, match="the model gave list"):
        outputs_of([x], y)
