"""A wrong value comes with the right one where it can be guessed."""

from __future__ import annotations

import pytest

from trainer.config.compose import compose
from trainer.errors import ConfigError


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.early_stopping=yes", "Write true."),
        ("trainer.amp=off", "Write false."),
        ("trainer.amp=1", "Write true."),
        ('trainer.amp="false"', "Write false without quotes."),
        ('trainer.early_stopping="1"', "Write 1 without quotes."),
        ('trainer.early_stopping.patience="3"', "Write 3 without quotes."),
        ('limits.memory_gb="1e1"', "Write 1e1 without quotes."),
        ("trainer.early_stopping=val/loss", "trainer.early_stopping.monitor, mode, patience"),
        ("trainer.compile=inductor", "trainer.compile.enabled, backend, mode"),
        ("trainer.precision=fp16", "Did you mean '16-mixed'?"),
        ("trainer.precision=float32", "Did you mean '32-true'?"),
        ("trainer.precision=bf17", "Did you mean 'bf16'?"),
        ("trainer.callbacks=ema", "callbacks=ema chooses a profile."),
        ("health.command=ls", "Write a list: [ls]."),
        ("health.per_kind.plateau=ignore", "It takes 'warn', 'stop', 'command' or 'off'."),
        ("logger.wandb.mode=offline", "'logger.wandb' has enabled, project"),
        ("logger.neptune.enabled=true", "'logger' has tensorboard, csv, wandb, mlflow."),
    ],
)
def test_the_remedy(override, said):
    with pytest.raises(ConfigError) as error:
        compose([override])
    (problem,) = error.value.problems
    assert problem.where == f"override {override}"
    assert said in problem.remedy


@pytest.mark.parametrize("override", ["trainer.max_epochs=three", "limits.memory_gb=8GB"])
def test_nothing_is_guessed_where_nothing_is_near(override):
    with pytest.raises(ConfigError) as error:
        compose([override])
    (problem,) = error.value.problems
    assert problem.remedy == ""


@pytest.mark.parametrize(
    ("overrides", "where", "said"),
    [
        (
            ["scheduler=none", "scheduler.type=CosineAnnealingLR"],
            "override scheduler.type=CosineAnnealingLR",
            "Set scheduler.config.T_max.",
        ),
        (  # one slip, one problem
            ["scheduler=none", "scheduler.type=CosineAnnealingLR", "scheduler.config.Tmax=10"],
            "override scheduler.config.Tmax=10",
            "Did you mean 'T_max'?",
        ),
        (
            ["optimizer.config.learning_rate=1e-3"],
            "override optimizer.config.learning_rate=1e-3",
            "Did you mean 'lr'?",
        ),
        (
            ["optimizer=sgd", "optimizer.config.wd=0.1"],
            "override optimizer.config.wd=0.1",
            "Did you mean 'weight_decay'?",
        ),
    ],
)
def test_keywords_of_optimisers_and_schedulers(overrides, where, said):
    with pytest.raises(ConfigError) as error:
        compose(overrides)
    (problem,) = error.value.problems
    assert problem.where == where
    assert said in problem.remedy


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("lightning.weightdecay=0.1", "Did you mean 'lightning.weight_decay'?"),
        ("lightning.wd=0.1", "no key 'lightning.wd'. 'lightning' has lr, weight_decay"),
        ("hyperparameters.learning_rat=3", "Did you mean 'hyperparameters.learning_rate'?"),
        ("lightning=3", "'lightning' is a section of keys, not 3. It has lr,"),
        ("lightnin.lr=3", "Did you mean 'lightning'?"),
        ("lightning.lr_warmup.step=100", "Did you mean 'scheduler.warmup.steps'?"),
    ],
)
def test_slips_in_other_spellings(override, said):
    with pytest.raises(ConfigError) as error:
        compose([override])
    (problem,) = error.value.problems
    assert problem.where == f"override {override}"
    assert said in str(problem)
