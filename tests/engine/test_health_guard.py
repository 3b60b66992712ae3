"""What alerts do: stop, the person's command, and a script of one's own."""

from __future__ import annotations

import json
import os
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from trainer.config.schema_health import Health
from trainer.engine import TraindeckCallback
from trainer.engine.health.command import Command
from trainer.engine.health.guard import HealthGuard
from trainer.engine.health.layers import LayerRatio
from trainer.engine.session import Session
from trainer.runs.status import State, read_status


class Told:
    """Events kept in memory."""

    def __init__(self):
        self.alerts, self.logs = [], []

    def alert(self, level, kind, message, **more):
        self.alerts.append({"level": level, "kind": kind, "message": message, **more})

    def log(self, level, message):
        self.logs.append((level, message))


def guard_of(tmp_path, **settings):
    session = Session(folder=tmp_path, config={}, events=Told())
    return HealthGuard(session, Health(**settings)), session


NAN = [(0.0, 7, 0, {"train/loss": float("nan")})]
ZERO_RATE = [(float(s), s, 0, {"train/loss": 1.0, "lr": 0.0}) for s in range(1, 121)]
STOPS = [
    ({}, NAN, None),
    ({"on_alert": "stop"}, NAN, "train/loss is NaN at step 7"),
    ({"on_alert": "stop"}, ZERO_RATE, None),
    ({"on_alert": "stop", "stop_from": "warning"}, ZERO_RATE, "plateau at step 100"),
    ({"per_kind": {"plateau": "stop"}}, ZERO_RATE, "plateau at step 100"),
    ({"on_alert": "stop", "per_kind": {"non_finite_loss": "warn"}}, NAN, None),
]


@pytest.mark.parametrize(("settings", "rows", "reason"), STOPS)
def test_what_stops_and_what_does_not(tmp_path, settings, rows, reason):
    guard, session = guard_of(tmp_path, **settings)
    guard(rows)
    assert len(session.events.alerts) == 1
    asked = session.requests.stop_asked
    if reason is None:
        assert asked is None
    else:
        assert (asked.after, asked.reason, asked.failed) == ("step", reason, True)


def script_of(tmp_path, text):
    path = tmp_path / "told.py"
    path.write_text("import json, os, sys, time\n" + text)
    return [sys.executable, str(path)]


def test_the_command_gets_the_alert_and_its_output_is_logged(tmp_path):
    argv = script_of(
        tmp_path,
        "alert = json.load(sys.stdin)\n"
        "names = [n for n in os.environ if n.startswith('TRAINDECK_ALERT_')]\n"
        "alert['names'] = sorted(names)\n"
        "open('got.json', 'w').write(json.dumps(alert))\n"
        "print('sent \\x1b[31m to', os.environ['TRAINDECK_ALERT_KIND'])\n",
    )
    guard, session = guard_of(tmp_path, on_alert="command", command=argv)
    guard(NAN)
    guard.close()
    got = json.loads((tmp_path / "got.json").read_text())
    assert (got["kind"], got["step"], got["value"]) == ("non_finite_loss", 7, "NaN")
    assert got["advice"].startswith("The weights")
    assert len(got["names"]) == 4
    ((level, text),) = session.events.logs
    assert level == "info"
    assert text.endswith("\nsent  to non_finite_loss")


def test_a_command_that_floods_its_output_takes_no_memory(tmp_path):
    argv = script_of(
        tmp_path,
        "piece = b'x' * 1000000\nfor _ in range(60):\n    sys.stdout.buffer.write(piece)\n",
    )
    told = Told()
    command = Command(argv, 60.0, told, str(tmp_path))
    tracemalloc.start()
    try:
        command.run({"kind": "stall"})
        command.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    ((level, text),) = told.logs
    assert level == "info"
    assert text.endswith("x" * 2000)
    assert len(text) < 2200
    assert peak < 10e6


def test_a_command_that_reads_nothing_is_run_all_the_same(tmp_path):
    told = Told()
    argv = script_of(tmp_path, "sys.stdin.close()\nprint('ok')\n")
    command = Command(argv, 60.0, told, str(tmp_path))
    command.run({"kind": "stall", "advice": "x" * 1_000_000})
    command.close()
    ((level, text),) = told.logs
    assert level == "info"
    assert text.endswith("\nok")


def test_a_command_that_hangs_is_killed_with_its_children_and_never_waited_for(tmp_path):
    argv = script_of(tmp_path, "os.fork()\nprint('up', flush=True)\ntime.sleep(600)\n")
    told = Told()
    command = Command(argv, 0.5, told, str(tmp_path))
    began = time.monotonic()
    command.run({"kind": "stall"})
    assert time.monotonic() - began < 0.4
    command.close()
    assert [text.partition(": ")[2] for _, text in told.logs] == ["killed after 0.5 s"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [(["/no/such/program"], "No such file"), ([sys.executable, "-c", "exit(3)"], "exit code 3")],
)
def test_a_command_that_fails_is_a_line_of_the_log(tmp_path, argv, said):
    told = Told()
    command = Command(argv, 30.0, told, str(tmp_path))
    command.run({"kind": "stall", "step": None})
    command.close()
    ((level, text),) = told.logs
    assert level == "warning"
    assert said in text


def test_warnings_run_the_command_and_notes_do_not(tmp_path):
    guard, session = guard_of(tmp_path, on_alert="command", command=["true"])
    ran = []
    guard._command.run = ran.append
    rows = [(float(s), s, 0, {"train/loss": 3.0 if s < 9 else 1.0}) for s in range(1600)]
    guard(rows)
    assert [a["level"] for a in session.events.alerts] == ["info"]
    assert ran == []

    guard, session = guard_of(tmp_path, on_alert="command", command=["true"])
    guard._command.run = ran.append
    guard(ZERO_RATE)
    assert [a["kind"] for a in ran] == ["plateau"]


def test_the_clock_tells_of_a_stall_from_its_own_thread(tmp_path):
    guard, session = guard_of(tmp_path, stall_seconds=0.05, stall_first_seconds=0.05)
    guard.start(lambda: (1.0, 12, "validation"))
    deadline = time.monotonic() + 60
    while not session.events.alerts and time.monotonic() < deadline:
        time.sleep(0.01)
    guard.close()
    (alert,) = session.events.alerts
    assert (alert["kind"], alert["step"], alert["during"]) == ("stall", 12, "validation")


def test_memory_that_ran_out_is_an_alert_with_advice(tmp_path):
    guard, session = guard_of(tmp_path, on_alert="stop")
    guard.out_of_memory("CUDA out of memory")
    (alert,) = session.events.alerts
    assert alert["kind"] == "out_of_memory"
    assert "gradient accumulation" in alert["advice"]
    assert session.requests.stop_asked is None


def test_the_ratio_of_the_layers_is_that_of_the_weights():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    optimizer = torch.optim.SGD(model.parameters())
    assert LayerRatio().of(optimizer) is None
    for number, size in ((0, 1e-3), (1, 0.0), (2, 2.0)):
        model[number].weight.grad = torch.full((3, 3), size)
        model[number].bias.grad = torch.full((3,), 1e9)
    assert float(LayerRatio().of(optimizer)) == pytest.approx(5e-4)


class Script(pl.LightningModule):
    """Somebody's own module, whose loss breaks at a step."""

    def __init__(self, breaks_at):
        super().__init__()
        self.net, self.breaks_at = nn.Linear(3, 1), breaks_at

    def training_step(self, batch, batch_idx):
        loss = self.net(batch).pow(2).mean()
        return loss * torch.nan if self.global_step + 1 == self.breaks_at else loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


SCRIPTS = [
    (None, State.COMPLETED, "max_epochs reached; train/loss is NaN since step 12"),
    ({"on_alert": "stop"}, State.FAILED, "train/loss is NaN at step 12"),
    ({"enabled": False}, State.COMPLETED, "max_epochs reached"),
]


@pytest.mark.parametrize(("health", "state", "reason"), SCRIPTS)
def test_a_script_of_ones_own_is_watched_too(tmp_path, health, state, reason):
    watcher = TraindeckCallback(runs_dir=tmp_path, health=health, interval=0.0)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[watcher],
        max_epochs=2,
    )
    trainer.fit(Script(12), DataLoader(torch.randn(40, 3), batch_size=4))
    status = read_status(watcher.run)
    assert (status.state, status.reason) == (state, reason)
    # A model that is spoilt is not worth a checkpoint.
    assert not list(Path(watcher.run.path).glob("checkpoints/*"))
    events = [json.loads(line) for line in watcher.run.events.read_text().splitlines()]
    kinds = [e["kind"] for e in events if e["event"] == "alert"]
    assert kinds == ([] if health == {"enabled": False} else ["non_finite_loss"])
    assert os.environ.get("TRAINDECK_ALERT_KIND") is None


class Signs(pl.Callback):
    """Asks for the signs of life as training starts."""

    def __init__(self, watcher):
        self.watcher, self.step = watcher, None

    def on_train_batch_start(self, *_, **__):
        if self.step is None:
            _, self.step, _ = self.watcher._signs()


def test_a_resumed_training_stands_where_it_was_resumed(tmp_path):
    """Or its first step would count as many quick ones, and a slow second one as a stall."""
    found = []
    for ckpt_path in (None, tmp_path / "x.ckpt"):
        watcher = TraindeckCallback(runs_dir=tmp_path)
        signs = Signs(watcher)
        trainer = pl.Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[watcher, signs],
            max_epochs=1 if ckpt_path is None else 2,
        )
        loader = DataLoader(torch.randn(24, 3), batch_size=4)
        trainer.fit(Script(None), loader, ckpt_path=ckpt_path)
        trainer.save_checkpoint(tmp_path / "x.ckpt")
        found.append(signs.step)
    assert found == [0, 6]
