"""Trials of a tiny recipe for warm workers, and what is seen of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from trainer.config.compose import compose
from trainer.runs.launch import create
from trainer.runs.layout import RunFolder
from trainer.runs.status import Status, read_status

HERE = Path(__file__).parent
PATIENCE = 400.0
TINY = (
    "trainer=defaults",
    "data=gated",
    "model=net",
    "loss=plain",
    "callbacks=none",
    "logger=none",
    "trainer.max_epochs=2",
    "dataloader.batch_size=4",
    "run.num_threads=2",
    "seed=3",
)
PROFILES = {
    "data/gated.yaml": "# D.\n_target_: sweeplab.gated.GatedData\n",
    "data/open.yaml": "# D.\n_target_: enginelab.tiny.Data\n",
    "model/net.yaml": "# M.\n_target_: enginelab.tiny.Net\n",
    "model/around.yaml": "# M.\n_target_: sweeplab.around.Around\n",
    "loss/plain.yaml": "# L.\n_target_: enginelab.tiny.Loss\n",
}


@contextmanager
def standing(path: Path) -> Iterator[Path]:
    """Stand in a folder with the tiny recipe."""
    for name, text in PROFILES.items():
        file = path / "profiles" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    settings = path / "home" / "traindeck" / "settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("allowed_prefixes: [enginelab, sweeplab]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(path / "home"))
        patch.setenv(
            "PYTHONPATH", f"{HERE}:{HERE.parent / 'engine'}:{os.environ.get('PYTHONPATH', '')}"
        )
        patch.chdir(path)
        yield path


@contextmanager
def open_gate(folder: Path) -> Iterator[None]:
    """Let data come quickly unless a test closes the gate."""
    (folder / "gate").touch()
    yield
    (folder / "gate").touch()


def made(*overrides: str) -> RunFolder:
    return create(compose([*TINY, *overrides]), runs_dir="runs", name="trial")


def until(what: str, holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def ended(run: RunFolder) -> Status:
    until(f"{run.path} ends", lambda: read_status(run).terminal)
    return read_status(run)


def training(run: RunFolder) -> Status:
    """Wait until it is in the middle of its steps."""

    def steps() -> bool:
        assert not read_status(run).terminal, run.output.read_text()
        return (read_status(run).progress.step or 0) > 6

    until("it trains", steps)
    return read_status(run)


def metrics(run: RunFolder) -> list[Any]:
    """Give all numbers that do not tell of time or memory."""
    events = map(json.loads, run.events.read_text().splitlines())
    return [
        (
            event["step"],
            {k: v for k, v in event["metrics"].items() if k[:4] in ("trai", "val/", "grad")},
        )
        for event in events
        if event["event"] == "metrics"
    ]


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
