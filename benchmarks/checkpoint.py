"""What saving a checkpoint costs training: ours beside Lightning's.

The same model is trained by turns, each time in a fresh process: with this engine and its saver,
with plain Lightning and ModelCheckpoint, and with ModelCheckpoint over Lightning's AsyncCheckpointIO.
A pause is the time from the end of a step to the beginning of the next one, less what it is
without a save. Figures are medians over all saves but the first, which is shown apart; ratios are
medians over pairs of neighbouring trainings. All have OpenMP's threads wait as the engine's do
(`trainer.engine.waiting`), so that the savers alone differ. Saves are meant to lie so far apart
that each finds the one before it ended; those that did not are counted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import AsyncCheckpointIO
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from trainer.engine.waiting import spin_briefly

Row = tuple[str, str, str]
TARGET = 1 / 3
WIDTH, LAYERS, BATCH = 2048, 13, 16
EVERY, SAVES, REPETITIONS = 20, 3, 3
VARIANTS = ("ours", "ModelCheckpoint", "AsyncCheckpointIO")


class Model(pl.LightningModule):
    """A stack of square layers: 218 MB of weights, and twice that for AdamW."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*[nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)])

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss: Tensor = (self.layers(batch) - batch).square().mean()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-4)


class Points(Dataset[Tensor]):
    """Noise."""

    def __init__(self, count: int) -> None:
        self.values = torch.randn(count, WIDTH)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Tensor:
        return self.values[index]


class Data:
    """The same, in the form that the engine takes."""

    def train_dataset(self) -> Dataset[Tensor]:
        return Points(BATCH * (EVERY * SAVES + EVERY // 2))

    def val_dataset(self) -> None:
        return None


class Watch(pl.Callback):
    """Times steps and the gaps between them, files as they appear, and memory.

    Args:
        folder: Where checkpoints appear.
        out: Where the figures go.
    """

    def __init__(self, folder: str, out: str) -> None:
        self.folder, self.out = Path(folder), Path(out)
        self.marks: list[tuple[float, float]] = []  # begin and end of each step
        self.files: dict[str, float] = {}
        self.memory = (0, 0)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self) -> None:
        while not self.over.wait(0.01):
            for path in self.folder.rglob("*.ckpt"):
                if not (path.is_symlink() or path.name.startswith((".", "tmp"))):
                    try:
                        key = f"{path.name} {path.stat().st_mtime_ns}"
                    except FileNotFoundError:
                        continue
                    self.files.setdefault(key, time.perf_counter())

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self.marks.append((self.began, time.perf_counter()))
        if len(self.marks) == 1:  # all of training's own is there, and nothing for a save yet
            Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
            self.memory = (resident("VmRSS"), 0)
            self.thread.start()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.memory = (self.memory[0], resident("VmHWM"))

    def teardown(self, *_: Any, **__: Any) -> None:
        self.over.set()
        self.out.write_text(
            json.dumps({"marks": self.marks, "files": self.files, "memory": self.memory})
        )


def resident(which: str) -> int:
    """Give this process's resident memory in bytes: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) * 1024
    return 0


def train(variant: str, folder: Path) -> None:
    """Train once in this process."""
    torch.manual_seed(0)
    out = str(folder / "figures.json")
    if variant == "ours":
        from trainer.engine.fit import fit

        watch = {
            "_target_": "benchmarks.checkpoint.Watch",
            "folder": str(folder / "checkpoints"),
            "out": out,
        }
        config = {
            "seed": 0,
            "trainer": {
                "accelerator": "cpu",
                "devices": 1,
                "max_epochs": 1,
                "precision": "32-true",
                "save_every_n_epochs": None,
                "save_every_n_steps": EVERY,
                "save_top_k": 0,
            },
            "data": {"_target_": "benchmarks.checkpoint.Data"},
            "model": {"_target_": "benchmarks.checkpoint.Model"},
            "dataloader": {"batch_size": BATCH},
            "logger": {"tensorboard": {"enabled": False}},
            "callbacks": {"watch": watch},
        }
        (folder / "logs").mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        os.environ["XDG_CONFIG_HOME"] = str(folder)
        (folder / "traindeck").mkdir()
        (folder / "traindeck" / "settings.yaml").write_text("allowed_prefixes: [benchmarks]\n")
        if fit(folder):
            raise SystemExit("the training failed")
        return
    plugins: list[Any] = [AsyncCheckpointIO()] if variant == "AsyncCheckpointIO" else []
    place = folder / "checkpoints"
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        plugins=plugins,
        callbacks=[
            Watch(str(place), out),
            ModelCheckpoint(dirpath=place, every_n_train_steps=EVERY, save_top_k=1),
        ],
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    points = Data().train_dataset()
    trainer.fit(Model(), DataLoader(points, batch_size=BATCH, shuffle=True))


def figures(variant: str, folder: Path) -> dict[str, Any]:
    """Train in a fresh process and give what its steps and files say."""
    code = (
        "import sys; from pathlib import Path; from benchmarks import checkpoint as c; "
        f"c.quiet(); c.train({variant!r}, Path({str(folder)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    found = json.loads((folder / "figures.json").read_text())
    marks = found["marks"]
    gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(marks)]
    saves = range(EVERY - 1, len(gaps), EVERY)
    usual = statistics.median(gap for i, gap in enumerate(gaps) if (i + 1) % EVERY)
    pauses = [gaps[i] - usual for i in saves]
    seen = sorted(found["files"].values())
    # The file of the n-th save is the first new one after it began; after training it is not seen.
    ends = [min((t for t in seen if t > marks[i][1]), default=math.inf) for i in saves]
    whole = [end - marks[i][1] for i, end in zip(saves, ends, strict=True)]
    crowded = sum(end > marks[after][1] for end, after in zip(ends[:-1], saves[1:], strict=True))
    written = [(marks[i + 1][0], marks[i][1] + late) for i, late in zip(saves, whole, strict=True)]
    beside: list[float] = []
    alone: list[float] = []
    for begin, end in marks[1:]:
        share = sum(max(0.0, min(end, until) - max(begin, since)) for since, until in written)
        (beside if share > 0.5 * (end - begin) else alone).append(end - begin)
    return {
        "first": pauses[0],
        "pause": statistics.median(pauses[1:]),
        "whole": statistics.median(whole),
        "crowded": crowded,
        "step": statistics.median(alone),
        "beside": statistics.median(beside) if beside else None,
        "memory": found["memory"][1] - found["memory"][0],
        "bytes": max(path.stat().st_size for path in (folder / "checkpoints").glob("*.ckpt")),
        # All that the saves took from training, pauses and slower steps, for one save.
        "lost": (marks[-1][1] - marks[EVERY - 1][1]) / SAVES,
    }


def quiet() -> None:
    """Leave out what Lightning says for scripts."""
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def ms(seconds: float) -> str:
    """Write a time."""
    return f"{seconds * 1000:,.0f} ms"


def main(repetitions: int = REPETITIONS) -> list[Row]:
    """Train by turns and compare."""
    spin_briefly()  # torch is here already; what is trained in inherits it
    found: dict[str, list[dict[str, Any]]] = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() as parent:
        for repetition in range(repetitions):
            for variant in VARIANTS if repetition % 2 == 0 else VARIANTS[::-1]:
                with tempfile.TemporaryDirectory(dir=parent) as folder:
                    found[variant].append(figures(variant, Path(folder)))

    def median(variant: str, name: str) -> float:
        return float(statistics.median(f[name] for f in found[variant] if f[name] is not None))

    def ratio(name: str, peer: str) -> float:
        pairs = zip(found["ours"], found[peer], strict=True)
        return float(statistics.median(one[name] / other[name] for one, other in pairs))

    weights = sum(p.numel() * p.element_size() for p in Model().parameters()) / 1e6
    size = found["ours"][0]["bytes"] / 1e6
    rows: list[Row] = [
        ("weights; the file, with AdamW's state", f"{weights:,.0f} MB; {size:,.0f} MB", "≥ 200 MB"),
        (
            "training's pause for a save, ours against ModelCheckpoint",
            f"{ratio('pause', 'ModelCheckpoint'):.3f}x "
            f"({ms(median('ours', 'pause'))}, {ms(median('ModelCheckpoint', 'pause'))})",
            f"≤ {TARGET:.2f}x",
        ),
        (
            "the same against AsyncCheckpointIO",
            f"{ratio('pause', 'AsyncCheckpointIO'):.3f}x "
            f"({ms(median('AsyncCheckpointIO', 'pause'))})",
            "",
        ),
        (
            "the first pause of a training",
            ", ".join(f"{variant} {ms(median(variant, 'first'))}" for variant in VARIANTS),
            "",
        ),
        (
            "from the save until the file is whole (ours: and on the disk)",
            ", ".join(f"{variant} {ms(median(variant, 'whole'))}" for variant in VARIANTS),
            "",
        ),
    ]
    count = (SAVES - 1) * repetitions
    rows.append(
        (
            f"saves, of {count} each, that began before the one before had ended",
            ", ".join(f"{v} {sum(f['crowded'] for f in found[v])}" for v in VARIANTS),
            "ours 0",
        )
    )
    for variant in ("ours", "AsyncCheckpointIO"):
        slower = [f["beside"] / f["step"] for f in found[variant] if f["beside"] is not None]
        if slower:
            rows.append(
                (
                    f"a step while the file is written, {variant}",
                    f"{statistics.median(slower):.2f}x of {ms(median(variant, 'step'))}",
                    "",
                )
            )
    rows += [
        (
            f"{EVERY} steps and a save, all told",
            ", ".join(f"{variant} {ms(median(variant, 'lost'))}" for variant in VARIANTS),
            "",
        ),
        (
            "resident memory at most, above training without saves",
            ", ".join(f"{v} {median(v, 'memory') / 1e6:,.0f} MB" for v in VARIANTS),
            "",
        ),
    ]
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkpoint", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    for what, measured, target in main(parser.parse_args().repetitions):
        print(f"{what:62} {measured:>60} {target:>10}")
