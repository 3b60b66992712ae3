"""Terms of losses, read from a config and judged without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.config.loss_rules import TermSpec, read_terms
from trainer.config.loss_terms import TERMS
from trainer.config.validate import validate


def terms(text: str, target: bool = True) -> Any:
    """Read YAML of a `loss` section."""
    loss = yaml.safe_load(text) or {}
    if target:
        loss = {"_target_": "trainer.recipes.text.loss.NextByteLoss", **loss}
    return read_terms({"loss": loss})


def test_a_composite_of_terms() -> None:
    read = terms(
        """
        composite:
          mse: {}
          smoothness: {enabled: true, weight: 0.05, overrides: {order: 1}}
          fft: {weight: 2, config: {cutoff_freq: 0.1}}
        """
    )
    assert read.problems == []
    assert [(s.name, s.weight, dict(s.keywords)) for s in read.loss] == [
        ("mse", 1.0, {}),
        ("smoothness", 0.05, {"order": 1}),
        ("fft", 2.0, {"cutoff_freq": 0.1}),
    ]
    assert read.loss[1].key == "loss.composite.smoothness"
    assert read.loss[1].target == TERMS["smoothness"].target


@pytest.mark.parametrize("off", ["enabled: false", "weight: 0.0", "weight: 0"])
def test_what_is_off_is_no_term_and_still_checked(off: str) -> None:
    assert terms(f"composite: {{fft: {{{off}}}, mse: {{}}}}").loss[0].name == "mse"
    assert terms(f"composite: {{fft: {{{off}, overrides: {{cut: 1}}}}}}").problems


def test_groups_with_weights() -> None:
    read = terms(
        """
        groups:
          time:
            l1: {config: {reduction: sum}}
            huber:
            weights: {l1: 0.5, huber: 0, mse: 2.0}
          mine:
            wish: {_target_: mylab.terms.Wish, config: {a: 1}, weight: 3.0}
          bottleneck:
            weights: {kl: 1.0}
          empty:
        """
    )
    assert read.problems == []
    assert read.loss == [
        TermSpec("time/l1", "loss.groups.time.l1", TERMS["l1"].target, {"reduction": "sum"}, 0.5),
        TermSpec("time/mse", "loss.groups.time.mse", TERMS["mse"].target, {}, 2.0),
        TermSpec("mine/wish", "loss.groups.mine.wish", "mylab.terms.Wish", {"a": 1}, 3.0),
        TermSpec(
            "bottleneck/kl",
            "loss.groups.bottleneck.kl",
            TERMS["value"].target,
            {"key": "kl"},
            1.0,
            optional=True,
        ),
    ]


def test_terms_of_later_recipes_wait() -> None:
    read = terms(
        "groups: {spectral: {stft_mse: {config: {reduction: mean}}, weights: {stft_mse: 1.0}}}"
    )
    assert (read.problems, read.loss) == ([], [])
    assert [s.key for s in read.waiting] == ["loss.groups.spectral.stft_mse"]


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("composite: {fft: {weight: -0.1}}", "loss.composite.fft.weight", "negative weight"),
        ("composite: {fft: {weight: .nan}}", "loss.composite.fft.weight", "must be a number"),
        ("composite: {fft: {weight: true}}", "loss.composite.fft.weight", "must be a number"),
        ("composite: {fft: {weight: '1'}}", "loss.composite.fft.weight", "must be a number"),
        ("composite: {smothness: {}}", "loss.composite.smothness", "mean 'smoothness'"),
        ("composite: {nothing_like_it: {}}", "loss.composite.nothing_like_it", "There are mse, l1"),
        ("composite: {fft: {wieght: 1}}", "loss.composite.fft.wieght", "mean 'weight'"),
        ("composite: {fft: 0.5}", "loss.composite.fft", "`weight: 1.0`"),
        ("composite: {fft: {enabled: 1}}", "loss.composite.fft.enabled", "true or false"),
        ("composite: {fft: {overrides: 3}}", "loss.composite.fft.overrides", "mapping of keywords"),
        (
            "composite: {fft: {overrides: {cutoff: 0.1}}}",
            "loss.composite.fft.overrides.cutoff",
            "mean 'cutoff_freq'",
        ),
        ("composite: {value: {}}", "loss.composite.value", "needs 'key'"),
        ("groups: {a: {weights: {mse: -1}}}", "loss.groups.a.weights.mse", "negative weight"),
        ("groups: {a: {l1: {}, weights: {l2: 1}}}", "loss.groups.a.weights.l2", "no module"),
        ("groups: {a: {l1: {weight: 1}, weights: {l1: 1}}}", "loss.groups.a.weights.l1", "two"),
        ("groups: {a: 3}", "loss.groups.a", "must be a mapping"),
        (
            "groups: {bottleneck: {weights: {k1: 1}}}",
            "loss.groups.bottleneck.weights.k1",
            "takes kl",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_key(text: str, key: str, said: str) -> None:
    (problem,) = terms(text).problems
    assert problem.key == key
    assert said in str(problem)


def test_a_loss_without_any_term_is_refused() -> None:
    (problem,) = terms("composite: {mse: {weight: 0}, sisdr: {}}", target=False).problems
    assert "nothing would be minimised" in problem.what
    assert "sisdr" in problem.what
    assert terms("composite: {mse: {weight: 0}}").problems == []
    assert read_terms({"loss": {}}).problems == []


def test_measures_of_validation() -> None:
    read = read_terms(
        {
            "eval_loss": {
                "l1": {"reduction": "sum"},
                "mse": None,
                "huber": {"enabled": False, "delta": 2.0},
                "mine": {"_target_": "torch.nn.L1Loss", "reduction": "mean"},
                "sisdr": {"zero_mean": True},
            }
        }
    )
    assert read.problems == []
    assert [(s.name, dict(s.keywords)) for s in read.evaluation] == [
        ("l1", {"reduction": "sum"}),
        ("mse", {}),
        ("mine", {"reduction": "mean"}),
    ]
    assert [s.name for s in read.waiting] == ["sisdr"]
    assert read_terms({"eval_loss": {"score": None}}).evaluation[0].name == "score"
    (problem,) = terms("composite: {score: {}}").problems
    assert "eval_loss.score" in problem.remedy
    (problem,) = read_terms({"eval_loss": {"l1": {"weight": 1.0}}}).problems
    assert "takes no 'weight'" in problem.what
    (problem,) = read_terms({"eval_loss": {"loss": {"_target_": "torch.nn.L1Loss"}}}).problems
    assert "val/loss" in problem.what


def test_validation_of_a_config_names_what_set_it(tmp_path: Path) -> None:
    config = {"loss": {"composite": {"fft": {"weight": -1.0}}}}
    found = validate(config, {"loss.composite.fft.weight": "override x"})
    (problem,) = [p for p in found if p.key.startswith("loss")]
    assert problem.where == "override x"


def test_a_mapping_that_is_none_is_told_once() -> None:
    found = [p for p in validate({"loss": {"composite": 3}}) if p.key.startswith("loss")]
    assert len(found) == 1
