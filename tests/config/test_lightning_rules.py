"""What Lightning would refuse after the launch is told before it, with the right name."""

from __future__ import annotations

import pytest

from trainer.config.compose import compose
from trainer.config.lightning_rules import ACCELERATORS, STRATEGIES, lightning_problems
from trainer.errors import ConfigError


def problems(**section):
    return [str(p) for p in lightning_problems({"trainer": section}, {"trainer": "x.yaml:1"})]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.accelerator=cdua", "no accelerator \"cdua\". Did you mean 'cuda'?"),
        ("trainer.accelerator=GPU", "no accelerator \"GPU\". Did you mean 'gpu'?"),
        ("trainer.strategy=dpp", "no strategy \"dpp\". Did you mean 'ddp'?"),
        ("trainer.devices=gpu", 'cannot be "gpu". The kind of device is trainer.accelerator=gpu.'),
        ("trainer.devices=all", 'cannot be "all". Give a count, indices'),
        ("trainer.val_check_interval=10m", "trainer.val_check_interval='00:00:10:00'."),
        ("trainer.val_check_interval=1:30:00", "trainer.val_check_interval='00:01:30:00'."),
        ("trainer.val_check_interval='\"250\"'", "Give a count of batches"),
        ("trainer.val_check_interval=0", "switched off by trainer.limit_val_batches=0."),
        ("trainer.val_check_interval=often", "Give a count of batches"),
    ],
)
def test_a_text_that_lightning_would_refuse_is_told_before_launch(override, said):
    with pytest.raises(ConfigError) as error:
        compose([override])
    (problem,) = error.value.problems
    assert problem.where == f"override {override}"
    assert said in str(problem)


@pytest.mark.parametrize(
    "section",
    [
        {"accelerator": "auto", "strategy": "auto", "devices": "auto"},
        {"accelerator": "hpu", "strategy": "my_own"},  # a package of its own may register them
        {"accelerator": "gpu", "devices": "-1"},
        {"devices": "0, 1"},
        {"devices": "0,"},
        {"devices": [0, 1], "val_check_interval": 0.5},
        {"val_check_interval": "01:00:30:00"},
        {"val_check_interval": {"minutes": 30}},
        {"accelerator": 3, "strategy": None, "devices": True, "val_check_interval": None},
        {},
    ],
)
def test_what_lightning_takes_passes(section):
    assert problems(**section) == []
    assert list(lightning_problems({"trainer": "wrong"}, {})) == []


def test_the_names_are_those_that_lightning_registers():
    from pytorch_lightning.accelerators import AcceleratorRegistry
    from pytorch_lightning.strategies import StrategyRegistry

    assert set(ACCELERATORS) == {"auto", "gpu", *AcceleratorRegistry.available_accelerators()}
    assert set(STRATEGIES) == {"auto", *StrategyRegistry.available_strategies()}
