"""What Lightning's Trainer receives, key by key, in a training begun from a run folder."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from enginelab.proofs import proof
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor

from trainer.config.compose import compose
from trainer.engine.fit import fit


class FarEnough(Exception):
    """Lightning has received its arguments."""


@pytest.fixture
def received(lab, monkeypatch):
    """Begin a training, and give what Lightning's Trainer is made with."""
    made: list[dict[str, Any]] = []
    lightnings_own = pl.Trainer.__init__

    @functools.wraps(lightnings_own)
    def init(self, *args, **arguments):
        assert not args
        made.append(arguments)
        raise FarEnough

    monkeypatch.setattr(pl.Trainer, "__init__", init)

    def begin(**changes: Any) -> dict[str, Any]:
        made.clear()
        fit(lab(f"run{len(changes)}", **changes))
        return made[0]

    return begin


# What is given as it is, each with a value that is not its default.
AS_IT_IS = [
    proof("trainer.accelerator", "mps"),
    proof("trainer.strategy", "ddp"),
    proof("trainer.devices", 3),
    proof("trainer.num_nodes", 2),
    proof("trainer.precision", "64-true"),
    proof("trainer.fast_dev_run", 4),
    proof("trainer.max_epochs", 17),
    proof("trainer.min_epochs", 2),
    proof("trainer.max_steps", 90),
    proof("trainer.min_steps", 5),
    proof("trainer.limit_train_batches", 0.5),
    proof("trainer.limit_val_batches", 3),
    proof("trainer.limit_test_batches", 0.25),
    proof("trainer.limit_predict_batches", 7),
    proof("trainer.overfit_batches", 2),
    proof("trainer.val_check_interval", 0.5),
    proof("trainer.check_val_every_n_epoch", None),
    proof("trainer.num_sanity_val_steps", 1),
    proof("trainer.log_every_n_steps", 9),
    proof("trainer.enable_progress_bar", True),
    proof("trainer.enable_model_summary", True),
    proof("trainer.accumulate_grad_batches", 4),
    proof("trainer.gradient_clip_val", 0.75),
    proof("trainer.gradient_clip_algorithm", "value"),
    proof("trainer.deterministic", "warn"),
    proof("trainer.benchmark", True),
    proof("trainer.inference_mode", False),
    proof("trainer.profiler", "advanced"),
    proof("trainer.detect_anomaly", True),
    proof("trainer.barebones", True),
    proof("trainer.sync_batchnorm", True),
    proof("trainer.reload_dataloaders_every_n_epochs", 6),
    proof("trainer.default_root_dir", "/elsewhere"),
    proof("trainer.enable_autolog_hparams", False),
    proof("trainer.model_registry", "registered"),
]


@pytest.mark.parametrize(("key", "value"), AS_IT_IS)
def test_an_argument_of_lightning_is_given_under_its_own_name(received, key, value):
    name = key.partition(".")[2]
    assert received(**{key: value})[name] == value
    assert received().get(name, "not given") != value


def callback(arguments, kind):
    found = [each for each in arguments["callbacks"] if isinstance(each, kind)]
    return found[0] if found else None


@pytest.mark.proves("trainer.callbacks")
def test_more_callbacks_are_given(received):
    written = {
        "_target_": "pytorch_lightning.callbacks.LearningRateMonitor",
        "logging_interval": "step",
    }
    more = received(**{"trainer.callbacks": [written]})
    assert callback(more, LearningRateMonitor).logging_interval == "step"
    assert callback(received(), LearningRateMonitor) is None


@pytest.mark.proves("trainer.early_stopping")
@pytest.mark.parametrize(
    ("written", "patience"), [(True, 10), (4, 4), ({}, 10), ({"patience": 2}, 2)]
)
def test_early_stopping_is_a_callback(received, written, patience):
    stopping = callback(received(**{"trainer.early_stopping": written}), EarlyStopping)
    assert (stopping.monitor, stopping.patience) == ("val/loss", patience)
    assert callback(received(), EarlyStopping) is None


STOPPING = [
    proof("trainer.early_stopping.monitor", "val/mae"),
    proof("trainer.early_stopping.mode", "max"),
    proof("trainer.early_stopping.patience", 3),
    proof("trainer.early_stopping.min_delta", 0.5),
    proof("trainer.early_stopping.check_on_train_epoch_end", True),
    proof("trainer.early_stopping.stopping_threshold", 0.125),
    proof("trainer.early_stopping.divergence_threshold", 8.0),
    proof("trainer.early_stopping.strict", False),
    proof("trainer.early_stopping.verbose", True),
    proof("trainer.early_stopping.check_finite", False),
    proof("trainer.early_stopping.log_rank_zero_only", True),
]


@pytest.mark.parametrize(("key", "value"), STOPPING)
def test_a_setting_of_early_stopping_reaches_it(received, key, value):
    name = key.rpartition(".")[2]
    # Its sign follows the mode, and this is the only one that Lightning keeps elsewhere.
    attribute = {"check_on_train_epoch_end": "_check_on_train_epoch_end"}.get(name, name)

    def found(**changes):
        stopping = callback(received(**changes), EarlyStopping)
        return (
            abs(getattr(stopping, attribute))
            if name == "min_delta"
            else getattr(stopping, attribute)
        )

    assert found(**{key: value}) == value
    assert found(**{"trainer.early_stopping": True}) != value


@pytest.mark.proves("trainer.strict_deterministic")
def test_strict_determinism_is_asked_of_lightning_and_of_cublas(received, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    assert "deterministic" not in received()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    strict = received(**{"trainer.strict_deterministic": True})
    assert (strict["deterministic"], strict["benchmark"]) == (True, False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.proves("trainer.amp")
@pytest.mark.parametrize(
    ("hardware", "precision"), [("cloud-a100-40gb", "bf16-mixed"), ("mac-mps", "16-mixed")]
)
def test_mixed_precision_becomes_lightnings(received, hardware, precision):
    def section(amp):
        made = compose([f"hardware={hardware}", f"trainer.amp={amp}", "dataloader.batch_size=1"])
        return received(**{"trainer.precision": made.config["trainer"]["precision"]})

    assert section("true")["precision"] == precision
    assert section("false").get("precision") != precision


@pytest.mark.proves("trainer.profile", "trainer.profiler_dir")
def test_the_profiler_and_where_it_writes(received, tmp_path):
    assert "profiler" not in received()
    here = received(**{"trainer.profile": True})["profiler"]
    assert Path(here.dirpath).parts[-2:] == ("logs", "profile")
    there = str(tmp_path / "there")
    made = received(**{"trainer.profile": True, "trainer.profiler_dir": there})["profiler"]
    assert str(made.dirpath) == there


@pytest.mark.proves("trainer.log_model_structure")
def test_the_models_structure_is_printed(received, capsys):
    assert received()["enable_model_summary"] is False
    assert "Linear(in_features=4" not in capsys.readouterr().out
    assert received(**{"trainer.log_model_structure": True})["enable_model_summary"] is True
    assert "Linear(in_features=4" in capsys.readouterr().out


def test_every_argument_of_lightning_reaches_it_or_is_settled_elsewhere(received):
    from trainer.config.schema import HANDLED_ELSEWHERE, LightningArgs

    tried = {case.id.partition(".")[2] for case in AS_IT_IS}
    other_ways = {"callbacks", "use_distributed_sampler", "enable_checkpointing"}
    assert tried | other_ways == set(LightningArgs.model_fields)
    assert set(HANDLED_ELSEWHERE).isdisjoint(tried)
