"""What `trainer=kaggle_safe` holds in memory while it trains on sets of spectra of different sizes.

A few planets are generated and stand for many: their files are linked under other ids, and a light
curve is put into the cache for each, so that a set of any size is there within seconds. Training
reads them as it reads any others. Measured is the most that the training process and its loader
workers hold together, pages that they share counted once, over a whole epoch with its validation.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SIZES: tuple[int, ...] = (1024, 4096)
BASE = 4
FRAMES = 16
TIME_BINS = 48


def planets(root: Path, cache: Path, count: int) -> None:
    """Make a set of so many planets, with their light curves.

    Args:
        root: Where the set is put, in the challenge's layout.
        cache: The cache folder, in which the curves are kept.
        count: How many planets.
    """
    import numpy as np

    from trainer.recipes.spectra import layout, tables
    from trainer.recipes.spectra.cache import Curves
    from trainer.recipes.spectra.calibrate import Settings
    from trainer.recipes.spectra.make import make

    base = root.with_name("base")
    if not base.is_dir():
        make(base, BASE, seed=0, frames=FRAMES, fgs_frames=2 * FRAMES)
    root.mkdir(parents=True)
    known = sorted(path.name for path in (base / "train").iterdir())
    ids = [str(10_000_000 + n) for n in range(count)]
    for number, planet in enumerate(ids):
        old = base / "train" / known[number % BASE]
        shutil.copytree(old, root / "train" / planet, copy_function=os.link)
    for table in ("train.csv", "star_info.csv"):
        header, *rows = csv.reader((base / table).read_text().splitlines())
        by_id = {row[0]: row[1:] for row in rows}
        with (root / table).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(
                [planet, *by_id[known[number % BASE]]] for number, planet in enumerate(ids)
            )
    for table in ("wavelengths.csv", "adc_info.csv", "axis_info.parquet"):
        shutil.copy(base / table, root / table)
    curves = Curves(cache / "curves", tables.read(root), Settings(TIME_BINS))
    curves.folder.mkdir(parents=True, exist_ok=True)
    dice = np.random.default_rng(0)
    for seen in layout.observations(root):
        light = 1.0 + 1e-3 * dice.standard_normal((TIME_BINS, 283), dtype=np.float32)
        np.save(curves.path(seen), light)


def shared_once(pid: int) -> int:
    """Give what a process and its descendants hold, in bytes; 0 if one of them was just ending."""
    from trainer.runs.proc import tree

    total = 0
    for member in tree(pid):
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            return 0
        found = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
        if not found:
            return 0
        total += 1024 * found[0]
    return total


def held(root: Path, cache: Path, work: Path) -> tuple[int, int]:
    """Train one epoch; give the most that was held, in bytes, and the number of optimiser steps."""
    from trainer.runs.layout import RunFolder
    from trainer.runs.status import TERMINAL, read_status

    work.mkdir()
    words = ["trainer=kaggle_safe", "trainer.max_epochs=1", f"data.root={root}", "logger=none"]
    words += [f"data.time_bins={TIME_BINS}", f"+data.cache_dir={cache}", "run.num_threads=1"]
    done = subprocess.run(
        [sys.executable, "-m", "trainer.cli", "train", *words, "--detach", "--json"],
        cwd=work,
        env={**os.environ, "XDG_CONFIG_HOME": str(work)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    run = RunFolder(Path(json.loads(done.stdout.splitlines()[-1])["path"]))
    most = 0
    while (status := read_status(run)).state not in TERMINAL:
        if status.pid and status.pid != status.supervisor_pid:
            most = max(most, shared_once(status.pid))
        time.sleep(0.2)
    if status.state != "completed":
        raise RuntimeError(f"the training has {status.state}: {status.reason}")
    return most, status.progress.step or 0


def rows(place: Path) -> list[tuple[str, str, str]]:
    """Give the table's rows: what, figure, target."""
    cache = place / "memory-cache"
    found: dict[int, tuple[int, int]] = {}
    for count in SIZES:
        root = place / f"set-{count}"
        planets(root, cache, count)
        found[count] = held(root, cache, place / f"work-{count}")
        shutil.rmtree(root)
    least, most = found[SIZES[0]][0], found[SIZES[-1]][0]
    curves = (SIZES[-1] - SIZES[0]) * TIME_BINS * 283 * 4
    table = [
        (
            f"`trainer=kaggle_safe`, an epoch of {count:,} planets ({steps} steps): memory at most",
            f"{held_bytes / 1e6:.0f} MB",
            "<= 16,000 MB",
        )
        for count, (held_bytes, steps) in found.items()
    ]
    table.append(
        (
            f"{SIZES[-1] // SIZES[0]}x the planets hold so much more",
            f"{(most - least) / 1e6:+.0f} MB, of {curves / 1e6:.0f} MB of light curves",
            "flat: <= 10 %",
        )
    )
    return table


if __name__ == "__main__":
    import tempfile

    SIZES = tuple(int(word) for word in sys.argv[1:]) or SIZES
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Path(folder)):
            print(" | ".join(row))
