"""How a training ends: exit codes, the state it records, what it says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from trainer.engine.fit import end_of_error, fit
from trainer.engine.requests import Requests, Stop, StopNow


def told(folder, **more):
    return {"_target_": "enginelab.tiny.Diary", "path": str(folder / "diary")} | more


def ended(run, events):
    finished = events(run, "run_finished")[-1]
    status = json.loads((run / "status.trainer.json").read_text())
    assert status["state"] == finished["status"]
    assert status["exit_code"] == finished["exit_code"]
    return finished["status"], finished["reason"]


@pytest.mark.parametrize(
    ("how", "code", "state", "reason"),
    [
        ("SIGTERM", 0, "stopped", "SIGTERM"),
        ("SIGUSR1", 0, "stopped", "SIGUSR1"),
        ("SIGINT", 130, "stopped", "SIGINT"),
        ("timeout", 3, "timeout", "time limit reached"),
        ("request", 0, "stopped", "told to"),
        ("SIGHUP", 0, "completed", "max_epochs reached"),
        ("raise", 1, "failed", "RuntimeError: as the test wants"),
        ("memory", 4, "out_of_memory", "MemoryError"),
    ],
)
def test_every_end_has_its_code_and_state(lab, events, capsys, how, code, state, reason):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    run = lab()
    lab(**{"callbacks.diary": told(run, stop_after=5, how=how)})

    assert fit(run) == code

    assert ended(run, events) == (state, reason)
    assert {number: signal.getsignal(number) for number in before} == before
    batches = len((run / "diary").read_text().splitlines())
    last = run / "checkpoints" / "last.ckpt"
    if state in ("stopped", "timeout"):
        assert batches == 5
        assert torch.load(last, weights_only=True)["global_step"] == 5
    errors = capsys.readouterr().err
    if how == "raise":
        assert "Traceback" in errors
        assert "as the test wants" in errors
        assert not last.exists()
    elif state != "out_of_memory":
        assert "Traceback" not in errors


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "MPS backend out of memory (MPS allocated: 17.06 GB)",
        "[enforce fail at x.cpp:1] . DefaultCPUAllocator: can't allocate memory: you tried",
    ],
)
def test_every_way_of_saying_out_of_memory(lab, events, text):
    run = lab()
    lab(**{"callbacks.diary": told(run, stop_after=2, how=f"say {text}")})

    assert fit(run) == 4

    assert ended(run, events) == ("out_of_memory", f"RuntimeError: {text}")


def test_a_stop_after_the_epoch_trains_it_to_its_end(lab, events):
    run = lab()
    lab(**{"callbacks.diary": told(run, stop_after=13, how="epoch")})

    assert fit(run) == 0

    assert ended(run, events) == ("stopped", "told to")
    assert len((run / "diary").read_text().splitlines()) == 22


def test_a_checkpoint_and_a_validation_come_when_asked_for(lab, events):
    run = lab()
    asked = told(run, stop_after=5, how="checkpoint")
    again = told(run, stop_after=7, how="validate")
    lab(**{"trainer.max_epochs": 1, "callbacks": {"one": asked, "two": again}})

    assert fit(run) == 0

    saved = [(e["kind"], e["step"], e["reason"]) for e in events(run, "checkpoint")]
    assert ("last", 5, "told to") in saved
    validated = {e["step"] for e in events(run, "metrics") if "val/loss" in e["metrics"]}
    assert validated == {7, 11}


def test_a_checkpoint_event_says_what_was_written(lab, events):
    run = lab(**{"trainer.max_epochs": 1})
    assert fit(run) == 0

    found = {e["kind"]: e for e in events(run, "checkpoint")}

    assert set(found) == {"best", "last"}
    assert found["last"]["path"] == "checkpoints/last-epoch00001.ckpt"
    assert found["last"]["bytes"] == (run / found["last"]["path"]).stat().st_size
    assert (found["last"]["step"], found["last"]["epoch"]) == (11, 1)
    assert found["last"]["pause_s"] > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer.config": {"lr": 0.1, "momentun": 1}}, ["AdamW takes no 'momentun'"]),
        ({"optimizer": {"type": "AdamV"}}, ["no optimiser 'AdamV'", "Did you mean 'Adam"]),
        ({"optimizer.config": {"lr": -1.0}}, ["Invalid learning rate"]),
        ({"scheduler": {"type": "CosineAnnealing"}}, ["'CosineAnnealing'", "CosineAnnealingLR"]),
        ({"scheduler": {"type": "StepLR"}}, ["StepLR needs 'step_size'"]),
        ({"scheduler": {"type": "LambdaLR"}}, ["needs a function"]),
        (
            {"scheduler": {"type": "ReduceLROnPlateau", "warmup": 5}},
            ["cannot follow a warmup", "metric"],
        ),
        ({"model": {"_target_": "enginelab.tiny.Net", "wide": 3}}, ["'wide'", "width"]),
        ({"model": {"_target_": "enginelab.tiny.Nett"}}, ["no 'Nett'", "Did you mean 'Net'"]),
        ({"model": {"_target_": "enginelab.tiny.Points"}}, ["is no Module"]),
        ({"data": {"_target_": "enginelab.tiny.Net"}}, ["is no LightningDataModule or Datasets"]),
        ({"data": {"_target_": "enginelab.tiny.Data", "count": 0}}, ["train_dataset() gives no"]),
        ({"model": {}}, ["'model' names no class"]),
        ({"trainer.monitor": "val/los"}, ["Nothing logs 'val/los'", "Did you mean 'val/loss'"]),
        ({"trainer.min_epochs": 2, "trainer.devices": 0}, ["Lightning refuses"]),
        ({"run.resume": "nowhere.ckpt"}, ["no checkpoint 'nowhere.ckpt'"]),
        ({"dataloader.type": "TextDataLoader"}, ["tokenizer_path"]),
    ],
)
def test_what_a_person_wrote_wrong_is_said_in_a_sentence(lab, events, capsys, changes, words):
    run = lab(**changes)

    assert fit(run) == 2

    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    for word in words:
        assert word in errors
    state, reason = ended(run, events)
    assert state == "failed"
    assert reason


def test_requests_keep_the_most_urgent_stop_and_interrupt_once():
    requests = Requests()
    requests.stop("epoch", "first")
    requests.stop("step", "second")
    requests.stop("epoch", "third")
    assert requests.stop_asked == Stop("step", "first")
    with pytest.raises(ValueError, match="never"):
        requests.stop("never")
    with pytest.raises(StopNow):
        requests.stop("now", "hurry")
    requests.stop("now", "hurry more")
    requests.checkpoint("a")
    requests.checkpoint("b")
    assert (requests.take_checkpoint(), requests.take_checkpoint()) == ("a", None)
    requests.validate()
    assert (requests.take_validate(), requests.take_validate()) == (True, False)

    closed = Requests()
    closed.close()
    closed.stop("now", "too late")


@pytest.mark.parametrize(
    ("before", "signals", "asked"),
    [
        (None, [("SIGTERM", 0)], "step"),
        # A cluster's TERM to all processes, which the supervisor passes on.
        (None, [("SIGTERM", 0), ("SIGTERM", 1.5)], "step"),
        (None, [("SIGTERM", 0), ("SIGTERM", 1.5), ("SIGTERM", 3)], "now"),
        (None, [("SIGTERM", 0), ("SIGINT", 0.1)], "now"),
        (None, [("SIGINT", 0), ("SIGINT", 0.1)], "now"),
        (None, [("SIGTERM", 0), ("SIGUSR1", 10)], "step"),
        # The end of the wall clock, asked for by a file before.
        ("step", [("SIGTERM", 0)], "now"),
        # An epoch may take hours, and nobody has insisted yet.
        ("epoch", [("SIGTERM", 0)], "step"),
        ("epoch", [("SIGTERM", 0), ("SIGTERM", 1.5)], "step"),
        ("epoch", [("SIGINT", 0), ("SIGINT", 0.1)], "now"),
    ],
)
def test_which_signal_leaves_no_time_for_a_checkpoint(monkeypatch, before, signals, asked):
    clock = [100.0]
    timer = SimpleNamespace(monotonic=lambda: clock[0])
    monkeypatch.setattr("trainer.engine.requests.time", timer)
    requests = Requests()
    if before:
        requests.stop(before, "asked before")
    for name, when in signals:
        clock[0] = 100.0 + when
        last = (name, when) == signals[-1]
        with pytest.raises(StopNow) if last and asked == "now" else contextlib.nullcontext():
            requests.by_signal(signal.Signals[name])
    assert requests.stop_asked == Stop(asked, "asked before" if before else signals[0][0])


def test_an_ill_training_that_is_left_at_once_has_failed(capsys):
    requests = Requests()
    requests.stop("step", "the loss is NaN", failed=True)
    end = end_of_error(StopNow("SIGTERM"), requests)
    assert (end.state, end.exit_code) == ("failed", 1)
    assert end.reason.startswith("the loss is NaN, at once")


def test_a_folder_without_a_config_is_wrong_input(tmp_path, capsys):
    assert fit(tmp_path) == 2
    assert "config" in capsys.readouterr().err


def test_a_lightning_module_of_ones_own_borrows_the_optimiser(lab):
    run = lab(
        **{
            "model": {"_target_": "enginelab.tiny.OwnModule"},
            "loss": {},
            "optimizer": {"type": "SGD", "config": {"lr": 0.02, "momentum": 0.5}},
            "trainer.max_epochs": 1,
        }
    )

    assert fit(run) == 0

    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["optimizer_states"][0]["param_groups"][0]["lr"] == 0.02
    assert (run / "checkpoints" / "best.ckpt").exists()


def test_loggers_write_where_lightning_would(lab):
    run = lab(
        **{
            "logger": {"tensorboard": {"enabled": True}, "csv": {"enabled": True}},
            "trainer.max_epochs": 1,
        }
    )
    assert fit(run) == 0
    assert fit(run) == 0

    names = sorted(p.name for p in (run / "logs").glob("version_*"))
    assert names == ["version_0", "version_1"]
    assert list((run / "logs" / "version_0").glob("events.out.tfevents.*"))
    assert "val/loss" in (run / "logs" / "version_0" / "metrics.csv").read_text()


@pytest.mark.slow
def test_a_second_signal_does_not_wait(lab, events, tmp_path):
    run = lab(**{"trainer.max_epochs": 100000})
    lab(**{"trainer.max_epochs": 100000, "callbacks.diary": told(run)})
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer.engine", str(run)],
        cwd=tmp_path,
        env=os.environ | {"TRAINDECK_RUN": ""},
    )
    deadline = time.monotonic() + 60
    while not (run / "diary").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)

    # Where both come between two instructions, Python tells of SIGINT first.
    assert process.wait(timeout=60) in (0, 130)
    assert ended(run, events)[0] == "stopped"
    for file in (run / "checkpoints").glob("*.ckpt"):
        torch.load(file, weights_only=True)


@pytest.mark.slow
def test_a_term_to_the_whole_group_stops_well_with_workers(lab, events, tmp_path):
    more = {
        "trainer.max_epochs": 100000,
        "dataloader.num_workers": 2,
        "dataloader.persistent_workers": True,
        "run.resume": "auto",
    }
    run = lab(**more)
    lab(**more, **{"callbacks.diary": told(run)})
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer.engine", str(run)],
        cwd=tmp_path,
        start_new_session=True,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not (run / "diary").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)

    assert process.wait(timeout=60) == 0
    assert b"killed" not in process.stderr.read()
    assert ended(run, events) == ("stopped", "SIGTERM")
    assert (run / "checkpoints" / "last.ckpt").exists()
    deadline = time.monotonic() + 20
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(process.pid), "a worker stays behind"


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_optimiser_for_sparse_gradients_is_refused_in_a_sentence(lab, events, capsys):
    run = lab(**{"optimizer.type": "SparseAdam"})

    assert fit(run) == 2

    state, reason = ended(run, events)
    assert state == "failed"
    assert "SparseAdam takes sparse gradients only, and this model's are dense." in reason
    errors = capsys.readouterr().err
    assert "optimizer.type=Adam" in errors
    assert "Traceback" not in errors
