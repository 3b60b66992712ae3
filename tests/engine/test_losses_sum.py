"""The weighted sum: what is built, what is added, and what a term that breaks may harm."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from enginelab import terms, tiny
from torch import nn

from trainer.engine.losses.builder import loss_of
from trainer.engine.losses.generic import MSE, Smoothness
from trainer.engine.losses.terms import ValueLoss
from trainer.engine.losses.weighted import Weighted, WeightedSum
from trainer.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")

BATCH = (torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.ones(6, 1))


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 1)


def gradients(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.fixture(autouse=True)
def _allowed(lab):
    del lab  # it allows classes of the lab


def composite(**written):
    return loss_of({"loss": {"composite": written}})


def test_terms_are_weighted_and_added():
    model = linear()
    loss = composite(mse={}, nonnegativity={"weight": 0.25, "overrides": {"barrier": "exp"}})

    value, metrics = loss(model, BATCH)
    value.backward()

    mse = ((model(BATCH[0]) - BATCH[1]) ** 2).mean()
    barrier = torch.exp(-model(BATCH[0])).mean()
    assert float(value) == pytest.approx(float(mse + 0.25 * barrier))
    assert set(metrics) == {
        *("loss/mse", "loss/nonnegativity", "loss_weighted/mse", "loss_weighted/nonnegativity"),
        "non_finite_terms",
    }
    assert float(metrics["loss/nonnegativity"]) == pytest.approx(float(barrier))
    assert float(metrics["loss_weighted/nonnegativity"]) == pytest.approx(0.25 * float(barrier))
    assert not any(m.requires_grad for m in metrics.values())
    got = gradients(model)
    model.zero_grad()
    (mse + 0.25 * barrier).backward()
    assert torch.allclose(got, gradients(model))


def test_a_loss_of_a_recipe_alone_is_given_as_it_is():
    assert type(loss_of({"loss": {"_target_": "enginelab.tiny.Loss", "name": "x"}})) is tiny.Loss


def test_terms_stand_beside_a_loss_of_a_recipe():
    loss = loss_of(
        {
            "loss": {
                "_target_": "enginelab.tiny.Loss",
                "name": "squares",
                "groups": {"shape": {"l1": {}, "weights": {"l1": 2.0}}},
            }
        }
    )
    calls = []
    model = linear()
    model.register_forward_hook(lambda *_: calls.append(1))

    value, metrics = loss(model, BATCH)

    assert calls == [1]  # one forward pass for all terms
    error = model(BATCH[0]) - BATCH[1]
    assert float(value) == pytest.approx(float((error**2).mean() + 2 * error.abs().mean()))
    assert float(metrics["mae"]) == pytest.approx(float(metrics["loss/shape/l1"]))
    assert loss.term_names == ("squares", "shape/l1")
    assert loss.metric_info["train/loss/shape/l1"] == {"goal": "min"}


def test_a_recipe_may_give_only_the_way_to_its_outputs():
    loss = loss_of({"loss": {"_target_": "enginelab.terms.Halves", "composite": {"mse": {}}}})
    model = linear()
    assert float(loss(model, BATCH)[0]) == float(((model(BATCH[0]) - BATCH[1]) ** 2).mean())
    with pytest.raises(ConfigError, match="Nothing would be minimised"):
        loss_of({"loss": {"_target_": "enginelab.terms.Halves"}})(model, BATCH)


@pytest.mark.parametrize("off", [{"weight": 0}, {"weight": 0.0}, {"enabled": False}])
def test_a_term_that_is_off_is_not_built(off):
    counted = {"_target_": "enginelab.terms.Counted"}
    terms.Counted.built = 0
    composite(mse={}, counted={**counted, **off})
    assert terms.Counted.built == 0
    composite(mse={}, counted=counted)
    assert terms.Counted.built == 1


def test_a_negative_weight_is_refused():
    with pytest.raises(ConfigError, match="negative weight"):
        composite(mse={"weight": -1.0})
    with pytest.raises(ConfigError, match=r"takes no 'depth'.*|'depth'"):
        composite(mse={}, mine={"_target_": "enginelab.terms.Counted", "config": {"depth": 1}})


def test_a_losss_of_torch_is_a_term():
    loss = composite(mine={"_target_": "torch.nn.SmoothL1Loss", "config": {"beta": 0.5}})
    model = linear()
    expected = nn.SmoothL1Loss(beta=0.5)(model(BATCH[0]), BATCH[1])
    assert torch.equal(loss(model, BATCH)[0], expected)


def test_kl_of_a_bottleneck_is_added_by_its_weight_alone():
    section = {"_target_": "enginelab.tiny.Loss"}
    groups = {"groups": {"bottleneck": {"weights": {"kl": 0.5}}}}
    x, y = BATCH
    vae = tiny.Vae().eval()
    kl = float(x.square().mean())

    value, metrics = loss_of({"loss": {"composite": {"mse": {}}, **groups}})(vae, BATCH)
    assert float(value) == pytest.approx(float(((vae(x)[0] - y) ** 2).mean()) + 0.5 * kl)
    assert float(metrics["loss/bottleneck/kl"]) == pytest.approx(kl)
    assert float(metrics["loss_weighted/bottleneck/kl"]) == pytest.approx(0.5 * kl)

    plain = linear()
    value, metrics = loss_of({"loss": {**section, **groups}})(plain, BATCH)
    assert torch.equal(value, tiny.Loss()(plain, BATCH)[0])
    assert "loss/bottleneck/kl" not in metrics

    zero = {"groups": {"bottleneck": {"weights": {"kl": 0.0}}}}
    assert type(loss_of({"loss": {**section, **zero}})) is tiny.Loss
    with pytest.raises(ConfigError, match="loss_info holds nothing"):
        loss_of({"loss": groups})(plain, BATCH)
    with pytest.raises(ConfigError, match="loss_info holds kl"):
        composite(value={"overrides": {"key": "commitment"}})(vae, BATCH)


def test_a_term_that_is_not_finite_harms_no_other():
    model = linear()
    loss = composite(mse={}, breaks={"_target_": "enginelab.terms.Breaks", "weight": 3.0})

    value, metrics = loss(model, BATCH)
    value.backward()

    alone = linear()
    expected, _ = composite(mse={})(alone, BATCH)
    expected.backward()
    assert torch.equal(value, expected)
    assert torch.equal(gradients(model), gradients(alone))
    assert float(loss.terms[1].scale.grad) == 0.0
    assert not torch.isfinite(metrics["loss/breaks"])
    assert float(metrics["loss_weighted/breaks"]) == 0.0
    assert float(metrics["non_finite_terms"]) == 1.0


def test_a_loss_of_a_recipe_is_guarded_too():
    class Bad(nn.Module):
        def forward(self, model, batch):
            return (model(batch[0]) * 0).log().mean(), {}

    model = linear()
    loss = WeightedSum(Bad(), [Weighted("mse", MSE())])
    value, _ = loss(model, BATCH)
    value.backward()
    alone = linear()
    composite(mse={})(alone, BATCH)[0].backward()
    assert torch.equal(gradients(model), gradients(alone))


def test_if_no_term_is_finite_the_loss_is_nan_and_gradients_are_zero():
    model = linear()
    breaks = {"_target_": "enginelab.terms.Breaks"}
    value, metrics = composite(one=breaks, two=breaks)(model, BATCH)
    value.backward()
    assert torch.isnan(value)
    assert float(metrics["non_finite_terms"]) == 2.0
    assert torch.equal(gradients(model), torch.zeros(5))


@pytest.mark.parametrize("cap", [0.01, 0.5, 1e6])
def test_a_cap_scales_value_and_gradient(cap):
    free, capped = linear(), linear()
    plain, _ = composite(mse={"weight": 2.0})(free, BATCH)
    plain.backward()
    raw = float(plain) / 2
    loss = loss_of({"loss": {"composite": {"mse": {"weight": 2.0}}, "max_component_penalty": cap}})

    value, metrics = loss(capped, BATCH)
    value.backward()

    assert float(value) == pytest.approx(2 * min(raw, cap))
    assert float(metrics["loss/mse"]) == pytest.approx(raw)
    share = min(1.0, cap / raw)
    assert torch.allclose(gradients(capped), gradients(free) * share)


def test_a_cap_leaves_negative_values_and_one_term_of_several_alone():
    class Gives(nn.Module):
        def forward(self, prediction, target):
            return prediction.mean() * 0 - 5.0

    loss = WeightedSum(None, [Weighted("a", Gives()), Weighted("b", MSE())], cap=0.1)
    value, metrics = loss(linear(), BATCH)
    assert float(value) == pytest.approx(-4.9)
    assert float(metrics["loss_weighted/a"]) == -5.0


def test_half_precision_reaches_terms_as_single():
    seen = []

    class Look(nn.Module):
        def forward(self, prediction, target):
            seen.append((prediction.dtype, torch.is_autocast_enabled("cpu")))
            return (prediction - target).square().mean()

    model = linear()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(BATCH[0]).dtype is torch.bfloat16
        value, _ = WeightedSum(None, [Weighted("look", Look())])(model, BATCH)
    value.backward()
    assert seen == [(torch.float32, False)]
    assert value.dtype is torch.float32
    assert torch.isfinite(gradients(model)).all()


def test_measures_are_taken_in_validation_only_from_the_same_pass():
    config = {
        "loss": {"_target_": "enginelab.tiny.Loss"},
        "eval_loss": {"l1": {}, "counted": {"_target_": "enginelab.terms.Counted"}},
    }
    loss, model = loss_of(config), linear()
    value, metrics = loss(model, BATCH)
    assert set(metrics) == {"mae"}
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        judged, metrics = loss.eval()(model.eval(), BATCH)
    assert torch.equal(judged, value)
    assert set(metrics) == {"mae", "l1", "counted"}
    assert torch.allclose(metrics["l1"], metrics["mae"])
    assert calls == [1]
    assert loss.metric_info["val/l1"] == {"goal": "min"}


def test_goals_of_measures():
    class Score(MSE):
        goal, unit = "max", "dB"

    loss = WeightedSum(tiny.Loss(), [], evaluation=[Weighted("score", Score())])
    assert loss.metric_info == {"val/score": {"goal": "max", "unit": "dB"}}


def test_training_may_follow_a_validation():
    loss, model = composite(mse={"weight": 0.5}), linear()
    with torch.inference_mode():
        loss(model, BATCH)
    loss(model, BATCH)[0].backward()
    assert torch.isfinite(gradients(model)).all()


def test_a_copy_is_on_its_own():
    loss = composite(mse={}, breaks={"_target_": "enginelab.terms.Breaks"})
    other = copy.deepcopy(loss)
    assert other.terms[1].scale is not loss.terms[1].scale
    assert next(iter(dict(other.named_parameters()).values())) is other._terms[1].term.scale


def test_nothing_in_a_step_reads_a_number_back(monkeypatch):
    def refuse(name, *_, **__):
        raise AssertionError(name)

    loss = WeightedSum(
        None, [Weighted("a", MSE(), 0.5), Weighted("b", ValueLoss("kl"), optional=True)], cap=1.0
    )
    model = linear()
    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "numpy", "cpu"):
        monkeypatch.setattr(torch.Tensor, name, partial(refuse, name))
    loss(model, BATCH)[0].backward()


def test_a_compiled_model_trains_on_terms():
    model = linear()
    model.compile(backend="eager")
    loss = WeightedSum(None, [Weighted("a", MSE()), Weighted("s", Smoothness(1), 0.1)])
    with pytest.raises(ConfigError, match="Smoothness"):
        loss(model, BATCH)
    value, _ = composite(mse={})(model, BATCH)
    value.backward()
    assert torch.isfinite(gradients(model)).all()
