"""What torch's optimisers, schedulers and losses are made with, key by key, after a real training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from enginelab.proofs import proof
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from trainer.config.schema import load_resolved
from trainer.engine import build
from trainer.engine.callbacks.limits import GpuMemoryCap
from trainer.engine.fit import fit


@pytest.fixture
def trained(lab, monkeypatch):
    """Train a little, and give Lightning's trainer as it was then."""
    seen: list[pl.Trainer] = []
    lightnings_own = pl.Trainer.fit

    def fit_and_tell(self, *args, **keywords):
        seen.append(self)
        return lightnings_own(self, *args, **keywords)

    monkeypatch.setattr(pl.Trainer, "fit", fit_and_tell)

    def train(name: str = "run", /, **changes: Any) -> pl.Trainer:
        seen.clear()
        changes = {"trainer.max_steps": 2, "trainer.limit_val_batches": 1} | changes
        assert fit(lab(name, **changes)) == 0
        return seen[0]

    return train


@pytest.mark.proves("optimizer.type", "optimizer.config")
def test_the_optimiser_is_the_one_that_is_named(trained):
    (plain,) = trained("plain", optimizer={}).optimizers
    assert type(plain) is torch.optim.AdamW
    assert plain.param_groups[0]["lr"] != 0.25
    section = {"type": "SGD", "config": {"lr": 0.25, "momentum": 0.5}}
    (named,) = trained("named", optimizer=section).optimizers
    assert type(named) is torch.optim.SGD
    assert (named.param_groups[0]["lr"], named.param_groups[0]["momentum"]) == (0.25, 0.5)


@pytest.mark.proves("optimizer.no_decay", "optimizer.no_decay_verbose")
def test_what_is_spared_the_weight_decay(trained, capsys):
    decays = {"optimizer.config.weight_decay": 0.1}
    (plain,) = trained("plain", **decays).optimizers
    assert [group["weight_decay"] for group in plain.param_groups] == [0.1]
    (spares,) = trained("spares", **decays, **{"optimizer.no_decay": True}).optimizers
    assert [group["weight_decay"] for group in spares.param_groups] == [0.1, 0.0]
    assert "layers.1.weight" not in capsys.readouterr().out
    trained("says", **decays, **{"optimizer.no_decay": True, "optimizer.no_decay_verbose": True})
    assert "layers.1.weight" in capsys.readouterr().out


STEPS = {"scheduler.type": "StepLR", "scheduler.config": {"step_size": 3}}


@pytest.fixture
def scheduled(trained):
    """Train a little, and give what Lightning holds of the scheduler; None without one."""

    def train(**changes):
        found = trained(f"run{len(changes)}", **changes).lr_scheduler_configs
        return found[0] if found else None

    return train


@pytest.mark.proves("scheduler.type", "scheduler.config", "scheduler.enabled")
def test_the_scheduler_is_the_one_that_is_named(scheduled):
    assert scheduled() is None
    made = scheduled(**STEPS).scheduler
    assert type(made) is torch.optim.lr_scheduler.StepLR
    assert (made.step_size, made.gamma) == (3, 0.1)
    other = {"step_size": 5, "gamma": 0.5}
    made = scheduled(**STEPS | {"scheduler.config": other}).scheduler
    assert (made.step_size, made.gamma) == (5, 0.5)
    assert scheduled(**STEPS, **{"scheduler.enabled": False}) is None


COUNTED = [proof("scheduler.interval", "step", "epoch"), proof("scheduler.frequency", 4, 1)]


@pytest.mark.parametrize(("key", "value", "default"), COUNTED)
def test_what_lightning_counts_before_a_scheduler_moves(scheduled, key, value, default):
    name = key.partition(".")[2]
    assert getattr(scheduled(**STEPS), name) == default
    assert getattr(scheduled(**STEPS, **{key: value}), name) == value


@pytest.mark.proves("scheduler.monitor")
def test_the_metric_that_a_scheduler_watches(scheduled):
    plateau = {"scheduler.type": "ReduceLROnPlateau"}
    assert scheduled(**plateau).monitor == "val/loss"
    assert scheduled(**plateau, **{"scheduler.monitor": "val/mae"}).monitor == "val/mae"


@pytest.mark.proves("scheduler.warmup", "scheduler.warmup.steps", "scheduler.warmup.interval")
def test_a_warmup_comes_before_the_scheduler(scheduled):
    def found(warmup):
        made = scheduled(**STEPS, **{"scheduler.warmup": warmup})
        return getattr(made.scheduler, "_milestones", None), made.interval

    assert found(None) == (None, "epoch")
    assert found(4) == ([4], "step")
    assert found({"steps": 5}) == ([5], "step")
    assert found({"steps": 5, "interval": "epoch"}) == ([5], "epoch")


@pytest.mark.proves("trainer.resume_lr", "trainer.resume_weight_decay")
def test_a_resume_may_change_the_optimiser(trained):
    wider = {"optimizer.config": {"lr": 0.01, "weight_decay": 0.1}, "run.resume": "auto"}

    def group(trainer):
        return {
            name: trainer.optimizers[0].param_groups[0][name] for name in ("lr", "weight_decay")
        }

    trained(**wider)
    same = trained(**wider, **{"trainer.max_steps": 3})
    assert group(same) == {"lr": 0.01, "weight_decay": 0.1}
    changed = {"trainer.resume_lr": 0.5, "trainer.resume_weight_decay": 0.3}
    other = trained(**wider, **changed, **{"trainer.max_steps": 4})
    assert group(other) == {"lr": 0.5, "weight_decay": 0.3}


@pytest.mark.proves("trainer.grad_clip_threshold")
def test_the_norm_above_which_a_step_counts_as_clipped(trained, lab, events):
    def share(name, **changes):
        run = lab(name, **changes | {"trainer.max_steps": 2})
        assert fit(run) == 0
        return [e["metrics"]["grad_clip_pct"] for e in events(run, "metrics")
                if "grad_clip_pct" in e["metrics"]]  # fmt: skip

    assert share("low", **{"trainer.grad_clip_threshold": 1e-6}) == [100.0, 100.0]
    assert share("high", **{"trainer.grad_clip_threshold": 1e6}) == [0.0, 0.0]


@pytest.mark.proves("trainer.use_distributed_sampler")
def test_whether_each_rank_gets_its_part_of_the_data(lab):
    def batches(**changes):
        config = load_resolved(lab("x", **changes) / "config.yaml").model_dump()
        data = build.data_of(config)
        data.trainer = SimpleNamespace(global_rank=1, world_size=2)
        return len(data.train_dataloader())

    assert batches() == 6
    assert batches(**{"trainer.use_distributed_sampler": False}) == 11


@pytest.fixture
def loss(lab):
    def make(**section):
        changes = {"loss": section, "model": {"_target_": "enginelab.tiny.Net"}}
        return build.module_of(load_resolved(lab("x", **changes) / "config.yaml").model_dump()).loss

    return make


@pytest.mark.proves("loss.composite", "loss.groups", "loss.max_component_penalty")
def test_a_loss_is_made_of_its_terms(loss):
    sums = loss(composite={"mse": {}})
    assert [type(term).__name__ for term in sums.terms] == ["MSE"]
    assert sums.cap is None
    grouped = loss(
        groups={"near": {"huber": {"config": {"delta": 2.0}}, "weights": {"huber": 3.0}}}
    )
    assert [(type(term).__name__, term.delta) for term in grouped.terms] == [("Huber", 2.0)]
    assert loss(composite={"mse": {}}, max_component_penalty=4.0).cap == 4.0


@pytest.mark.proves("loss.name")
def test_the_main_loss_is_called_by_its_name(lab, events):
    def names(run, **changes):
        folder = lab(run, **{"loss.composite": {"l1": {}}, "trainer.max_steps": 1, **changes})
        assert fit(folder) == 0
        return {name for event in events(folder, "metrics") for name in event["metrics"]}

    assert "train/loss/main" in names("plain")
    assert "train/loss/regression" in names("named", **{"loss.name": "regression"})


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        proof("logger.tensorboard.enabled", TensorBoardLogger),
        proof("logger.csv.enabled", CSVLogger),
    ],
)
def test_a_logger_is_given_to_lightning(trained, key, kind):
    assert trained("without").loggers == []
    (given,) = trained("with", **{key: True}).loggers
    assert isinstance(given, kind)


@pytest.mark.proves("limits.gpu_memory_gb")
def test_the_cap_of_a_gpus_memory_comes_from_the_config(trained, monkeypatch):
    def caps(name, **changes):
        return [c for c in trained(name, **changes).callbacks if isinstance(c, GpuMemoryCap)]

    assert caps("without") == []
    (cap,) = caps("with", **{"limits.gpu_memory_gb": 2.0})
    told = []
    gpu = SimpleNamespace(total_memory=8 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: gpu)
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda share, device: told.append(share)
    )
    root = SimpleNamespace(root_device=torch.device("cuda:0"))
    cap.setup(SimpleNamespace(strategy=root), None, "fit")
    assert told == [0.25]
