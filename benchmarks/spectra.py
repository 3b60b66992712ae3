"""Spectra: what a training of the preset `spectramind` scores, beside answers without a network.

Planets are generated (and kept in a temporary folder), split by planet; each figure is of planets
that were not trained on:

- constant: the mean spectrum of the training planets, with its spread;
- white light: each planet's own depth, the same at all wavelengths, with what that leaves over;
- trained: the preset with another seed each time, as `traindeck train` starts it.

Then `traindeck train trainer=ci_fast` on a fresh cache, and what `trainer=kaggle_safe` holds in memory
(`benchmarks.spectra_memory`).

`python -m benchmarks.spectra` prints the table.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import spectra_memory

SEEDS = (0, 1, 2)
PLANETS = 64


def baselines(cache: Path) -> dict[str, tuple[float, float]]:
    """Give the score of each answer without a network, and its error in ppm."""
    from trainer.engine.losses.outputs import Outputs
    from trainer.recipes.spectra import baselines as answers
    from trainer.recipes.spectra.data import SpectraData
    from trainer.recipes.spectra.score import ChallengeScore

    data = SpectraData(planets=PLANETS, cache_dir=str(cache))
    data.prepare()
    score = ChallengeScore()
    score.see_data(data)
    found = {}
    for name, answer in (
        ("constant", answers.constant_spectrum(data)),
        ("white light", answers.white_light(data)),
    ):
        outputs = Outputs(answer.mu, answer.target, extra={"sigma": answer.sigma})
        error = (answer.mu - answer.target).square().mean().sqrt()
        found[name] = (float(score.finish(score(outputs))), 1e6 * float(error))
    return found


def trained(cache: Path, work: Path, seed: int) -> tuple[float, float, float]:
    """Give the last score of a training, that of its least loss, and how many seconds it took."""
    began = time.perf_counter()
    code = "from trainer.start import main; main()"
    words = ["spectramind", f"seed={seed}", f"data.planets={PLANETS}", f"+data.cache_dir={cache}"]
    subprocess.run(
        [sys.executable, "-c", code, "train", *words, "logger=none", "--no-tui"],
        cwd=work,
        env={**os.environ, "XDG_CONFIG_HOME": str(work)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    took = time.perf_counter() - began
    (events,) = work.glob("runs/*/*/logs/events.jsonl")
    rows: list[dict[str, Any]] = []
    for line in events.read_text(encoding="utf-8").splitlines():
        metrics = json.loads(line).get("metrics", {})
        if isinstance(metrics.get("val/score"), float):
            rows.append(metrics)
    best = min(rows, key=lambda row: row["val/loss"])
    return rows[-1]["val/score"], best["val/score"], took


def smoke(work: Path) -> float:
    """Give the seconds of a whole `traindeck train trainer=ci_fast` on a fresh cache, with two cores."""
    work.mkdir()
    began = time.perf_counter()
    cores = sorted(os.sched_getaffinity(0))[:2]
    subprocess.run(
        [sys.executable, "-m", "trainer.cli", "train", "trainer=ci_fast", "--no-tui"],
        cwd=work,
        env={**os.environ, "XDG_CONFIG_HOME": str(work), "XDG_CACHE_HOME": str(work / "cache")},
        stdout=subprocess.DEVNULL,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    return time.perf_counter() - began


def main() -> list[tuple[str, str, str]]:
    """Give the table's rows: what, figure, target."""
    with tempfile.TemporaryDirectory() as place:
        cache = Path(place) / "cache"
        without = baselines(cache)
        runs = []
        for seed in SEEDS:
            work = Path(place) / str(seed)
            work.mkdir()
            runs.append(trained(cache, work, seed))
        quick = smoke(Path(place) / "smoke")
        memory = spectra_memory.rows(Path(place))
    rows = [
        (f"score of a {name} spectrum", f"{score:.3f} (error {error:.0f} ppm)", "")
        for name, (score, error) in without.items()
    ]
    last, best, took = ([run[n] for run in runs] for n in range(3))
    least = max(score for score, _ in without.values())
    rows += [
        (
            f"score of `spectramind`, {PLANETS} planets, {len(SEEDS)} seeds",
            f"{median(best):.3f} ({min(best):.3f} to {max(best):.3f}; last epoch {median(last):.3f})",
            f"above {least:.3f}",
        ),
        ("a whole `traindeck train spectramind`", f"{median(took):.0f} s", ""),
    ]
    rows.append(
        ("`traindeck train trainer=ci_fast`, planets and all, 2 cores", f"{quick:.0f} s", "< 300 s")
    )
    return [*rows, *memory]


if __name__ == "__main__":
    for row in main():
        print(" | ".join(row))
