"""Lightning's loggers as the config chooses them: what they get, and what their failures do."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from enginelab.loggers import OFF, named, session_of
from enginelab.proofs import proof
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.logger import DummyLogger

from trainer.engine.fit import fit
from trainer.engine.loggers import loggers_of
from trainer.engine.loggers.hparams import flat, hyperparameters
from trainer.engine.loggers.tracking import Tracking, tracking
from trainer.engine.loggers.weights_biases import WeightsBiases, weights_biases
from trainer.runs.layout import RunFolder

SECRET = "0123456789abcdef0123456789abcdef01234567"
SLOW = pytest.mark.slow
pytestmark = pytest.mark.usefixtures("no_servers")


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
