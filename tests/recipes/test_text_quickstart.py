"""The quickstart, made small, through the engine as a launcher starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.config.compose import compose
from trainer.runs.layout import RunFolder, write_json_atomic

ROOT = Path(__file__).resolve().parents[2]


def train(folder, *overrides):
    """Compose, train in a process of its own; give the process and the events."""
    composed = compose(["quickstart", *overrides])
    run = RunFolder(folder)
    run.logs.mkdir(parents=True)
    run.config.write_text(composed.yaml())
    write_json_atomic(run.run_json, {"v": 1, "id": "q", "name": "quickstart", "limits": {}})
    done = subprocess.run(
        [sys.executable, "-m", "trainer.engine", str(run.path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done, run, [json.loads(line) for line in run.events.read_text().splitlines()]


@pytest.mark.slow
def test_it_learns_and_writes(tmp_path):
    done, run, events = train(
        tmp_path / "run",
        "model=gpt_nano",
        "trainer.max_steps=60",
        "trainer.val_check_interval=20",
        "data.max_items=20",
        "data.val_windows=32",
        "callbacks.sample.length=40",
        "logger=none",
        "run.num_threads=1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [e for e in events if e["event"] == "metrics" and "val/bits_per_byte" in e["metrics"]]
    assert [e["step"] for e in rows] == [20, 40, 60]
    bits = [e["metrics"]["val/bits_per_byte"] for e in rows]
    # Blind guessing takes 8 bits a byte.
    assert 7.0 > bits[0] > bits[1] > bits[2] > 1.0
    sample = (run.outputs / "sample.txt").read_text()
    assert sample.startswith("def ")
    assert sample.strip() in done.stdout
    (started,) = [e for e in events if e["event"] == "run_started"]
    assert started["total_steps"] == 60
    assert started["metrics"]["val/bits_per_byte"]["unit"] == "bits/byte"
    assert events[-1]["status"] == "completed"
    steps = [e["step"] for e in events if e["event"] == "metrics" and "lr" in e["metrics"]]
    assert steps == list(range(1, 61))


@pytest.mark.parametrize("size", ["gpt_nano", "gpt_tiny", "gpt_small"])
def test_every_size_can_be_built_as_its_profile_says(size):
    from trainer.engine import build

    composed = compose(["quickstart", f"model={size}"])
    module = build.module_of(composed.config)
    data = build.data_of(composed.config)
    assert module.model.context == data.source.context
    millions = sum(p.numel() for p in module.model.parameters()) / 1e6
    assert {"gpt_nano": 0.1, "gpt_tiny": 0.8, "gpt_small": 11}[size] == pytest.approx(
        millions, rel=0.15
    )
