"""The smallest recipe: noisy regression with dropout, and data that is random when fetched."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from trainer.engine.requests import Requests


class Points(Dataset):
    """Features with noise of all three generators: what augmentation does."""

    def __init__(self, count: int) -> None:
        self.x = torch.randn(count, 4, generator=torch.Generator().manual_seed(1))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int):
        noise = torch.randn(4) * 0.1 + random.random() * 0.1 + float(np.random.rand()) * 0.1
        x = self.x[index] + noise
        return x, x.sum(dim=0, keepdim=True)


class Data:
    def __init__(self, count: int = 44, val_count: int = 12) -> None:
        self.count, self.val_count = count, val_count

    def train_dataset(self) -> Dataset:
        return Points(self.count)

    def val_dataset(self) -> Dataset | None:
        return Points(self.val_count) if self.val_count else None


class Module(pl.LightningDataModule):
    """The same as a data module of one's own, with a stock loader or one of another kind."""

    def __init__(self, kind: str = "stock", workers: int = 0) -> None:
        super().__init__()
        self.kind, self.workers = kind, workers

    def train_dataloader(self):
        if self.kind == "stock":
            return DataLoader(Points(44), batch_size=4, shuffle=True, num_workers=self.workers)
        if self.kind.startswith("stateful"):
            return (Stateful if self.kind == "stateful" else StatefulStream)()
        if self.kind == "iterable":
            return DataLoader(Stream(), batch_size=4, num_workers=self.workers)
        sampler = torch.utils.data.WeightedRandomSampler([1.0] * 44, 44)
        return DataLoader(Points(44), batch_size=4, sampler=sampler, num_workers=self.workers)

    def val_dataloader(self):
        return DataLoader(Points(12), batch_size=4)


class Stream(IterableDataset):
    def __iter__(self):
        points = Points(44)
        yield from (points[i] for i in range(44))


class StatefulStream:
    """A loader that knows where it is, and draws from the global generator."""

    def __init__(self) -> None:
        self.at = 0
        self.loaded = False
        self.points = Points(44)

    def __iter__(self):
        if not self.loaded:
            self.at = 0
        self.loaded = False
        while self.at < 11:
            self.at += 1
            chosen = [self.points[int(torch.randint(44, ()))] for _ in range(4)]
            yield torch.utils.data.default_collate(chosen)

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]
        self.loaded = True


class Stateful(StatefulStream):
    def __len__(self) -> int:
        return 11


class Net(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, width), nn.BatchNorm1d(width), nn.Dropout(0.3), nn.Linear(width, 1)
        )

    def forward(self, x):
        return self.layers(x)


class Loss(nn.Module):
    def forward(self, model, batch):
        x, y = batch
        error = model(x) - y
        return (error**2).mean(), {"mae": error.abs().mean()}


class Scored(Loss):
    """Also gives, as `score`, the given value of each epoch."""

    def __init__(self, scores) -> None:
        super().__init__()
        self.scores, self.epoch = scores, 0

    def forward(self, model, batch):
        loss, metrics = super().forward(model, batch)
        return loss, metrics | {"score": torch.tensor(self.scores[self.epoch])}


class TellEpoch(pl.Callback):
    def on_validation_start(self, trainer, pl_module):
        pl_module.loss.epoch = trainer.current_epoch


class OwnModule(pl.LightningModule):
    """A LightningModule that brings everything but its optimiser."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return ((self.net(x) - y) ** 2).mean()

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val/loss", ((self.net(x) - y) ** 2).mean())


class Diary(pl.Callback):
    """Writes every step's loss to a file, and stops where it is told to.

    Args:
        path: The file; one line a batch: global step, batch number, loss bits.
        stop_after: Ask for a stop after this many batches of the whole run; 0 never.
        how: `request`, `timeout`, `memory limit`, `validation` (ask in the next validation), a
            signal's name, `raise`, or
            `say ...` (an error with that text).
    """

    def __init__(self, path: str, stop_after: int = 0, how: str = "request") -> None:
        self.path, self.stop_after, self.how = Path(path), stop_after, how
        self.armed = False

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        loss = outputs["loss"]
        if trainer.is_global_zero:
            with self.path.open("a") as file:
                file.write(f"{trainer.global_step} {batch_idx} {float(loss).hex()}\n")
        if self.stop_after and trainer.fit_loop.total_batch_idx + 1 == self.stop_after:
            if self.how == "validation":
                self.armed = True
            else:
                self.act(trainer)

    def on_validation_batch_start(self, trainer, *args):
        if self.armed:
            self.armed = False
            Requests.of(trainer).stop("step", "in validation")

    def act(self, trainer):
        if self.how == "request":
            Requests.of(trainer).stop("step", "told to")
        elif self.how == "epoch":
            Requests.of(trainer).stop("epoch", "told to")
        elif self.how in ("timeout", "memory limit"):
            Requests.of(trainer).stop("step", self.how.partition(" ")[0])
        elif self.how == "checkpoint":
            Requests.of(trainer).checkpoint("told to")
        elif self.how == "validate":
            Requests.of(trainer).validate()
        elif self.how == "raise":
            raise RuntimeError("as the test wants\nit")
        elif self.how.startswith("say "):
            raise RuntimeError(self.how.removeprefix("say "))
        elif self.how == "memory":
            raise MemoryError
        elif trainer.is_global_zero:
            os.kill(os.getpid(), getattr(signal, self.how))
            if self.how == "SIGTERM" and self.stop_after < 0:
                os.kill(os.getpid(), signal.SIGTERM)


class Vae(Net):
    """Also gives a number of its own, as a bottleneck does."""

    def forward(self, x):
        return super().forward(x), {"kl": x.square().mean()}


class Skipping(OwnModule):
    """A LightningModule whose batches give no loss, all or some of them.

    Args:
        every: Only each so many batches give one; 0 none at all.
        by_hand: Makes its steps itself, and so returns nothing.
    """

    def __init__(self, every: int = 0, by_hand: bool = False) -> None:
        super().__init__()
        self.every, self.automatic_optimization = every, not by_hand

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if not self.automatic_optimization:
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            return None
        return loss if self.every and batch_idx % self.every == 0 else None

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)
