"""The preset spectramind, made small, as a launcher starts it; and what it has to beat."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainer.config.compose import compose
from trainer.engine.losses.outputs import Outputs
from trainer.recipes.spectra.baselines import Answer, constant_spectrum, white_light
from trainer.recipes.spectra.data import SpectraData
from trainer.recipes.spectra.score import ChallengeScore
from trainer.runs.layout import RunFolder, write_json_atomic

ROOT = Path(__file__).resolve().parents[3]
SMALL = ("model=spectra_tiny", "data.time_bins=16", "run.num_threads=1", "logger=none")


def trained(made: Path, tmp_path: Path, *overrides: str) -> dict[str, list[float]]:
    """Train in a process of its own; give what the events tell of each metric."""
    places = (f"data.root={made}", f"+data.cache_dir={tmp_path / 'cache'}")
    composed = compose(["spectramind", "trainer=ci_fast", *SMALL, *places, *overrides])
    run = RunFolder(tmp_path / "run")
    run.logs.mkdir(parents=True)
    run.config.write_text(composed.yaml())
    write_json_atomic(run.run_json, {"v": 1, "id": "s", "name": "spectramind", "limits": {}})
    done = subprocess.run(
        [sys.executable, "-m", "trainer.engine", str(run.path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, list[float]] = {}
    for line in run.events.read_text().splitlines():
        for name, value in json.loads(line).get("metrics", {}).items():
            if isinstance(value, int | float):
                told.setdefault(name, []).append(value)
    return told


@pytest.mark.slow
def test_terms_rules_and_score_are_in_the_events(made, tmp_path):
    changes = ("symbolic.rules.gravitational_lensing.enabled=false", "data.max_items=null",
               "loss.composite.asymmetry.enabled=true", "loss.composite.smoothness.weight=0")  # fmt: skip
    told = trained(made, tmp_path, *changes)
    for term in ("gll", "fft", "nonnegativity", "asymmetry", "symbolic/molecular_fingerprint"):
        assert len(told[f"train/loss/{term}"]) == len(told["train/loss"]) == 2
        assert len(told[f"val/loss/{term}"]) == 2
    assert not {"train/loss/smoothness", "train/loss/symbolic/gravitational_lensing"} & set(told)
    assert len(told["val/score"]) == 2
    assert all(0 <= score <= 1 for score in told["val/score"])


def test_the_preset_holds_the_documents_names_and_values():
    made = compose(["spectramind"]).config
    assert (made["run"]["hash_file"], made["run"]["debug_log"]) == (
        "run_hash_summary_v50.json",
        "v50_debug_log.md",
    )
    assert (made["trainer"]["max_epochs"], made["dataloader"]["batch_size"]) == (50, 64)
    assert list(made["loss"]["composite"]) == [
        "gll", "smoothness", "fft", "nonnegativity", "asymmetry",
    ]  # fmt: skip
    swept = compose(["spectramind", "trainer=ablation"]).config
    keys = {axis.partition("=")[0] for axis in swept["ablation"]["sweep"]}
    for key in keys:
        value = "0.1" if key.endswith("weight") else "false"
        assert compose(["spectramind", f"{key}={value}"]).config != made, key


def score_of(data: SpectraData, answer: Answer) -> float:
    score = ChallengeScore()
    score.see_data(data)
    found = Outputs(answer.mu, answer.target, extra={"sigma": answer.sigma})
    return float(score.finish(score(found)))


def test_what_has_to_be_beaten(made, tmp_path):
    data = SpectraData(str(made), time_bins=16, cache_dir=str(tmp_path), val_fraction=0.5)
    known = [s["target"].tolist() for s in map(data.train_dataset().__getitem__, range(2))]
    constant, white = constant_spectrum(data), white_light(data)
    assert constant.mu.shape == constant.sigma.shape == constant.target.shape
    assert constant.mu[0, 7].item() == pytest.approx(statistics.fmean(row[7] for row in known))
    assert constant.sigma[0, 7].item() == pytest.approx(statistics.stdev(row[7] for row in known))
    assert torch.equal(white.mu, white.mu[:, :1].expand_as(white.mu))
    assert 0.0 <= score_of(data, constant) <= 1.0
    ratio = white.mu.mean(dim=1) / white.target.mean(dim=1)
    assert bool((ratio > 0.5).all() and (ratio < 2).all())
