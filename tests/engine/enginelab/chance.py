"""What draws random numbers wherever it can, as people's own modules and loaders do."""

from __future__ import annotations

import random

import numpy as np
import pytorch_lightning as pl
import torch
from enginelab import tiny
from torch.utils.data import DataLoader


class Module(tiny.Module):
    """A data module whose workers may stay alive."""

    def __init__(self, kind: str, workers: int, persistent: bool = False) -> None:
        super().__init__(kind, workers)
        self.persistent = persistent

    def train_dataloader(self):
        loader = super().train_dataloader()
        return DataLoader(
            loader.dataset,
            batch_size=4,
            sampler=None if self.kind == "iterable" else loader.sampler,
            num_workers=self.workers,
            persistent_workers=self.persistent,
        )

    def val_dataloader(self):
        return DataLoader(tiny.Points(12), batch_size=4, num_workers=self.workers)


class Own(pl.LightningModule):
    """A module of one's own, with noise of all three generators in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.net = tiny.Net(4 + random.randrange(3))
        self.shift = float(np.random.rand())

    def training_step(self, batch, _):
        x, y = batch
        noise = random.random() + float(np.random.rand()) + torch.rand_like(x)
        loss = ((self.net(x + 0.1 * noise) - y - self.shift) ** 2).mean()
        self.log("train/own", loss)
        return loss

    def validation_step(self, batch, _):
        x, y = batch
        self.log("val/loss", ((self.net(x) - y) ** 2).mean() + random.random())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)
