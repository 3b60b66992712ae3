"""Real runs for the benchmark of health: the text quickstart made small, and the recordings."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.health_lab import Trace
from trainer.config.compose import compose
from trainer.runs.layout import RunFolder, write_json_atomic

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = ROOT / "screenshots" / "recordings"
STEPS = 150
# The quickstart with the smallest model, few files, and validations that are over soon.
_SMALL = (
    "model=gpt_nano", f"trainer.max_steps={STEPS}", "trainer.val_check_interval=50",
    "data.max_items=40", "data.val_windows=32", "callbacks=none", "logger=none",
    "run.num_threads=1", "dataloader.num_workers=0",
)  # fmt: skip
# The quickstart's learning rate.
RATE = 4e-3


def quickstart(seed: int, times: float) -> tuple[Trace, list[dict[str, Any]]]:
    """Train the quickstart, made small, in a process of its own.

    Args:
        seed: Its seed.
        times: How many times as high its learning rate is.

    Returns:
        What it left, and the alerts that the engine itself raised (those that begin).

    Raises:
        RuntimeError: The run failed for a reason of its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        run.logs.mkdir(parents=True)
        more = [f"seed={seed}", f"optimizer.config.lr={RATE * times}"]
        run.config.write_text(compose(["quickstart", *_SMALL, *more]).yaml())
        write_json_atomic(run.run_json, {"v": 1, "id": "h", "name": "health", "limits": {}})
        done = subprocess.run(
            [sys.executable, "-m", "trainer.engine", str(run.path)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the quickstart ended with {done.returncode}: {done.stderr[-500:]}")
        events = [json.loads(line) for line in run.events.read_text().splitlines()]
    alerts = [e for e in events if e["event"] == "alert" and e.get("state") != "over"]
    return _trace(events), alerts


def recording(folder: Path) -> Trace:
    """Read a recorded run."""
    text = gzip.decompress((folder / "logs" / "events.jsonl.gz").read_bytes()).decode()
    return _trace([json.loads(line) for line in text.splitlines()])


def _trace(events: list[dict[str, Any]]) -> Trace:
    trace = Trace(constant=bytes_by_chance())
    for event in events:
        if event["event"] == "metrics":
            values = {name: float(value) for name, value in event["metrics"].items()}
            trace.rows.append((event["step"], values))
            if "train/loss" in values:
                trace.losses.append(values["train/loss"])
    return trace


def bytes_by_chance() -> float:
    """Give the loss (nats) of the best guess at a byte of Python that looks at no other byte."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:40]
    counts = torch.zeros(256)
    for path in files:
        counts += torch.bincount(torch.tensor(list(path.read_bytes())), minlength=256)
    shares = counts[counts > 0] / counts.sum()
    return -float((shares * shares.log()).sum())
