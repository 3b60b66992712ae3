"""MixUp and mu-law tokens, against slow references that follow the definitions."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.engine.mixup import MixUp, mu_law
from trainer.errors import ConfigError


def slow_token(x: float, mu: int, max_val: float) -> int:
    x = max(-0.999, min(0.999, x / max_val))
    y = math.copysign(math.log(1 + mu * abs(x)) / math.log(1 + mu), x)
    return math.floor((y + 1) / 2 * mu + 0.5)


def slow_mix(x, y, weight, order):
    """Blend element by element."""
    mixed_x, mixed_y = torch.empty_like(x), torch.empty_like(y)
    for i, j in enumerate(order):
        for place in np.ndindex(*x.shape[1:]):
            mixed_x[i][place] = weight * float(x[i][place]) + (1 - weight) * float(x[j][place])
        for place in np.ndindex(*y.shape[1:]):
            mixed_y[i][place] = weight * float(y[i][place]) + (1 - weight) * float(y[j][place])
    return mixed_x, mixed_y


def drawn(x: torch.Tensor, mixed: torch.Tensor) -> tuple[float, list[int]]:
    """Find weight and partners from what came out, where samples are unit vectors."""
    weights, order = [], []
    for i, row in enumerate(mixed):
        weights.append(float(row[i]))
        rest = row.clone()
        rest[i] = 0
        order.append(int(rest.argmax()) if float(rest.max()) > 0 else i)
    own = [w for i, w in enumerate(weights) if order[i] != i]
    return (own[0] if own else 1.0), order


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**64 - 1), st.floats(0.05, 5.0), st.integers(2, 6))
def test_a_batch_is_mixed_with_one_weight_of_at_least_a_half(seed, alpha, samples):
    mix = MixUp(alpha=alpha)
    x = torch.eye(samples, dtype=torch.float64)
    y = torch.rand(samples, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mixed_x, mixed_y = mix((x, y), seed)
    weight, order = drawn(x, mixed_x)

    assert 0.5 <= weight <= 1.0
    expected = slow_mix(x, y, weight, order)
    torch.testing.assert_close((mixed_x, mixed_y), expected, rtol=1e-12, atol=1e-12)
    # Every sample is a partner once, unless the weight hides who it was.
    assert weight > 1 - 1e-12 or sorted(order) == list(range(samples))
    again = mix((x, y), seed)
    assert torch.equal(again[0], mixed_x)
    assert torch.equal(x, torch.eye(samples, dtype=torch.float64))


def test_weights_follow_the_folded_beta_distribution():
    x = torch.eye(6)
    mix = MixUp(alpha=0.4)
    found = [drawn(x, mix((x, x), seed)[0])[0] for seed in range(2000)]
    uniform = np.random.Generator(np.random.PCG64(0)).beta(0.4, 0.4, 200_000)
    folded = np.maximum(uniform, 1 - uniform)
    assert np.mean(found) == pytest.approx(folded.mean(), abs=0.015)
    assert np.std(found) == pytest.approx(folded.std(), abs=0.015)


def test_the_probability_is_of_batches():
    x = torch.eye(8)
    mix = MixUp(alpha=1.0, prob=0.3)
    mixed = sum(not torch.equal(mix((x, x), seed)[0], x) for seed in range(2000))
    assert mixed / 2000 == pytest.approx(0.3, abs=0.03)


def test_a_batch_of_one_is_left():
    x, y = torch.randn(1, 4), torch.tensor([2])
    got_x, got_y = MixUp(alpha=1.0, num_classes=3)((x, y), 5)
    assert torch.equal(got_x, x)
    # Its targets have the form of those of other batches.
    assert got_y.tolist() == [[0.0, 0.0, 1.0]]


def test_only_the_first_floating_tensor_of_the_inputs_is_mixed():
    kinds, x, positions = torch.arange(4), torch.eye(4), torch.rand(4, 2)
    mix = MixUp(alpha=5.0)
    (got_kinds, got_x, got_positions), _ = mix(((kinds, x, positions), torch.rand(4)), 1)
    assert got_kinds is kinds
    assert got_positions is positions
    assert not torch.equal(got_x, x)
    nested = {"kinds": kinds, "more": [{"x": x}, positions]}
    got, _ = mix([nested, torch.rand(4)], 1)
    assert torch.equal(got["more"][0]["x"], got_x)
    assert got["more"][1] is positions
    # The same tensor in two places is mixed in the first.
    (one, two), _ = mix(((x, x), torch.rand(4)), 1)
    assert torch.equal(one, got_x)
    assert two is x


@pytest.mark.parametrize("shape", [(4,), (4, 5)])
def test_integer_targets_become_one_hot_and_are_blended(shape):
    x = torch.eye(4, dtype=torch.float64)
    y = torch.randint(0, 6, shape, generator=torch.Generator().manual_seed(0))
    for kind in (torch.int64, torch.int32, torch.uint8):
        got_x, got_y = MixUp(alpha=5.0, num_classes=6)((x, y.to(kind)), 3)
        weight, order = drawn(x, got_x)
        one_hot = torch.zeros(*shape, 6)
        for place in np.ndindex(*shape):
            one_hot[place][y[place]] = 1.0
        torch.testing.assert_close(got_y, slow_mix(x, one_hot, weight, order)[1])
        assert got_y.dtype == torch.float32
        assert torch.allclose(got_y.sum(-1), torch.ones(shape))


def test_every_batch_has_targets_of_one_type():
    mix = MixUp(alpha=1.0, prob=0.5, num_classes=3)
    x, y = torch.eye(4), torch.tensor([0, 1, 2, 0])
    forms = {(t.dtype, t.shape) for t in (mix((x, y), seed)[1] for seed in range(20))}
    assert forms == {(torch.float32, (4, 3))}


def test_targets_of_other_forms():
    x = torch.eye(4)
    target = {"y": torch.rand(4, 2), "on": torch.tensor([True, False, True, False]),
              "name": ["a", "b", "c", "d"], "scale": torch.tensor(3.0)}  # fmt: skip
    got_x, got = MixUp(alpha=5.0)((x, target), 9)
    weight, order = drawn(x, got_x)
    torch.testing.assert_close(got["y"], weight * target["y"] + (1 - weight) * target["y"][order])
    on = target["on"].float()
    torch.testing.assert_close(got["on"], weight * on + (1 - weight) * on[order])
    assert got["name"] == target["name"]
    assert got["scale"] == 3.0


def test_forms_of_a_batch_are_kept():
    Pair = namedtuple("Pair", "x y")
    x, y = torch.eye(4), torch.rand(4)
    mix = MixUp(alpha=5.0)
    mixed, blended = mix((x, y), 2)
    for batch, kind in ((Pair(x, y), Pair), ([x, y], list), ((x, y), tuple)):
        got = mix(batch, 2)
        assert type(got) is kind
        assert torch.equal(got[0], mixed)
        assert torch.equal(got[1], blended)
    got = mix({"inputs": x, "targets": y, "name": "n"}, 2)
    assert torch.equal(got["inputs"], mixed)
    assert torch.equal(got["targets"], blended)
    assert got["name"] == "n"
    assert torch.equal(mix({"inputs": x}, 2)["inputs"], mixed)
    assert torch.equal(mix(x, 2), mixed)
    assert torch.equal(mix([x], 2)[0], mixed)


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        ((torch.eye(3), torch.rand(3), torch.rand(3)), "a tuple of 3"),
        ({"x": torch.eye(3), "y": torch.rand(3)}, "a dict with x, y"),
        ("text", "a str"),
        ((torch.arange(3), torch.rand(3)), "floating numbers among the inputs"),
        ((torch.eye(3), torch.arange(3)), "how many classes"),
    ],
)
def test_what_cannot_be_mixed_is_told(batch, told):
    with pytest.raises(ConfigError, match=told):
        MixUp(alpha=1.0)(batch, 0)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_target_that_is_no_class_is_told(wrong):
    with pytest.raises(ConfigError, match=f"a target is {wrong}, and dataloader.num_classes is 3"):
        MixUp(alpha=1.0, num_classes=3)((torch.eye(2), torch.tensor([0, wrong])), 0)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
    st.sampled_from([1, 7, 255, 1023, 65535, 1 << 20]),
    st.floats(0.01, 1e4),
)
def test_tokens_follow_the_mu_law(values, mu, max_val):
    tokens = mu_law(torch.tensor(values), mu, max_val)
    assert tokens.dtype == torch.int64
    for value, token in zip(values, tokens.tolist(), strict=True):
        # Single precision may round the other way at a boundary.
        assert abs(token - slow_token(value, mu, max_val)) <= 1
        assert 0 <= token <= mu


def test_tokens_are_the_reference_s_on_a_grid():
    grid = torch.linspace(-12, 12, 2001)
    want = [slow_token(float(x), 255, 10.0) for x in grid]
    same = sum(a == b for a, b in zip(mu_law(grid).tolist(), want, strict=True))
    assert same >= 2000
    assert mu_law(torch.tensor([0.0, float("inf"), -float("inf")])).tolist() == [128, 255, 0]
    assert (
        mu_law(torch.tensor([0.5, -3.0]).half()).tolist()
        == mu_law(torch.tensor([0.5, -3.0])).tolist()
    )


def test_what_is_no_number_is_not_quantised():
    with pytest.raises(ConfigError, match="not a number"):
        mu_law(torch.tensor([0.0, float("nan")]))


def test_inputs_are_quantised_after_mixing_and_always():
    x, y = torch.randn(4, 8), torch.rand(4)
    mix = MixUp(alpha=1.0, prob=0.5, quantize=True, mu=15, max_val=3.0)
    plain = MixUp(alpha=1.0, prob=0.5)
    unmixed = 0
    for seed in range(20):
        tokens, _ = mix((x, y), seed)
        blended, _ = plain((x, y), seed)
        unmixed += torch.equal(blended, x)
        assert tokens.dtype == torch.int64
        assert torch.equal(tokens, mu_law(blended, 15, 3.0))
    assert 0 < unmixed < 20
    assert mix((x[:1], y[:1]), 0)[0].dtype == torch.int64


def test_validation_is_quantised_and_never_mixed():
    section = {"mixup_alpha": 1.0, "quantize": True, "mu": 15, "num_classes": None}
    mix = MixUp.of(section).for_validation()
    x, y = torch.randn(4, 8), torch.arange(4)
    for seed in range(10):
        tokens, targets = mix((x, y), seed)
        assert torch.equal(tokens, mu_law(x, 15))
        assert targets is y
    assert MixUp(alpha=1.0).for_validation() is None
    assert MixUp(alpha=1.0, prob=0.0).for_training() is None
    assert MixUp().for_training() is None


def test_keys_reach_it():
    section = {"mixup_alpha": 0.3, "mixup_prob": 0.6, "num_classes": 5, "quantize": True,
               "mu": 63, "max_val": 2.0, "batch_size": 4, "type": "MixupDataLoader"}  # fmt: skip
    assert MixUp.of(section) == MixUp(0.3, 0.6, 5, True, 63, 2.0)
