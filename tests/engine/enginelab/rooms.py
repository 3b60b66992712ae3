"""Models and data for the search of a batch size."""

from __future__ import annotations

from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from enginelab.tiny import Net, Points
from torch.utils.data import DataLoader


class Room(Net):
    """Has room for so many samples and no more; for −1 it fails in another way."""

    def __init__(self, samples: int) -> None:
        super().__init__()
        # One sample has no variance for a batch norm.
        self.layers[1] = torch.nn.Identity()
        self.samples = samples

    def forward(self, x):
        if self.samples < 0:
            raise ValueError("there is no room")
        if len(x) > self.samples:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return super().forward(x)


class Sized(pl.LightningDataModule):
    """Makes its own loaders, of its `batch_size`; or deaf to it."""

    def __init__(self, batch_size: int = 4, deaf: bool = False) -> None:
        super().__init__()
        self.batch_size, self.deaf = batch_size, deaf

    def train_dataloader(self):
        size = 4 if self.deaf else self.batch_size
        return DataLoader(Points(44), batch_size=size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(Points(12), batch_size=self.batch_size)


class Breaks(Net):
    """Cannot be compiled in one piece."""

    def forward(self, x):
        torch._dynamo.graph_break()
        return super().forward(x)


class Slow(Net):
    """Has much to do on a GPU, which is soon told to do it."""

    def forward(self, x):
        work = torch.ones(2048, 2048, device=x.device)
        for _ in range(100):
            work = work @ work / 2048
        return super().forward(x) + 0 * work[0, 0]


class Line(torch.nn.Linear):
    """As little as can be compiled."""

    def __init__(self) -> None:
        super().__init__(4, 1)

    def forward(self, x):
        return super().forward(x).tanh()


class Grows(Net):
    """Notes how its context is to grow."""

    called: ClassVar[list[dict[str, Any]]] = []

    def resize_context(self, **keys) -> None:
        self.called.append(keys)
