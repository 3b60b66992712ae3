"""Run folders with a tiny recipe, trained in this process."""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.runs import orders
from trainer.runs.orders import ENV_RUN, ENV_SUPERVISOR
from trainer.runs.proc import process_start_time

LAB = str(Path(__file__).parent)
# Tests name what is in `enginelab` as the configs of their runs do.
sys.path.insert(0, LAB)

BASE: dict[str, Any] = {
    "seed": 7,
    "trainer": {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 3,
        "num_sanity_val_steps": 0,
        "precision": "32-true",
    },
    "optimizer": {"type": "AdamW", "config": {"lr": 0.01}},
    "scheduler": {},
    "dataloader": {"batch_size": 4},
    "data": {"_target_": "enginelab.tiny.Data"},
    "model": {"_target_": "enginelab.tiny.Net"},
    "loss": {"_target_": "enginelab.tiny.Loss"},
    "logger": {"tensorboard": {"enabled": False}},
    "run": {"num_threads": 1},
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay dotted keys over a nested dict."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        *parents, leaf = key.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    return result


@pytest.fixture(autouse=True)
def _told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test's launcher said is not for the next test."""
    monkeypatch.setattr(orders, "_taken", (0, {}))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make run folders: `lab("name", **{"trainer.max_epochs": 2})` gives the folder."""
    settings = tmp_path / "home" / "traindeck"
    settings.mkdir(parents=True)
    (settings / "settings.yaml").write_text("allowed_prefixes: [enginelab]\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", LAB)

    def make(name: str = "run", /, **changes: Any) -> Path:
        folder = tmp_path / name
        # As under a supervisor: it would hold the folder's lock, not this process.
        monkeypatch.setenv(ENV_RUN, str(folder))
        monkeypatch.setenv(ENV_SUPERVISOR, f"{os.getppid()}:{process_start_time(os.getppid())}")
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(merged(BASE, changes)))
        return folder

    return make


@pytest.fixture
def events() -> Callable[..., list[dict[str, Any]]]:
    """Read a run's events, all or those of one kind."""

    def read(folder: Path, kind: str | None = None) -> list[dict[str, Any]]:
        lines = (folder / "logs" / "events.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines]
        return [event for event in found if kind is None or event["event"] == kind]

    return read


@pytest.fixture
def no_servers(tmp_path: Path) -> Iterator[None]:
    """No key and no server of this machine's; what loggers set does not outlive a test."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("WANDB_", "MLFLOW_")):
            del os.environ[name]
    os.environ["HOME"] = str(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)
