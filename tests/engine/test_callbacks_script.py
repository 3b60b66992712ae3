"""A script of one's own: its run folder, its end, and requests to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import yaml
from torch import nn
from torch.utils.data import DataLoader

from trainer.engine import TraindeckCallback
from trainer.engine.callbacks import script
from trainer.errors import RunError
from trainer.runs import control
from trainer.runs.status import State, read_status

OUT_OF_MEMORY = [
    "CUDA out of memory. Tried to allocate 2.00 GiB",
    "MPS backend out of memory (MPS allocated: 17.06 GB)",
    "[enforce fail at x.cpp:1] . DefaultCPUAllocator: can't allocate memory: you tried",
]
ROOT = Path(__file__).resolve().parents[2]


class Model(pl.LightningModule):
    """A linear model that counts its validations."""

    def __init__(self, width=1, api_key="hunter2"):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(3, width)
        self.validations = 0

    def training_step(self, batch, batch_idx):
        return self.net(batch).pow(2).mean()

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.net(batch).pow(2).mean())

    def on_validation_epoch_end(self):
        self.validations += not self.trainer.sanity_checking

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class AskAt(pl.Callback):
    """Puts requests into the run's control folder at given steps, as another process would."""

    def __init__(self, watcher, requests):
        self.watcher, self.requests = watcher, dict(requests)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        asked = self.requests.pop(trainer.global_step + 1, None)
        if asked:
            kind, fields = asked
            control.request(self.watcher.run, kind, **fields)


def trainer_for(callbacks, **arguments):
    settings = {"max_epochs": 3, "limit_train_batches": 5, "num_sanity_val_steps": 0, **arguments}
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
        **settings,
    )


def train(tmp_path, requests=(), model=None, **arguments):
    watcher = TraindeckCallback(runs_dir=tmp_path, interval=0.0, name="mine", tags=["a"])
    trainer = trainer_for([AskAt(watcher, requests), watcher], **arguments)
    model = model or Model()
    loader = DataLoader(torch.ones(40, 3), batch_size=4)
    trainer.fit(model, loader, loader)
    return watcher, trainer, model


def events_of(run, kind=None):
    events = [json.loads(line) for line in run.events.read_text().splitlines()]
    return [e for e in events if kind in (None, e["event"])]


def test_the_folder_tells_what_is_known(tmp_path):
    watcher, _, _ = train(tmp_path)
    identity = watcher.run.identity()
    assert (identity["name"], identity["tags"], identity["launcher"]) == ("mine", ["a"], "script")
    assert identity["argv"][0] == sys.executable
    assert watcher.run.path.name.endswith(f"-mine-{identity['id']}")
    assert events_of(watcher.run)[0]["run_id"] == identity["id"]
    config = yaml.safe_load(watcher.run.config.read_text())
    assert config["trainer"]["max_epochs"] == 3
    assert config["model"]["width"] == 1
    assert config["optimizer"]["type"] == "SGD"
    assert config["optimizer"]["config"]["lr"] == 0.1
    assert "hunter2" not in watcher.run.config.read_text()
    assert os.access(watcher.run.command, os.X_OK)
    locked = json.loads(watcher.run.environment.read_text())
    assert "pytest" in locked["packages"]
    assert "pytest==" in watcher.run.requirements.read_text()
    (seen,) = json.loads(watcher.run.environment_seen.read_text())["seen"]
    assert (seen["device"], seen["attempts"]) == ("cpu", [1])


def test_a_scripts_secrets_stay_out_of_its_folder(tmp_path, monkeypatch):
    words = ["python", "x.py", "--api-key", "hunter2", "--token=hunter2", "--lr", "0.1"]
    monkeypatch.setattr(sys, "orig_argv", [*words, "postgres://me:hunter2@host/db"])
    model = Model()
    model.save_hyperparameters({"hf_token": "hunter2", "uri": "http://hunter2@host", "n_tokens": 3})

    watcher, _, _ = train(tmp_path, model=model)

    run = watcher.run
    config = yaml.safe_load(run.config.read_text())["model"]
    assert (config["hf_token"], config["n_tokens"]) == ("(hidden)", 3)
    assert run.identity()["argv"][1:] == [
        *("x.py", "--api-key", "***", "--token=***", "--lr", "0.1", "postgres://***@host/db")
    ]
    assert "A secret was left out" in run.command.read_text()
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"hunter2" in path.read_bytes()]


def test_folders_of_the_same_second_differ(tmp_path):
    folders = {script.new_folder(tmp_path, "x", []).path for _ in range(20)}
    assert len(folders) == 20


@pytest.mark.parametrize("name", ["../../etc", "\x1b]0;x\x07", "n" * 10_000, "", "..", "a/b c"])
def test_hostile_names_stay_inside(tmp_path, name):
    run = script.new_folder(tmp_path / "runs", name, ["\x1b[31mred"])
    assert run.path.parent.parent == tmp_path / "runs"
    assert len(run.path.name) < 100
    assert "\x1b" not in run.run_json.read_text() + run.path.name
    assert run.identity()["tags"] == ["red"]


def test_runs_dir_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be made"):
        script.new_folder(tmp_path / "file", "x", [])


def test_runs_dir_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINDECK_RUNS_DIR", str(tmp_path / "there"))
    assert script.new_folder(None, "x", []).path.is_relative_to(tmp_path / "there")


@pytest.mark.parametrize("variable", ["TRAINDECK_RUN", "TRAINDECK_RUN_DIR"])
def test_a_launched_script_uses_the_launchers_folder(tmp_path, monkeypatch, variable):
    run = script.new_folder(tmp_path, "launched", [])
    monkeypatch.setenv(variable, str(run.path))
    watcher, _, _ = train(tmp_path / "elsewhere")
    assert watcher.run == run
    assert not (tmp_path / "elsewhere").exists()
    assert events_of(run)[-1]["status"] == "completed"


def test_what_a_launched_script_starts_is_no_part_of_its_run(tmp_path, monkeypatch):
    run = script.new_folder(tmp_path, "launched", [])
    monkeypatch.setenv("TRAINDECK_RUN", str(run.path))
    train(tmp_path)
    # A process started by this one, with the same callback.
    _, other = run_script(tmp_path, "go", clean=False)
    assert other != run
    assert len(events_of(run, "run_started")) == 1
    assert read_status(other).state is State.COMPLETED


def test_stop_after_this_step(tmp_path):
    watcher, trainer, model = train(tmp_path, {7: ("stop", {"after": "step"})}, min_epochs=2)
    assert trainer.global_step == 7
    # The epoch's end brings no validation: somebody is waiting for the end.
    assert model.validations == 1
    last = events_of(watcher.run)[-1]
    assert (last["status"], last["exit_code"]) == ("stopped", 0)
    assert read_status(watcher.run).state is State.STOPPED
    assert not control.pending(watcher.run)
    (saved,) = events_of(watcher.run, "checkpoint")
    assert saved["step"] == 7
    checkpoint = torch.load(watcher.run.checkpoints / "last.ckpt", weights_only=False)
    assert checkpoint["global_step"] == 7
    assert saved["bytes"] == (watcher.run.path / saved["path"]).stat().st_size
    assert (trainer.limit_val_batches, trainer.fit_loop.min_epochs) == (1.0, 2)


def test_stop_after_this_epoch(tmp_path):
    watcher, trainer, model = train(tmp_path, {7: ("stop", {"after": "epoch"})})
    assert trainer.global_step == 10
    assert model.validations == 2
    assert events_of(watcher.run)[-1]["status"] == "stopped"
    assert (watcher.run.checkpoints / "last.ckpt").exists()


def test_a_stop_for_the_time_limit_is_a_timeout(tmp_path):
    watcher, _, _ = train(tmp_path, {2: ("stop", {"after": "step", "reason": "timeout"})})
    assert events_of(watcher.run)[-1]["status"] == "timeout"
    assert read_status(watcher.run).state is State.TIMEOUT


def test_a_more_urgent_stop_wins(tmp_path):
    requests = {2: ("stop", {"after": "epoch"}), 4: ("stop", {"after": "step"})}
    watcher, trainer, _ = train(tmp_path, requests)
    assert trainer.global_step == 4
    assert len(events_of(watcher.run, "checkpoint")) == 1


def test_stop_now_is_ctrl_c(tmp_path):
    with pytest.raises(SystemExit):  # what Lightning makes of Ctrl-C
        train(tmp_path, {3: ("stop", {"after": "now"})})
    run = _only_run(tmp_path)
    assert events_of(run)[-1]["status"] == "stopped"
    assert not events_of(run, "checkpoint")
    assert read_status(run).state is State.STOPPED


def test_checkpoint_now_goes_on(tmp_path):
    watcher, trainer, _ = train(tmp_path, {3: ("checkpoint", {}), 8: ("checkpoint", {})})
    assert trainer.global_step == 15
    assert [e["step"] for e in events_of(watcher.run, "checkpoint")] == [3, 8]
    assert (watcher.run.checkpoints / "last.ckpt").resolve().name == "last-epoch00001.ckpt"
    assert not list(watcher.run.checkpoints.glob(".*"))
    assert events_of(watcher.run)[-1]["status"] == "completed"


def test_a_saver_of_ones_own_is_asked(tmp_path):
    class Saver(pl.Callback):
        asked: list[str] = []  # noqa: RUF012

        def save_now(self, reason):
            self.asked.append(reason)

    watcher = TraindeckCallback(runs_dir=tmp_path, interval=0.0)
    request = AskAt(watcher, {2: ("checkpoint", {"reason": "please"})})
    loader = DataLoader(torch.ones(40, 3), batch_size=4)
    trainer_for([Saver(), request, watcher], max_epochs=1).fit(Model(), loader)
    assert Saver.asked == ["please"]
    assert not list(watcher.run.checkpoints.iterdir())


@pytest.mark.parametrize("interval", [1.0, "00:00:10:00"])
def test_validate_now(tmp_path, interval):
    watcher, trainer, model = train(
        tmp_path,
        {2: ("validate", {})},
        check_val_every_n_epoch=3 if interval == 1.0 else 1,
        val_check_interval=interval,
    )
    rows = [e for e in events_of(watcher.run, "metrics") if "val/loss" in e["metrics"]]
    steps = [e["step"] for e in rows]
    assert steps[0] == 2
    assert model.validations == (2 if interval == 1.0 else 1)
    assert trainer.global_step == 15


def test_an_error_ends_the_run_as_failed(tmp_path):
    class Broken(Model):
        def training_step(self, batch, batch_idx):
            if self.global_step == 4:
                raise RuntimeError("no such \x1b[31mluck")
            return super().training_step(batch, batch_idx)

    with pytest.raises(RuntimeError):
        train(tmp_path, model=Broken())
    run = _only_run(tmp_path)
    last = events_of(run)[-1]
    assert (last["status"], last["exit_code"]) == ("failed", 1)
    assert last["reason"] == "RuntimeError: no such luck"
    steps = [e["step"] for e in events_of(run, "metrics") if "train/loss" in e["metrics"]]
    assert steps == [1, 2, 3, 4]
    assert read_status(run).state is State.FAILED


def test_an_error_before_training_leaves_a_whole_story(tmp_path):
    class Broken(Model):
        def configure_optimizers(self):
            raise MemoryError("too much")

    with pytest.raises(MemoryError):
        train(tmp_path, model=Broken())
    run = _only_run(tmp_path)
    assert [e["event"] for e in events_of(run)] == ["run_started", "alert", "run_finished"]
    assert events_of(run)[-1]["status"] == "out_of_memory"


@pytest.mark.parametrize("text", OUT_OF_MEMORY)
def test_every_way_of_saying_out_of_memory(tmp_path, text):
    class Greedy(Model):
        def training_step(self, batch, batch_idx):
            raise RuntimeError(text)

    with pytest.raises(RuntimeError):
        train(tmp_path, model=Greedy())
    last = events_of(_only_run(tmp_path))[-1]
    assert (last["status"], last["exit_code"]) == ("out_of_memory", 4)
    assert last["reason"] == f"RuntimeError: {text}"


def test_two_fits_are_two_runs_and_going_on_is_another_segment(tmp_path):
    watcher = TraindeckCallback(runs_dir=tmp_path, interval=0.0)
    loader = DataLoader(torch.ones(40, 3), batch_size=4)
    first = trainer_for([watcher], max_epochs=1)
    first.fit(Model(), loader)
    run = watcher.run
    first.fit_loop.max_epochs = 2
    first.fit(first.lightning_module, loader)
    assert watcher.run == run
    assert [e["step"] for e in events_of(run, "run_started")] == [0, 5]
    assert len(events_of(run, "run_finished")) == 2
    trainer_for([watcher], max_epochs=1).fit(Model(), loader)
    assert watcher.run != run
    assert len(events_of(watcher.run, "run_started")) == 1


SCRIPT = """
    import os, sys, signal, logging
    import pytorch_lightning as pl, torch
    from torch.utils.data import DataLoader
    from trainer.engine import TraindeckCallback
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(3, 1)
        def training_step(self, batch, batch_idx):
            if self.global_step == 3 and sys.argv[1] != "go":
                eval(sys.argv[1])
            return self.net(batch).pow(2).mean()
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    if __name__ == "__main__":
        ranks = int(sys.argv[2])
        trainer = pl.Trainer(
            max_epochs=1, accelerator="cpu", devices=ranks, logger=False,
            strategy="ddp" if ranks > 1 else "auto",
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            callbacks=[TraindeckCallback(interval=0.0)],
        )
        trainer.fit(Model(), DataLoader(torch.ones(64, 3), batch_size=4))
"""


def run_script(tmp_path, what, ranks=1, *, clean=True):
    path = tmp_path / "my_script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    known = {k: v for k, v in os.environ.items() if not (clean and k.startswith("TRAINDECK_"))}
    extra = {"TRAINDECK_RUNS_DIR": str(tmp_path / "runs"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(path), what, str(ranks)],
        env={**known, **extra, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, _only_run(tmp_path / "runs")


@pytest.mark.parametrize(
    ("what", "state"),
    [
        ("signal.raise_signal(signal.SIGINT)", State.STOPPED),
        ("sys.exit(0)", State.FAILED),
    ],
)
def test_a_script_that_leaves_early(tmp_path, what, state):
    _, run = run_script(tmp_path, what)
    assert read_status(run).state is state
    assert events_of(run)[-1]["status"] == state
    assert run.identity()["name"] == "my_script"


def test_two_ranks_make_one_run(tmp_path):
    done, run = run_script(tmp_path, "go", ranks=2)
    assert done.returncode == 0, done.stderr[-2000:]
    steps = [e["step"] for e in events_of(run, "metrics") if "train/loss" in e["metrics"]]
    assert steps == list(range(1, 9))
    assert len(events_of(run, "run_started")) == len(events_of(run, "run_finished")) == 1
    assert read_status(run).state is State.COMPLETED
    # Both ranks' samples count: 4 a batch and rank.
    perf = [e["metrics"] for e in events_of(run, "metrics") if "lr" in e["metrics"]]
    for row in perf:
        both = 8 * row["perf/batches_per_sec"]
        assert row["perf/samples_per_sec"] == pytest.approx(both, rel=1e-3)


def test_two_ranks_stop_together(tmp_path):
    ask = (
        "__import__('trainer.runs.control').runs.control.request("
        "self.trainer.callbacks[0].run.path, 'stop') if self.global_rank == 0 else None"
    )
    done, run = run_script(tmp_path, ask, ranks=2)
    assert done.returncode == 0, done.stderr[-2000:]
    assert events_of(run)[-1]["status"] == "stopped"
    (saved,) = events_of(run, "checkpoint")
    assert (run.path / saved["path"]).is_file()


def _only_run(runs_dir):
    (path,) = [p.parent for p in Path(runs_dir).glob("*/*/run.json")]
    from trainer.runs.layout import RunFolder

    return RunFolder(path)
