"""`trainer.benchmark_train_step`: what a step takes on its device."""

from __future__ import annotations

import time

import pytest
import pytorch_lightning as pl
import torch

from trainer.engine.callbacks import TraindeckCallback, step_time
from trainer.engine.callbacks.step_time import NAME, StepTimer
from trainer.engine.fit import fit


def measured(events, folder):
    return {
        e["step"]: e["metrics"][NAME] for e in events(folder, "metrics") if NAME in e["metrics"]
    }


@pytest.mark.proves("trainer.benchmark_train_step")
def test_every_step_has_its_time_and_the_device_is_waited_for(lab, events, monkeypatch):
    waits = []
    monkeypatch.setattr(step_time, "_wait", waits.append)
    scene = {"trainer.max_epochs": 1, "trainer.accumulate_grad_batches": 2}
    folder = lab(**scene | {"trainer.benchmark_train_step": True})
    assert fit(folder) == 0

    found = measured(events, folder)
    assert list(found) == [1, 2, 3, 4, 5, 6]
    assert all(value > 0 for value in found.values())
    assert len(waits) == 2 * 11
    (started,) = events(folder, "run_started")
    assert started["metrics"][NAME] == {"unit": "ms", "goal": "min"}

    waits.clear()
    assert fit(lab("off", **scene)) == 0
    assert measured(events, folder.parent / "off") == {}
    assert waits == []


def test_batches_of_a_step_are_added_up_and_the_rest_is_left_out(monkeypatch):
    clock = iter([1.0, 1.5, 10.0, 10.25, 20.0, 21.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    told = []
    deck = TraindeckCallback.__new__(TraindeckCallback)
    monkeypatch.setattr(deck, "measured", lambda *a: told.append(a), raising=False)
    timer = StepTimer(deck)

    class Trainer:
        global_step = 0

    trainer, module = Trainer(), pl.LightningModule()
    timer.on_train_start(trainer, module)
    for step in (0, 1, 2):
        timer.on_train_batch_start(trainer, module, None, 0)
        trainer.global_step = step
        timer.on_train_batch_end(trainer, module, None, None, 0)

    assert told == [(NAME, 750.0), (NAME, 1000.0)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_time_on_a_gpu_is_that_of_its_work(lab, events):
    model = {"_target_": "enginelab.rooms.Slow"}
    scene = {"trainer.accelerator": "gpu", "trainer.max_steps": 20, "model": model}
    folder = lab(**scene | {"trainer.benchmark_train_step": True})
    assert fit(folder) == 0
    # 100 products of 2048 x 2048 matrices are over 1.7 TFLOP of float32.
    assert min(list(measured(events, folder).values())[5:]) > 5.0
