"""Models whose memory is known by counting."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

WIDTH = 64


class Rows:
    """Pairs of rows; gives an example before there are any."""

    def train_dataset(self) -> Dataset:
        return TensorDataset(torch.randn(1024, WIDTH), torch.randn(1024, WIDTH))

    def example_batch(self, size: int):
        return torch.zeros(size, WIDTH), torch.zeros(size, WIDTH)


class Slow:
    """The same without an example."""

    def train_dataset(self) -> Dataset:
        return Rows().train_dataset()


class Wide(nn.Module):
    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        shapes = ((WIDTH, width), (width, width), (width, WIDTH))
        self.layers = nn.ModuleList(nn.Linear(*shape, bias=False) for shape in shapes)

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


class Recurrent(nn.Module):
    """The rows are a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.LSTM(WIDTH, WIDTH)

    def forward(self, x):
        return self.layers(x[:, None])[0][:, 0]


class Adapted(Wide):
    """Frozen, but for a low rank beside each layer."""

    def __init__(self, rank: int = 4) -> None:
        super().__init__()
        self.requires_grad_(False)
        self.down = nn.ModuleList(nn.Linear(WIDTH, rank, bias=False) for _ in range(3))
        self.up = nn.ModuleList(nn.Linear(rank, WIDTH, bias=False) for _ in range(3))

    def forward(self, x):
        for layer, down, up in zip(self.layers, self.down, self.up, strict=True):
            x = torch.relu(layer(x) + up(down(x)))
        return x


class Looking(Wide):
    """Looks at what it computes."""

    def forward(self, x):
        x = super().forward(x)
        return x if x.sum().item() > -1 else -x


class Broken(Wide):
    def forward(self, x):
        raise RuntimeError("no such luck")


class Own(pl.LightningModule):
    """Has an optimiser of its own, and logs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH, bias=False)

    def training_step(self, batch):
        loss = (self.layer(batch[0]) - batch[1]).square().mean()
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class Manual(Own):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
