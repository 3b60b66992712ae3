"""Loggers that fail, hang or end badly: told of once, and training goes on."""

from __future__ import annotations

import csv
import errno
import os
import signal
import threading
import time

import pytest
from enginelab.loggers import named, session_of
from pytorch_lightning.loggers import CSVLogger

from trainer.engine.fit import fit
from trainer.engine.loggers import courier, guard, local, loggers_of
from trainer.engine.loggers.courier import Courier

pytestmark = pytest.mark.usefixtures("no_servers")


def broken(monkeypatch, error, until=10**9):
    """Let the CSV logger fail at its first writes."""
    calls = [0]
    real = local.Csv._write

    def write(self, point):
        calls[0] += 1
        if calls[0] <= until:
            raise error
        real(self, point)

    monkeypatch.setattr(local.Csv, "_write", write)
    monkeypatch.setattr(courier, "FIRST_PAUSE", 0.01)
    return calls


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), ValueError("bad value")])
def test_a_logger_that_fails_is_told_of_once_and_training_goes_on(lab, events, monkeypatch, error):
    monkeypatch.setattr(guard, "PATIENCE", 0.3)
    calls = broken(monkeypatch, error)
    run = named(lab, **{"logger.csv.enabled": True, "trainer.log_every_n_steps": 1})
    assert fit(run) == 0
    assert calls[0] > 1
    (alert,) = (e for e in events(run, "alert") if e["kind"] == "logger_failed")
    assert alert["logger"] == "csv"
    assert str(error.args[-1]) in alert["message"]
    told = " ".join(e["message"] for e in events(run, "log"))
    assert "did not reach metrics.csv" in told or "entries were lost" in told
    assert events(run, "run_finished")[-1]["status"] == "completed"


def test_what_a_full_disk_refused_is_written_once_there_is_room(lab, events, monkeypatch):
    broken(monkeypatch, OSError(errno.ENOSPC, "No space left"), until=3)
    run = named(lab, **{"logger.csv.enabled": True, "trainer.log_every_n_steps": 1})
    assert fit(run) == 0
    with (run / "logs" / "version_0" / "metrics.csv").open() as table:
        steps = [int(row["step"]) for row in csv.DictReader(table) if row["lr"]]
    assert steps == [e["step"] for e in events(run, "metrics") if "lr" in e["metrics"]]
    assert any("written to again" in e["message"] for e in events(run, "log"))


def test_a_logger_that_hangs_holds_nobody_up(lab, events, monkeypatch):
    free = threading.Event()
    monkeypatch.setattr(guard, "PATIENCE", 0.2)
    monkeypatch.setattr(local.Csv, "_write", lambda self, point: free.wait(60))
    run = named(lab, **{"logger.csv.enabled": True, "trainer.log_every_n_steps": 1})
    try:
        assert fit(run) == 0
    finally:
        free.set()
    assert any("did not reach metrics.csv" in e["message"] for e in events(run, "log"))


def test_tensorboards_writer_is_made_anew_after_an_error(lab):
    run = named(lab, **{"logger.tensorboard.enabled": True})
    (made,) = loggers_of(session_of(run))
    before = made.experiment
    assert not made._again(ValueError("no number"))
    assert made.experiment is before
    assert made._again(OSError(errno.ENOSPC, "full"))
    assert made.experiment is not before
    made.finalize("failed")


class Told(list):
    """Events that keep the alerts."""

    def alert(self, level, kind, message, **more):
        self.append((level, kind, message))

    def log(self, level, message):
        """Not looked at."""


def test_a_logger_that_cannot_be_opened_stops_a_first_start_only(lab, events, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    changes = {
        "logger.csv.enabled": True,
        "logger.mlflow.enabled": True,
        "logger.mlflow.tracking_uri": f"sqlite:///{tmp_path}/file/store.db",
        "trainer.max_epochs": 1,
    }
    run = named(lab, **changes)
    assert fit(run) == 2
    assert "logger.mlflow cannot be opened" in capsys.readouterr().err
    told = Told()
    (made,) = loggers_of(session_of(run, attempt=2, events=told))
    assert isinstance(made, CSVLogger)
    ((level, kind, message),) = told
    assert (level, kind) == ("warning", "logger_failed")
    assert "goes on without it" in message
    made.finalize("success")


def test_all_loggers_end_together_within_one_patience(lab, monkeypatch):
    free = threading.Event()
    waited = []
    real = Courier.wait

    def wait(self, deadline):
        waited.append(deadline)
        return real(self, deadline)

    monkeypatch.setattr(guard, "PATIENCE", 0.2)
    monkeypatch.setattr(Courier, "wait", wait)
    monkeypatch.setattr(guard.Guarded, "_finish", lambda self, status: free.wait(60))
    run = named(lab, **{"logger.csv.enabled": True, "logger.tensorboard.enabled": True})
    try:
        assert fit(run) == 0
    finally:
        free.set()
    assert len(waited) == 2
    assert len(set(waited)) == 1


def test_who_wants_no_end_of_the_loggers_waits_for_none(lab, events, monkeypatch):
    """The second TERM comes while a server does not answer at the end."""
    free, asked = threading.Event(), []
    real = Courier.wait

    def wait(self, deadline):
        asked.append(deadline - time.monotonic())
        if len(asked) == 1:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, min(deadline, time.monotonic() + 0.1))

    monkeypatch.setattr(Courier, "wait", wait)
    monkeypatch.setattr(local.Csv, "_finish", lambda self, status: free.wait(60))
    run = named(lab, **{"logger.csv.enabled": True, "trainer.max_epochs": 1})
    try:
        assert fit(run) == 130
    finally:
        free.set()
    assert asked[0] > guard.HURRY >= max(asked[1:])
    assert any("did not reach metrics.csv" in e["message"] for e in events(run, "log"))
    assert (run / "checkpoints" / "last.ckpt").exists()


@pytest.mark.parametrize(
    "changes",
    [{"trainer.strategy": "by foot"}, {"run.resume": "broken.ckpt"}],
    ids=["no trainer", "no checkpoint"],
)
def test_what_fails_before_training_has_ended_its_loggers(lab, monkeypatch, changes):
    ended = []
    monkeypatch.setattr(local.Csv, "_finish", lambda self, status: ended.append(status))
    monkeypatch.setattr("trainer.engine.resume.carried", lambda path: {})
    run = named(lab, **{"logger.csv.enabled": True} | changes)
    (run / "broken.ckpt").write_text("")
    assert fit(run) != 0
    assert ended == ["failed"]
