"""Sweeps: trials forked from a warm server, beside fresh processes and a loop in one process.

All train the same tiny model, two layers for two epochs of eight steps, with the same events, run
folders and checkpoints:

- warm: `traindeck ablate`, as it is;
- fresh: the same with `--fresh`;
- loop: the engine's own `fit` in one process that composes each trial's config, makes its run folder
  and trains, one after another; with `--parallel 2`, two such processes of half the trials each;
- plain: the same model in plain Lightning, with its CSV logger and checkpoints, in one process.

Seconds are those of the whole command, from its start to its end, imports, planning and leaderboard
included. Fresh processes are measured over fewer trials, since each takes the same: their time for
as many trials is the time of the first sweep, plus what each further trial takes, which is the
difference between two sweeps of different lengths. Variants run in turns; the figures are medians.

What a start costs is the CPU time of supervisor and training process, less what `fit` takes in the
loop, where everything is loaded: all that a start adds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

Row = tuple[str, str, str]
ROOT = Path(__file__).resolve().parent.parent
TRIALS, FRESH, REPETITIONS, EPOCHS = 64, (2, 8), 3, 2
BASE = (
    "trainer=defaults",
    "data=tiny",
    "model=tiny",
    "loss=tiny",
    "callbacks=none",
    "logger=none",
    f"trainer.max_epochs={EPOCHS}",
    "trainer.accumulate_grad_batches=1",
    "dataloader.batch_size=8",
    "run.num_threads=1",
)
PROFILES = {
    "data/tiny.yaml": "# D.\n_target_: benchmarks.sweep_lab.Data\n",
    "model/tiny.yaml": "# M.\n_target_: benchmarks.sweep_lab.Net\n",
    "loss/tiny.yaml": "# L.\n_target_: benchmarks.sweep_lab.Loss\n",
}


class Lab:
    """A project with the tiny model.

    Args:
        folder: Where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in PROFILES.items():
            file = folder / "profiles" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        settings = folder / "home" / "traindeck" / "settings.yaml"
        settings.parent.mkdir(parents=True)
        settings.write_text("allowed_prefixes: [benchmarks]\n")
        self.env = {
            **os.environ,
            "XDG_CONFIG_HOME": str(folder / "home"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
        }
        self.env.pop("TRAINDECK_RUNS_DIR", None)
        self._sweeps = 0

    def run(self, *words: str) -> float:
        """Run Python with these words, and give the seconds that it took."""
        began = time.perf_counter()
        self.start(*words).wait()
        return time.perf_counter() - began

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start Python with these words."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *words], cwd=self.folder, env=self.env, stdout=log, stderr=log
            )

    def sweep(self, trials: int, *options: str) -> tuple[float, Path]:
        """Run a sweep and give its seconds, and the folder of its runs."""
        self._sweeps += 1
        runs = self.folder / f"runs{self._sweeps}"
        seconds = self.run(
            *("-m", "trainer.cli", "ablate", *BASE, *axes(trials), *options),
            *("--runs-dir", str(runs)),
        )
        done = len(ended(runs))
        if done != trials:
            raise RuntimeError(f"{done} of {trials} trials completed: {self._end_of_log()}")
        return seconds, runs

    def loop(self, trials: int, parallel: int) -> float:
        """Train the trials of a sweep in as many processes, and give the seconds."""
        self._sweeps += 1
        runs = self.folder / f"runs{self._sweeps}"
        began = time.perf_counter()
        # Planning is part of it, as it is of a sweep.
        code = (
            "from trainer.sweeps import plan, folder; import sys\n"
            "made, _ = plan.check(plan.make(sys.argv[2:]))\n"
            "print(folder.create(made, runs_dir=sys.argv[1], name='loop').path)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(runs), *BASE, *axes(trials)],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        folder = done.stdout.split()[-1]
        loops = [
            self.start(
                *("-m", "benchmarks.sweep_lab", '"engine"', json.dumps(folder)),
                json.dumps(list(range(first + 1, trials + 1, parallel))),
            )
            for first in range(parallel)
        ]
        codes = [each.wait() for each in loops]
        if any(codes):
            raise RuntimeError(f"a loop failed: {self._end_of_log()}")
        return time.perf_counter() - began

    def _end_of_log(self) -> str:
        return (self.folder / "log").read_text()[-2000:]

    def last_said(self) -> list[float]:
        """Give what the last loop has printed."""
        lines = (self.folder / "log").read_text().splitlines()
        found: list[float] = json.loads(next(line for line in reversed(lines) if line[:1] == "["))
        return found


def axes(trials: int) -> list[str]:
    """Give what varies: learning rates and seeds, and as much in words for plain Lightning."""
    rates, seeds = grid(trials)
    return [
        f"optimizer.config.lr={','.join(map(str, rates))}",
        f"seed={','.join(map(str, seeds))}",
        "ablation.diagnostics=[]",
    ]


def grid(trials: int) -> tuple[list[float], list[int]]:
    """Give learning rates and seeds that make so many trials together."""
    rates = [1e-3, 3e-3] if trials < 32 else [1e-3, 2e-3, 3e-3, 4e-3]
    return rates, list(range(trials // len(rates)))


def ended(runs: Path) -> list[dict[str, float]]:
    """Give what each completed run has used."""
    records = [json.loads(path.read_text()) for path in runs.glob("*/*/status.json")]
    return [record["usage"] for record in records if record["state"] == "completed"]


def cpu(runs: Path) -> float:
    """Give the CPU seconds of a trial, its supervisor's included."""
    return statistics.median(used["cpu_s"] + used["supervisor_cpu_s"] for used in ended(runs))


def main(trials: int = TRIALS, repetitions: int = REPETITIONS, parallel: int = 2) -> list[Row]:
    """Measure all variants in turns."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="sweeps-") as place:
        lab = Lab(Path(place))
        lab.sweep(2)  # byte code, hashes of packages, pages of libraries
        for at_once in sorted({1, parallel}):
            rows += _compare(lab, trials, repetitions, at_once)
        rates, seeds = grid(trials)
        words = (json.dumps(value) for value in ("plain", rates, seeds, EPOCHS))
        plain = lab.run("-m", "benchmarks.sweep_lab", *words)
        rows.append((f"plain Lightning, {trials} trainings in one process", f"{plain:.1f} s", ""))
    return rows


def _compare(lab: Lab, trials: int, repetitions: int, parallel: int) -> list[Row]:
    few, more = FRESH
    at_once = ("--parallel", str(parallel))
    warm, loop, used, alone = [], [], [], []
    for _ in range(repetitions):
        seconds, runs = lab.sweep(trials, *at_once)
        warm.append(seconds)
        warm_cpu = cpu(runs)
        loop.append(lab.loop(trials, parallel))
        alone.append(statistics.median(lab.last_said()))
        used.append(warm_cpu - alone[-1])
    short, _ = lab.sweep(few, *at_once, "--fresh")
    long, runs = lab.sweep(more, *at_once, "--fresh")
    fresh_cpu = cpu(runs) - statistics.median(alone)
    each = (long - short) / (more - few)
    fresh = short + each * (trials - few)
    ratio = statistics.median(w / one for w, one in zip(warm, loop, strict=True))
    took = statistics.median(warm)
    title = f"{trials} trials, {parallel} at a time"
    rows = [
        (
            f"{title}: warm; fresh; fresh / warm",
            f"{took:.1f} s; {fresh:.0f} s (from {more} trials); {fresh / took:.1f}x",
            ">= 10x",
        ),
        (
            f"{title}: loop in {'one process' if parallel == 1 else f'{parallel} processes'}; warm / loop",
            f"{statistics.median(loop):.1f} s; {ratio:.2f}x",
            "<= 1.5x",
        ),
    ]
    if parallel == 1:
        rows.append(
            (
                "CPU of a trial's start: warm; fresh",
                f"{statistics.median(used) * 1e3:.0f} ms; {fresh_cpu * 1e3:.0f} ms",
                "<= 150 ms",
            )
        )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__)
    parser.add_argument(
        "--trials", type=int, default=TRIALS, help="a multiple of 2, or of 4 from 32 on"
    )
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--parallel", type=int, default=2)
    options = parser.parse_args()
    for what, measured, target in main(options.trials, options.repetitions, options.parallel):
        print(f"{what:60} {measured:>40} {target:>10}")
