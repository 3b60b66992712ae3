"""Symbolic rules in a training, and measures of a whole validation."""

from __future__ import annotations

import pytest

from trainer.config.schema import load_resolved
from trainer.engine import build
from trainer.engine.fit import fit

RULE = {"name": "small", "_target_": "enginelab.terms.Counted", "weight": 0.5}
SUM = {"loss": {"composite": {"mse": {}}}, "model": {"_target_": "enginelab.tiny.Net"}}


def metrics(events, folder) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for event in events(folder, "metrics"):
        for name, value in event["metrics"].items():
            found.setdefault(name, []).append(float(value))
    return found


def test_violations_are_weighted_added_and_told(lab, events):
    run = lab("run", **SUM, symbolic={"enabled": True, "rules": [RULE]})
    assert fit(run) == 0
    told = metrics(events, run)
    rule, added = told["train/loss/symbolic/small"], told["train/loss_weighted/symbolic/small"]
    assert added == pytest.approx([0.5 * value for value in rule])
    for total, one, other in zip(
        told["train/loss"], told["train/loss_weighted/mse"], added, strict=True
    ):
        assert total == pytest.approx(one + other)
    assert len(told["val/loss/symbolic/small"]) == 3


@pytest.mark.parametrize(
    "off",
    [
        {"symbolic.enabled": False},
        {"symbolic.rules": [RULE | {"enabled": False}]},
        {"symbolic.rules": [RULE | {"weight": 0.0}]},
    ],
)
def test_rules_that_are_off_are_not_built(lab, off):
    on = {"symbolic": {"enabled": True, "rules": [RULE]}}
    built = build.module_of(load_resolved(lab("on", **SUM, **on) / "config.yaml").model_dump())
    assert built.loss.term_names == ("mse", "symbolic/small")
    left = lab("off", **SUM | on | off) / "config.yaml"
    assert build.module_of(load_resolved(left).model_dump()).loss.term_names == ("mse",)


def test_wrong_rules_end_with_the_code_of_wrong_input(lab, capsys):
    unknown = {"symbolic": {"enabled": True, "rules": [{"name": "gravity_lensing"}]}}
    assert fit(lab("run", **SUM, **unknown)) == 2
    assert "gravitational_lensing" in capsys.readouterr().err
    short = {"symbolic": {"enabled": True, "rules": [{"name": "gravitational_lensing"}]}}
    assert fit(lab("short", **SUM, **short)) == 2
    assert "has no 8 bins" in capsys.readouterr().err


def test_a_measure_is_made_of_means_over_the_whole_validation(lab, events):
    measure = {"rms": {"_target_": "enginelab.terms.RootMeanSquare"}, "mse": None}
    run = lab("run", **SUM, **{"eval_loss": measure, "trainer.max_epochs": 2, "data.val_count": 10})
    assert fit(run) == 0
    told = metrics(events, run)
    # The last batch is shorter: a mean of the batches' roots would be another number.
    assert told["val/rms"] == pytest.approx([44 * mse**0.5 for mse in told["val/mse"]], rel=1e-5)
