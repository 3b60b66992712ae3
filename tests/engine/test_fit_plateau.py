"""A scheduler that follows a metric: there, not yet there, or never."""

from __future__ import annotations

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
