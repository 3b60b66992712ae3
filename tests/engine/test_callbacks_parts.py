"""The parts of the callback, each alone."""

from __future__ import annotations

import math
import time

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from trainer.engine import TraindeckCallback
from trainer.engine.callbacks import flavour
from trainer.engine.callbacks.control import ControlReader
from trainer.engine.callbacks.forward import Forwarder
from trainer.engine.callbacks.memory import MemorySampler, rss_bytes
from trainer.engine.callbacks.norm import total_norm
from trainer.engine.callbacks.readback import Readback
from trainer.engine.callbacks.recorder import StepRecorder, batch_counts
from trainer.engine.callbacks.values import weight_decay
from trainer.engine.requests import Requests
from trainer.runs import control
from trainer.runs.layout import RunFolder


def test_numbers_come_back_in_order_whatever_their_kind():
    tensors = [
        torch.tensor(1.5),
        torch.tensor([2.5]),
        torch.tensor(3, dtype=torch.int64),
        torch.tensor(0.1, dtype=torch.float64),
        torch.tensor(4.0, dtype=torch.bfloat16),
        torch.tensor(float("inf")),
    ]
    assert Readback(tensors).values() == [1.5, 2.5, 3.0, 0.1, 4.0, math.inf]
    assert Readback([]).values() == []
    assert Readback([]).ready


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_not_waited_for():
    torch.cuda.set_sync_debug_mode("error")
    try:
        values = [torch.full((), float(i), device="cuda") for i in range(300)]
        readback = Readback([*values, torch.tensor(7.0)])
        deadline = time.monotonic() + 10
        while not readback.ready and time.monotonic() < deadline:
            time.sleep(0.001)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert readback.values() == [*map(float, range(300)), 7.0]


@pytest.mark.parametrize(
    "gradients",
    [
        [torch.tensor([3.0, 4.0])],
        [torch.randn(5, 4), torch.randn(7), torch.tensor(2.0)],
        [torch.randn(5, dtype=torch.float64), torch.randn(3)],
        [torch.randn(4), torch.eye(3).to_sparse()],
        [torch.tensor([float("nan")]), torch.ones(2)],
        [torch.zeros(0), torch.ones(4)],
    ],
)
def test_the_norm_is_that_of_all_gradients_together(gradients):
    dense = torch.cat([g.to_dense().double().reshape(-1) for g in gradients])
    expected = float(dense.pow(2).sum().sqrt())
    assert float(total_norm(gradients)) == pytest.approx(expected, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("batch", "counts"),
    [
        (torch.zeros(4, 3), (4, 0)),
        (torch.zeros(4, 3, dtype=torch.long), (4, 12)),
        ((torch.zeros(4, 3, dtype=torch.uint8), torch.zeros(4)), (4, 12)),
        ([torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.long)], (2, 0)),
        ({"name": ["a"], "x": torch.zeros(5)}, (5, 0)),
        ({"x": torch.zeros(5), "input_ids": torch.zeros(5, 6, dtype=torch.int32)}, (5, 30)),
        (torch.tensor(1.0), (1, 0)),
        (["text"], (0, 0)),
        (None, (0, 0)),
    ],
)
def test_a_batch_tells_how_much_it_holds(batch, counts):
    assert batch_counts(batch) == counts


def test_a_gpus_numbers_may_come_later(monkeypatch):
    arrived = []

    class Slow(Readback):
        @property
        def ready(self):
            return bool(arrived)

    monkeypatch.setattr("trainer.engine.callbacks.recorder.Readback", Slow)
    recorder = StepRecorder()

    def step(number):
        recorder.batch(torch.tensor(float(number)), 2, 0, 0.1, 0.0)
        recorder.step(step=number, epoch=0, end=0.0, period=0.2, lr=0.1, norm=None, accumulated=1)

    step(1)
    assert recorder.rows() == []
    step(2)
    assert recorder.rows() == []
    arrived.append(True)
    assert [(row[1], row[3]["train/loss"]) for row in recorder.rows()] == [(1, 1.0), (2, 2.0)]
    arrived.clear()
    step(3)
    assert [row[1] for row in recorder.rows(wait=True)] == [3]
    assert recorder.rows(wait=True) == []


def test_micro_batches_without_a_step_are_dropped():
    recorder = StepRecorder()
    recorder.batch(torch.tensor(5.0), 1, 0, 0.1, 0.0)
    recorder.extra("x", torch.tensor(1.0))
    recorder.drop_unfinished()
    recorder.batch(torch.tensor(2.0), 1, 0, 0.1, None)
    recorder.step(step=1, epoch=0, end=0.0, period=0.1, lr=0.1, norm=None, accumulated=1)
    ((_, step, _, metrics),) = recorder.rows()
    assert (step, metrics["train/loss"]) == (1, 2.0)
    assert "x" not in metrics
    assert "perf/data_wait_sec" not in metrics


def test_only_what_is_new_is_forwarded():
    forwarder = Forwarder()
    one, two = torch.tensor(1.0), torch.tensor(2.0)
    assert forwarder.new({"a": one}, per_step=True) == [("a", one)]
    assert forwarder.new({"a": one, "b": two}, per_step=True) == [("b", two)]
    assert forwarder.new({"a": one.detach(), "b": two[...]}, per_step=True) == []
    # An equal number that Lightning has computed anew is a new value.
    (found,) = forwarder.new({"a": torch.tensor(1.0), "b": two}, per_step=True)
    assert found[0] == "a"


def test_memory_is_sampled_once_a_second():
    sampler = MemorySampler(torch.device("cpu"))
    ((name, size),) = sampler.sample(100.0)
    assert name == "memory/rss_bytes"
    assert size == pytest.approx(rss_bytes(), rel=0.5)
    assert sampler.sample(100.9) == []
    assert sampler.sample(101.0) != []


def test_the_lightning_that_the_script_uses():
    assert flavour.name_in(["sys", "lightning.pytorch", "pytorch_lightning"]) == "lightning.pytorch"
    assert flavour.name_in(["pytorch_lightning", "lightning.pytorch"]) == "pytorch_lightning"
    assert flavour.name_in(["sys", "lightning"]) == "pytorch_lightning"
    # In this process it was pytorch_lightning, and the callback is one of its own.
    assert issubclass(TraindeckCallback, pl.Callback)
    assert flavour.chosen() is pl


class Counting(pl.LightningModule):
    """A linear model."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 1)

    def training_step(self, batch, batch_idx):
        return self.net(batch).pow(2).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_no_step_reads_a_number(tmp_path, monkeypatch):
    """Whatever would wait for a GPU is counted: between two boundaries there must be none."""
    calls = []

    def counted(name):
        original = getattr(torch.Tensor, name)

        def method(self, *arguments):
            calls.append(name)
            return original(self, *arguments)

        return method

    watcher = TraindeckCallback(runs_dir=tmp_path, interval=3600.0)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0,
        callbacks=[watcher],
    )
    per_step = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            calls.clear()

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            per_step.append(list(calls))

    # Before ours and after ours: Lightning calls them in this order.
    trainer.callbacks = [watcher, Watch()]
    for name in ("item", "tolist", "numpy", "cpu", "__float__", "__int__", "__bool__"):
        monkeypatch.setattr(torch.Tensor, name, counted(name))
    trainer.fit(Counting(), DataLoader(torch.ones(40, 3), batch_size=4))
    assert per_step == [[]] * 10
    # The counters do count: the epoch's end has read all steps back at once.
    assert "tolist" in calls


def test_a_stop_that_was_asked_for_shows_in_the_status(tmp_path):
    run = RunFolder(tmp_path)
    requests, log, status = Requests(), [], []
    reader = ControlReader(run, requests, log.append, status.append)
    control.request(run, "checkpoint")
    control.request(run, "stop", after="epoch")
    reader.poll()
    assert status == ["after this epoch: asked for by traindeck"]
    assert len(log) == 2
    assert requests.stop_asked is not None
    assert control.pending(run) == []


def test_weight_decay_is_that_of_the_group_that_is_not_spared():
    assert weight_decay([{"lr": 1.0, "weight_decay": 0.1}]) == 0.1
    assert weight_decay([{"weight_decay": 0.0}, {"weight_decay": 0.1}]) == 0.1
    assert weight_decay([{"lr": 1.0}]) is None
    assert weight_decay([{"lr": 1.0}, {"lr": 2.0}]) is None


def test_tokens_per_batch():
    recorder = StepRecorder()
    for _ in range(2):
        recorder.batch(torch.tensor(1.0), 4, 40, 0.1, 0.0)
    recorder.step(
        step=1, epoch=0, end=1.0, period=0.5, lr=0.1, norm=None, accumulated=2, decay=0.01
    )
    ((_, _, _, metrics),) = recorder.rows(wait=True)
    assert metrics["perf/tokens_per_batch"] == 40
    assert metrics["perf/tokens_per_sec"] == 160
    assert metrics["weight_decay"] == 0.01
