"""A scheduler that follows a metric: there, not yet there, or never."""

from __future__ import annotations

import pytest

from trainer.engine.fit import fit

PLATEAU = {"type": "ReduceLROnPlateau", "config": {"patience": 0, "factor": 0.5, "threshold": 9.0}}


def test_an_epoch_without_a_validation_has_nothing_to_compare(lab, events):
    folder = lab(**{"scheduler": PLATEAU, "trainer.check_val_every_n_epoch": 2})

    assert fit(folder) == 0
    seen = [e["metrics"]["lr"] for e in events(folder, "metrics") if "lr" in e["metrics"]]
    assert seen[0] == seen[11] == 0.01


def test_a_metric_that_nobody_logs_is_told_with_those_that_are_there(lab, events):
    folder = lab(scheduler=PLATEAU | {"monitor": "val/los"})

    assert fit(folder) == 2
    reason = events(folder, "run_finished")[0]["reason"]
    assert "Nothing logs 'val/los', which the scheduler watches." in reason
    assert "val/loss" in reason


@pytest.mark.parametrize("at_epoch_end", [False, True])
def test_early_stopping_by_a_metric_that_nobody_logs_is_told_alike(
    lab, events, capsys, at_epoch_end
):
    written = {"monitor": "val/los", "check_on_train_epoch_end": at_epoch_end}
    folder = lab(**{"trainer.early_stopping": written})

    assert fit(folder) == 2
    reason = events(folder, "run_finished")[0]["reason"]
    assert reason.startswith("Nothing logs 'val/los', which early stopping watches.")
    assert "Did you mean 'val/loss'?" in reason
    assert "Traceback" not in capsys.readouterr().err


def test_early_stopping_that_is_not_strict_goes_on_without_its_metric(lab):
    written = {"monitor": "val/los", "strict": False}
    assert fit(lab(**{"trainer.early_stopping": written, "trainer.max_epochs": 2})) == 0
    assert (
        fit(lab(**{"trainer.early_stopping.monitor": "val/los", "trainer.fast_dev_run": True})) == 0
    )
