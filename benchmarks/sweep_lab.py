"""The tiny model of the benchmark of sweeps, and its trainings in one process, one after another."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

COUNT = 64


class Data:
    """Points of a plane, with a little noise."""

    def train_dataset(self) -> Dataset[Any]:
        """Give the points to train on."""
        return _points(COUNT, 1)

    def val_dataset(self) -> Dataset[Any]:
        """Give the points to validate on."""
        return _points(COUNT // 4, 2)


def _points(count: int, seed: int) -> Dataset[Any]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 8, generator=generator)
    return TensorDataset(
        x, x.sum(dim=1, keepdim=True) + 0.1 * torch.randn(count, 1, generator=generator)
    )


class Net(nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Predict one number for each row."""
        found: Tensor = self.layers(x)
        return found


class Loss(nn.Module):
    """The mean squared error."""

    def forward(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a batch, and no other metrics."""
        x, y = batch
        return nn.functional.mse_loss(model(x), y), {}


def engine_loop(folder: Path, numbers: list[int]) -> list[float]:
    """Train trials of a sweep by the engine, in this process, in run folders as any others.

    Args:
        folder: The sweep's folder.
        numbers: Which trials.

    Returns:
        For each trial the CPU seconds of `fit`.
    """
    from trainer.engine.fit import fit
    from trainer.runs.launch import create
    from trainer.sweeps.drive import compose_trial
    from trainer.sweeps.folder import Sweep

    sweep = Sweep.load(folder)
    took = []
    for trial in sweep.planned:
        if trial.number not in numbers:
            continue
        run = create(
            compose_trial(sweep, trial),
            runs_dir=folder.parent.parent,
            name=trial.name,
            parent={"sweep": sweep.id, "trial": str(trial.number)},
        )
        began = time.process_time()
        if code := fit(run.path):
            raise RuntimeError(f"{run.path} ended with {code}")
        took.append(time.process_time() - began)
    return took


def plain_loop(rates: list[float], seeds: list[int], epochs: int) -> None:
    """Train the same by plain Lightning, with its CSV logger and its checkpoints."""
    import pytorch_lightning as pl
    from pytorch_lightning.loggers import CSVLogger
    from torch.utils.data import DataLoader

    class Module(pl.LightningModule):
        def __init__(self, rate: float) -> None:
            super().__init__()
            self.net, self.loss, self.rate = Net(), Loss(), rate

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            loss: Tensor = self.loss(self.net, batch)[0]
            self.log("train/loss", loss)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val/loss", self.loss(self.net, batch)[0])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=self.rate)

    data = Data()
    torch.set_num_threads(1)
    for rate in rates:
        for seed in seeds:
            pl.seed_everything(seed, verbose=False)
            trainer = pl.Trainer(
                max_epochs=epochs,
                accelerator="cpu",
                logger=CSVLogger("plain"),
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(
                Module(rate),
                DataLoader(data.train_dataset(), batch_size=8, shuffle=True),
                DataLoader(data.val_dataset(), batch_size=8),
            )


def main() -> None:
    """Run one of the loops in this process, as the words say, and print what it gives as JSON."""
    kind, *words = (json.loads(word) for word in sys.argv[1:])
    if kind == "engine":
        print(json.dumps(engine_loop(Path(words[0]), words[1])))
    else:
        plain_loop(*words)


if __name__ == "__main__":
    main()
