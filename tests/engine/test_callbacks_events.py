"""What TraindeckCallback writes about a real, tiny fit."""

from __future__ import annotations

import json
import math
import warnings

import jsonschema
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from trainer.engine import TraindeckCallback
from trainer.events.schema import json_schema
from trainer.runs.layout import RunFolder
from trainer.runs.status import State, read_status

warnings.filterwarnings("ignore", message=".*does not have many workers.*")


class Batches(Dataset):
    """Ready batches of 4 samples."""

    def __init__(self, count=6, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, 4, 3, generator=generator)
        self.y = torch.randn(count, 4, 1, generator=generator)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


class Model(pl.LightningModule):
    """A linear model; keeps the losses and the gradient norms that the events should show."""

    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        torch.manual_seed(0)
        self.net = nn.Linear(3, 1)
        self.losses, self.norms = [], []

    def training_step(self, batch, batch_idx):
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.losses.append(loss.item())
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", nn.functional.mse_loss(self.net(batch[0]), batch[1]))

    def on_before_optimizer_step(self, optimizer):
        squares = sum(
            float(p.grad.double().pow(2).sum()) for p in self.parameters() if p.grad is not None
        )
        self.norms.append(math.sqrt(squares))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)


def fit(tmp_path, model=None, *, callback=None, train=None, val=None, watched=True, **arguments):
    """Train quietly; give (events, run folder, trainer)."""
    callback = callback or TraindeckCallback(runs_dir=tmp_path / "runs", interval=0.0)
    settings = {"max_epochs": 2, **arguments}
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback] if watched else [],
        default_root_dir=tmp_path,
        **settings,
    )
    trainer.fit(
        model or Model(),
        DataLoader(train or Batches(), batch_size=None),
        DataLoader(val, batch_size=None) if val else None,
    )
    return events_of(callback.run) if watched else [], callback.run, trainer


def events_of(run):
    return [json.loads(line) for line in run.events.read_text().splitlines()]


def series(events, name):
    """Give {step: last value} of a metric."""
    rows = [e for e in events if e["event"] == "metrics" and name in e["metrics"]]
    return {row["step"]: row["metrics"][name] for row in rows}


def test_every_line_of_a_real_fit_obeys_the_schema(tmp_path):
    events, _, _ = fit(tmp_path, val=Batches(2))
    validator = jsonschema.Draft202012Validator(json_schema())
    for event in events:
        validator.validate(event)
    assert events[0]["event"] == "run_started"
    assert events[-1]["event"] == "run_finished"


def test_a_step_has_all_its_metrics(tmp_path):
    model = Model()
    events, _, _ = fit(tmp_path, model)
    assert list(series(events, "train/loss")) == list(range(1, 13))
    assert list(series(events, "train/loss").values()) == pytest.approx(model.losses)
    assert set(series(events, "lr").values()) == {0.1}
    for name in ("batch_time_sec", "data_wait_sec", "batches_per_sec", "samples_per_sec"):
        values = series(events, f"perf/{name}")
        assert list(values) == list(range(1, 13)), name
        assert all(value >= 0 for value in values.values()), name
    speeds = zip(
        series(events, "perf/samples_per_sec").values(),
        series(events, "perf/batches_per_sec").values(),
        strict=True,
    )
    assert all(samples == pytest.approx(4 * batches, rel=1e-3) for samples, batches in speeds)
    assert series(events, "memory/rss_bytes")


def test_epochs_and_plan(tmp_path):
    events, _, _ = fit(tmp_path)
    started = events[0]
    assert (started["total_steps"], started["total_epochs"], started["step"]) == (12, 2, 0)
    assert started["metrics"]["train/loss"]["goal"] == "min"
    epochs = [e for e in events if e["event"] == "epoch_finished"]
    assert [(e["epoch"], e["step"]) for e in epochs] == [(0, 6), (1, 12)]
    assert list(series(events, "perf/epoch_time_sec")) == [6, 12]
    by_step = {e["step"]: e["epoch"] for e in events if e["event"] == "metrics"}
    assert by_step == {step: (0 if step <= 6 else 1) for step in range(1, 13)}


@pytest.mark.parametrize("clip", [None, 1e-3, 2.0])
def test_the_norm_is_the_one_before_clipping(tmp_path, clip):
    model = Model()
    events, _, _ = fit(tmp_path, model, gradient_clip_val=clip)
    norms = series(events, "grad_norm")
    assert list(norms.values()) == pytest.approx(model.norms, rel=1e-5)
    threshold = clip or 1.0
    assert events[0]["metrics"]["grad_norm"]["threshold"] == threshold
    over = [norm > threshold for norm in model.norms]
    shares = [100 * sum(over[: n + 1]) / (n + 1) for n in range(len(over))]
    assert list(series(events, "grad_clip_pct").values()) == pytest.approx(shares, abs=1e-3)
    if clip == 2.0:
        assert 0 < shares[-1] < 100


def test_a_threshold_of_ones_own(tmp_path):
    model = Model()
    median = sorted(_norms_of(tmp_path))[6]
    callback = TraindeckCallback(runs_dir=tmp_path / "b", interval=0.0, grad_clip_threshold=median)
    events, _, _ = fit(tmp_path, model, callback=callback)
    assert list(series(events, "grad_clip_pct").values())[-1] == pytest.approx(500 / 12, abs=1e-3)


def _norms_of(tmp_path):
    model = Model()
    fit(tmp_path / "a", model)
    return model.norms


def test_clipping_is_lightnings_own_afterwards(tmp_path):
    plain, watched = Model(), Model()
    callback = TraindeckCallback(runs_dir=tmp_path, interval=0.0)
    fit(tmp_path, plain, watched=False, gradient_clip_val=0.1)
    _, _, trainer = fit(tmp_path, watched, callback=callback, gradient_clip_val=0.1)
    assert torch.equal(plain.net.weight, watched.net.weight)
    assert "clip_grad_by_norm" not in vars(trainer.precision_plugin)


def test_without_the_norm(tmp_path):
    callback = TraindeckCallback(runs_dir=tmp_path, interval=0.0, grad_norm=False)
    events, _, _ = fit(tmp_path, callback=callback, gradient_clip_val=0.1)
    assert series(events, "train/loss")
    assert not series(events, "grad_norm")
    assert not series(events, "grad_clip_pct")


def test_accumulation_counts_optimiser_steps(tmp_path):
    model = Model()
    events, _, trainer = fit(tmp_path, model, train=Batches(5), accumulate_grad_batches=2)
    assert trainer.global_step == 6
    batches = [model.losses[0:2], model.losses[2:4], model.losses[4:5]]
    batches += [model.losses[5:7], model.losses[7:9], model.losses[9:10]]
    means = [sum(losses) / len(losses) for losses in batches]
    assert list(series(events, "train/loss").values()) == pytest.approx(means, rel=1e-5)
    assert list(series(events, "grad_norm").values()) == pytest.approx(model.norms, rel=1e-5)


class Diverging(Model):
    """Its loss is no number from the third step on."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss * float("nan") if self.global_step >= 2 else loss


def test_a_loss_that_is_no_number_is_seen(tmp_path):
    events, _, _ = fit(tmp_path, Diverging(), max_epochs=1)
    losses = series(events, "train/loss")
    assert isinstance(losses[2], float)
    assert losses[3] == losses[6] == "NaN"
    assert series(events, "grad_norm")[4] == "NaN"
    assert series(events, "grad_clip_pct")[6] > 0


class Logging(Model):
    """Logs in every way that Lightning knows."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("acc", torch.tensor(float(self.global_step)))
        self.log("both", loss, on_step=True, on_epoch=True)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return {"loss": loss, "metrics": {"train/extra": loss.detach() * 2}}

    def on_train_epoch_end(self):
        self.log("at_end", 7.0)


def test_what_the_module_logs_is_there_too(tmp_path):
    model = Logging()
    events, _, _ = fit(tmp_path, model, val=Batches(2))
    assert series(events, "acc") == {step: step - 1.0 for step in range(1, 13)}
    assert list(series(events, "both").values()) == pytest.approx(model.losses)
    assert list(series(events, "train/loss").values()) == pytest.approx(model.losses)
    assert list(series(events, "train/extra").values()) == pytest.approx(
        [2 * loss for loss in model.losses]
    )
    means = [sum(model.losses[:6]) / 6, sum(model.losses[6:]) / 6]
    for name in ("both_epoch", "train/loss_epoch"):
        assert list(series(events, name)) == [6, 12]
        assert list(series(events, name).values()) == pytest.approx(means, rel=1e-4)
    assert series(events, "at_end") == {6: 7.0, 12: 7.0}
    assert [e["step"] for e in events if "val/loss" in e.get("metrics", {})][1:] == [6, 12]
    assert not series(events, "both_step")


def test_logging_does_not_change_training(tmp_path):
    plain, watched = Model(), Model()
    fit(tmp_path, plain, watched=False)
    fit(tmp_path, watched, val=Batches(2))
    assert torch.equal(plain.net.weight, watched.net.weight)


class Adversaries(pl.LightningModule):
    """Two optimisers, stepped by hand."""

    automatic_optimization = False

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 1), nn.Linear(3, 1)

    def training_step(self, batch, batch_idx):
        for net, optimizer in zip((self.one, self.two), self.optimizers(), strict=True):
            loss = net(batch[0]).pow(2).mean()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        return {"loss": loss}

    def configure_optimizers(self):
        return [
            torch.optim.SGD(self.one.parameters(), 0.1),
            torch.optim.SGD(self.two.parameters(), 0.2),
        ]


def test_manual_optimisation(tmp_path):
    events, _, trainer = fit(tmp_path, Adversaries(), max_epochs=1)
    steps = series(events, "train/loss")
    assert list(steps) == list(range(2, trainer.global_step + 1, 2))
    assert set(series(events, "lr").values()) == {0.1}
    assert all(norm > 0 for norm in series(events, "grad_norm").values())


class TwoGroups(Model):
    """Weights and biases at rates of their own; the first as a tensor."""

    def configure_optimizers(self):
        groups = [
            {"params": [self.net.weight], "lr": torch.tensor(0.25)},
            {"params": [self.net.bias], "lr": 0.5, "name": "bias"},
        ]
        return torch.optim.Adam(groups, lr=0.1, foreach=False)


def test_rates_of_groups(tmp_path):
    events, _, _ = fit(tmp_path, TwoGroups(), max_epochs=1)
    assert set(series(events, "lr").values()) == {0.25}
    assert set(series(events, "lr/bias").values()) == {0.5}


class Scheduled(Model):
    """Halves the rate in every step."""

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def test_the_rate_is_the_one_the_step_was_made_with(tmp_path):
    events, _, _ = fit(tmp_path, Scheduled(lr=0.8), max_epochs=1, limit_train_batches=3)
    assert series(events, "lr") == {1: 0.8, 2: 0.4, 3: 0.2}


class Tokens(Dataset):
    """Whole numbers, two rows of five."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return {"mask": torch.ones(2), "input_ids": torch.zeros(2, 5, dtype=torch.long)}


class OnTokens(Model):
    """Learns nothing of them."""

    def training_step(self, batch, batch_idx):
        return self.net(torch.ones(3)).pow(2).sum()


def test_tokens_are_counted_where_the_batch_tells(tmp_path):
    events, _, _ = fit(tmp_path, OnTokens(), train=Tokens(), max_epochs=1)
    pairs = zip(
        series(events, "perf/tokens_per_sec").values(),
        series(events, "perf/samples_per_sec").values(),
        strict=True,
    )
    assert all(tokens == pytest.approx(5 * samples, rel=1e-3) for tokens, samples in pairs)


def test_a_resumed_fit_goes_on_counting(tmp_path):
    model = Model()
    callback = TraindeckCallback(runs_dir=tmp_path, interval=0.0, grad_clip_threshold=1e-9)
    _, run, trainer = fit(tmp_path, model, callback=callback, max_epochs=1)
    path = tmp_path / "half.ckpt"
    trainer.save_checkpoint(path)
    other = TraindeckCallback(runs_dir=tmp_path, interval=0.0, grad_clip_threshold=1e9)
    resumed = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[other],
    )
    resumed.fit(Model(), DataLoader(Batches(), batch_size=None), ckpt_path=path)
    events = events_of(other.run)
    assert other.run.path != run.path
    assert events[0]["step"] == 6
    # 6 of 6 above the first threshold, then 0 of 6 above the second.
    assert series(events, "grad_clip_pct")[12] == pytest.approx(50.0)


def test_the_end_is_told_to_the_run_folder(tmp_path):
    events, run, _ = fit(tmp_path)
    assert events[-1]["status"] == "completed"
    assert events[-1]["reason"] == "max_epochs reached"
    status = read_status(run)
    assert status.state is State.COMPLETED
    progress = json.loads(run.trainer_status.read_text())["progress"]
    assert (progress["step"], progress["total_steps"]) == (12, 12)
    assert isinstance(RunFolder(run.path).identity()["id"], str)
