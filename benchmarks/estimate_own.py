"""A LightningModule of one's own with data of one's own, for benchmarks/estimate.py."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset


class Images(pl.LightningDataModule):
    """Random images in two classes."""

    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        images, labels = torch.randn(64, 3, 64, 64), torch.randint(2, (64,))
        return DataLoader(TensorDataset(images, labels), self.batch_size, shuffle=True)


class Sequences(pl.LightningDataModule):
    """Random sequences in two classes."""

    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        rows, labels = torch.randn(128, 100, 64), torch.randint(2, (128,))
        return DataLoader(TensorDataset(rows, labels), self.batch_size, shuffle=True)


class Recurrent(pl.LightningModule):
    """Two layers of LSTM; the config's optimiser."""

    def __init__(self, hidden: int = 256, bidirectional: bool = False) -> None:
        super().__init__()
        self.layers = nn.LSTM(64, hidden, 2, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(hidden * (2 if bidirectional else 1), 2)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        rows, labels = batch
        loss = nn.functional.cross_entropy(self.head(self.layers(rows)[0][:, -1]), labels)
        self.log("train/loss", loss)
        return loss


class Checkpointed(pl.LightningModule):
    """Blocks of which only the inputs are kept; half of them are frozen."""

    def __init__(self, blocks: int = 12, width: int = 512) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(64, width), nn.Linear(width, 2)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(blocks)
        )
        self.blocks[: blocks // 2].requires_grad_(False)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        rows, labels = batch
        x = self.first(rows)
        for block in self.blocks:
            x = x + checkpoint(block, x, use_reentrant=False)
        loss = nn.functional.cross_entropy(self.head(x.mean(1)), labels)
        self.log("train/loss", loss)
        return loss


class Net(pl.LightningModule):
    """Convolutions, with an optimiser of its own."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [
                nn.Conv2d(before, after, 3, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * width * 64, 2))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = nn.functional.cross_entropy(self.layers(images), labels)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)
