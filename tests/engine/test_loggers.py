"""Lightning's loggers as the config chooses them: what they get, and what their failures do."""

from __future__ import annotations

import csv
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import pytest
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.logger import DummyLogger

from trainer.config.schema import load_resolved
from trainer.engine.fit import fit
from trainer.engine.loggers import courier, guard, local, loggers_of
from trainer.engine.loggers.courier import Courier, Point
from trainer.engine.loggers.hparams import flat, hyperparameters
from trainer.engine.loggers.tracking import Tracking, tracking
from trainer.engine.loggers.weights_biases import WeightsBiases, weights_biases
from trainer.engine.session import NoEvents, Session
from trainer.runs.layout import RunFolder

sys.path.insert(0, str(Path(__file__).parent))
from enginelab.proofs import proof

SECRET = "0123456789abcdef0123456789abcdef01234567"
SLOW = pytest.mark.slow
OFF = {f"logger.{name}.enabled": False for name in ("tensorboard", "csv", "wandb", "mlflow")}


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """No key, no server, nothing of this machine's own; what loggers set does not outlive a test."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("WANDB_", "MLFLOW_")):
            del os.environ[name]
    os.environ["HOME"] = str(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


def session_of(folder, rank=0, attempt=1, events=None):
    config = load_resolved(folder / "config.yaml").model_dump()
    return Session(
        folder, config, NoEvents() if events is None else events, rank=rank, attempt=attempt
    )


def named(lab, **changes):
    folder = lab("run", **{**OFF, **changes})
    (folder / "run.json").write_text('{"id": "abc", "name": "Speedy", "tags": ["one", "two"]}')
    return folder


@pytest.mark.proves(
    "logger.tensorboard.enabled",
    "logger.csv.enabled",
    "logger.wandb.enabled",
    "logger.wandb.offline",
    "logger.mlflow.enabled",
    "logger.mlflow.tracking_uri",
    "logger.mlflow.experiment_name",
    "logger.mlflow.run_name",
    "logger.mlflow.tags",
    "logger.mlflow.artifact_location",
)
def test_many_at_once_each_with_config_and_metrics_and_a_resume_goes_on(
    lab, events, tmp_path, monkeypatch
):
    from mlflow.tracking import MlflowClient
    from wandb.sdk.wandb_run import Run

    # An import of seconds, for what is not used here.
    monkeypatch.setattr(Run, "_detect_and_apply_job_inputs", lambda self: None)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store = (tmp_path / "store").as_uri()  # a database would take 50 migrations first
    changes = {
        **dict.fromkeys(OFF, True),
        "logger.wandb.offline": True,
        "logger.mlflow.tracking_uri": store,
        "logger.mlflow.experiment_name": "trial",
        "logger.mlflow.run_name": "Called",
        "logger.mlflow.tags": {"team": "blue"},
        "logger.mlflow.artifact_location": (tmp_path / "kept").as_uri(),
        "trainer.log_every_n_steps": 2,
        "trainer.max_epochs": 1,
    }
    run = named(lab, **changes)
    assert fit(run) == 0

    with (run / "logs" / "version_0" / "metrics.csv").open() as table:
        rows = list(csv.DictReader(table))
    steps = [int(row["step"]) for row in rows if row["perf/batch_time_sec"]]
    assert steps[:2] == [2, 4]
    told = {e["step"]: e["metrics"] for e in events(run, "metrics") if "lr" in e["metrics"]}
    first = next(row for row in rows if row["step"] == "2" and row["lr"])
    for name in ("lr", "weight_decay", "grad_norm", "train/loss", "perf/samples_per_sec"):
        assert float(first[name]) == pytest.approx(told[2][name])
    assert sum(1 for row in rows if row["val/loss"]) == 1  # Lightning's own, not ours again
    assert "lr: 0.01" in (run / "logs" / "version_0" / "hparams.yaml").read_text()

    (board,) = (run / "logs" / "version_0").glob("events.out.tfevents.*")
    (offline,) = (run / "logs" / "wandb").glob("offline-run-*/run-*.wandb")
    for file in (board, offline):
        written = file.read_bytes()
        for name in (b"grad_norm", b"perf/samples_per_sec", b"val/loss", b"max_epochs"):
            assert name in written, (file, name)

    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("trial")
    assert experiment.artifact_location == (tmp_path / "kept").as_uri()
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "Called"
    assert found.data.tags["team"] == "blue"
    assert found.data.tags["traindeck.run"] == "abc"
    assert found.data.params["trainer/max_epochs"] == "1"
    assert found.data.params["optimizer/config/lr"] == "0.01"
    history = client.get_metric_history(found.info.run_id, "lr")
    assert [point.step for point in history][:2] == [2, 4]

    named(lab, **{**changes, "trainer.max_epochs": 2, "run.resume": "auto"})
    assert fit(run) == 0
    (again,) = client.search_runs([experiment.experiment_id])
    assert again.info.run_id == found.info.run_id
    assert again.info.status == "FINISHED"
    assert again.data.params["trainer/max_epochs"] == "1"
    assert again.data.tags["changed.trainer/max_epochs"] == "2"
    ids = {file.name for file in (run / "logs" / "wandb").glob("offline-run-*/run-*.wandb")}
    assert ids == {offline.name}
    assert not [e for e in events(run, "alert") if e["kind"] == "logger_failed"]
    places = [e["message"] for e in events(run, "log") if "MLflow: run" in e["message"]]
    assert len(places) == 2


WANDB = [
    proof("logger.wandb.project", "planets", "project", "planets"),
    proof("logger.wandb.entity", "team", "entity", "team"),
    proof("logger.wandb.name", "mine", "name", "mine"),
    proof("logger.wandb.group", "fold", "group", "fold"),
    proof("logger.wandb.job_type", "train", "job_type", "train"),
    proof("logger.wandb.tags", ["a"], "tags", ["a"]),
    proof("logger.wandb.notes", "why", "notes", "why"),
    proof("logger.wandb.id", "k1", "id", "k1"),
]


@pytest.mark.parametrize(("key", "value", "argument", "given"), WANDB)
def test_what_wandb_is_given(lab, key, value, argument, given):
    made = {}
    for setting in ({}, {key: value}):
        run = named(lab, **setting)
        section = session_of(run).config["logger"]["wandb"]
        made[bool(setting)] = weights_biases(section, RunFolder(run))._wandb_init
    assert made[True][argument] == given
    assert made[False].get(argument) != given


def test_the_run_names_what_nobody_named(lab):
    run = named(lab)
    made = weights_biases(session_of(run).config["logger"]["wandb"], RunFolder(run))
    assert made._wandb_init["name"] == "Speedy"
    assert made._wandb_init["tags"] == ["one", "two"]
    assert made._wandb_init["project"] == "traindeck"
    assert made._wandb_init["dir"] == str(run / "logs")
    os.environ["WANDB_PROJECT"] = "from outside"
    made = weights_biases(session_of(run).config["logger"]["wandb"], RunFolder(run))
    assert made._wandb_init["project"] == "from outside"


@pytest.mark.parametrize(
    ("store", "kept"),
    [("mlruns", "mlruns"), pytest.param("sqlite:///m/store.db", "m/store.db", marks=SLOW)],
)
def test_mlflow_takes_a_folder_or_a_database(lab, tmp_path, monkeypatch, store, kept):
    monkeypatch.chdir(tmp_path)
    run = named(lab, **{"logger.mlflow.tracking_uri": store})
    made = tracking(session_of(run).config, RunFolder(run))
    assert (tmp_path / kept).exists()
    made.experiment.log_metric(made.run_id, "lr", 0.5, step=3)
    assert made.experiment.get_run(made.run_id).data.metrics == {"lr": 0.5}
    again = tracking(session_of(run).config, RunFolder(run))
    assert again.run_id == made.run_id


def test_lightnings_own_classes_are_found_in_their_order(lab):
    run = named(lab, **{"logger.tensorboard.enabled": True, "logger.csv.enabled": True})
    made = loggers_of(session_of(run))
    assert [
        isinstance(one, kind)
        for one, kind in zip(made, (TensorBoardLogger, CSVLogger), strict=True)
    ]
    assert {one.log_dir for one in made} == {str(run / "logs" / "version_0")}
    assert issubclass(WeightsBiases, WandbLogger)
    assert issubclass(Tracking, MLFlowLogger)
    for one in made:
        one.finalize("success")


def test_other_ranks_log_nothing_and_a_trial_run_neither(lab):
    run = named(lab, **{"logger.tensorboard.enabled": True, "logger.mlflow.enabled": True})
    assert [type(one) for one in loggers_of(session_of(run, rank=1))] == [DummyLogger] * 2
    trial = named(lab, **{"logger.tensorboard.enabled": True, "trainer.fast_dev_run": True})
    assert loggers_of(session_of(trial)) == []
    bare = named(lab, **{"logger.tensorboard.enabled": True, "trainer.barebones": True})
    assert loggers_of(session_of(bare)) == []
    assert not (run / "logs" / "version_0").exists()


def test_hyperparameters_hold_no_secret():
    config = {
        "logger": {"wandb": {"api_key": SECRET, "project": "p"}},
        "data": {"token": SECRET, "url": f"https://me:{SECRET}@host/x", "list": [1, "a"]},
        "trainer": {"max_steps": 3, "early_stopping": None, "nothing": {}},
    }
    found = hyperparameters(config)
    assert SECRET not in str(found)
    assert found["logger"] == {"wandb": {"project": "p"}}
    assert dict(flat(found))["trainer/max_steps"] == 3
    assert dict(flat(found))["trainer/nothing"] == {}


# ---- failures --------------------------------------------------------------------------------


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


# ---- the courier alone -----------------------------------------------------------------------


def test_the_courier_keeps_the_order_and_drops_what_fails_for_good():
    got, told = [], []

    def deliver(items: deque) -> None:
        while items:
            if items[0].step == 2:
                raise ValueError("never")
            got.append(items[0].step)
            items.popleft()

    one = Courier("test", deliver, lambda error: False, told.append, told.append)
    for step in range(5):
        one.put(Point({}, step))
    lost = closed(one)
    assert got == [0, 1, 3, 4]
    assert [str(each) for each in told] in (["never", "1"], ["never"])
    assert lost in (0, 1)


def test_the_courier_keeps_the_newest_when_nobody_answers(monkeypatch):
    monkeypatch.setattr(courier, "LIMIT", 3)
    free, got = threading.Event(), []

    def deliver(items: deque) -> None:
        free.wait(60)
        while items:
            got.append(items.popleft().step)

    one = Courier("test", deliver, lambda error: False, lambda error: None, lambda lost: None)
    one.put(Point({}, 0))
    deadline = time.monotonic() + 30
    while one._waiting and time.monotonic() < deadline:
        time.sleep(0.001)
    for step in range(1, 7):
        one.put(Point({}, step))
    free.set()
    closed(one)
    assert got == [0, 4, 5, 6]


def test_the_courier_delivers_one_thing_at_a_time_also_after_its_end_was_not_waited_for():
    free, at_work, most, got = threading.Event(), [0], [0], []

    def deliver(items: deque) -> None:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        free.wait(60)
        while items:
            got.append(items.popleft().step)
        at_work[0] -= 1

    one = Courier("test", deliver, lambda error: False, lambda error: None, lambda lost: None)
    one.put(Point({}, 0))
    now = time.monotonic()
    one.end(now)
    assert one.wait(now) == 1
    one.put(Point({}, 1))
    free.set()
    assert closed(one) == 0
    assert (got, most) == ([0, 1], [1])


def closed(one):
    """End a courier and wait for it."""
    deadline = time.monotonic() + 30
    one.end(deadline)
    return one.wait(deadline)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("how", ["to its end", "killed"])
def test_wandb_leaves_no_process_behind(lab, how):
    changes = {"logger.wandb.enabled": True, "logger.wandb.offline": True}
    run = named(lab, **changes, **{"trainer.max_epochs": 1 if how == "to its end" else 100000})
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer.engine", str(run)],
        env=os.environ | {"TRAINDECK_RUN": ""},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if how == "killed":
        wait_until(lambda: list((run / "logs" / "wandb").glob("offline-run-*/run-*.wandb")))
        process.kill()
    process.wait(timeout=300)
    wait_until(lambda: not of_session(process.pid))


def wait_until(what):
    deadline = time.monotonic() + 300
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def of_session(number):
    """Give the processes of a session that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == number and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
