"""Trainings that come to their end and have trained nothing do not pass for completed."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
from torch.utils.data import DataLoader

from trainer.engine import TraindeckCallback
from trainer.engine.fit import fit

SKIPPED = "nothing was trained: training_step returned None for every batch"
NONE_WANTED = "nothing was trained: limit_train_batches is 0"
NO_WHOLE = "nothing was trained: the data have no whole batch"


def ended(run, events):
    (finished,) = events(run, "run_finished")
    return finished["status"], finished["reason"].partition(";")[0], finished["exit_code"]


@pytest.mark.parametrize("ends", [{"trainer.max_epochs": 1}, {"trainer.max_steps": 5}])
def test_a_model_that_never_gives_a_loss_has_failed(lab, events, ends):
    run = lab(**{"model": {"_target_": "enginelab.tiny.Skipping"}, **ends})

    assert fit(run) == 1

    assert ended(run, events) == ("failed", SKIPPED, 1)


@pytest.mark.parametrize("keywords", [{"every": 5}, {"by_hand": True}])
def test_a_model_that_skips_some_batches_or_optimises_by_hand_has_not(lab, events, keywords):
    model = {"_target_": "enginelab.tiny.Skipping", **keywords}
    run = lab(**{"model": model, "trainer.max_epochs": 1})

    assert fit(run) == 0

    assert ended(run, events) == ("completed", "max_epochs reached", 0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trainer.limit_train_batches": 0}, NONE_WANTED),
        ({"dataloader.batch_size": 64, "dataloader.drop_last": True}, NO_WHOLE),
    ],
)
def test_a_training_without_batches_has_failed(lab, events, changes, told):
    run = lab(**changes)

    assert fit(run) == 1

    assert ended(run, events) == ("failed", told, 1)


@pytest.mark.parametrize(
    ("keywords", "batches", "told"),
    [
        ({}, 3, ("failed", SKIPPED, 1)),
        ({}, 0, ("failed", NONE_WANTED, 1)),
        ({"every": 2}, 3, ("completed", "max_epochs reached", 0)),
        ({"by_hand": True}, 3, ("completed", "max_epochs reached", 0)),
    ],
)
def test_in_a_script_of_ones_own_too(lab, tmp_path, events, keywords, batches, told):
    from enginelab.tiny import Points, Skipping

    watcher = TraindeckCallback(runs_dir=tmp_path)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=batches,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[watcher],
    )
    trainer.fit(Skipping(**keywords), DataLoader(Points(44), batch_size=4))

    assert ended(watcher.run.path, events) == told
