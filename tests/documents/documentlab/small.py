"""A task of a few numbers, in place of the documents' data and models."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import TensorDataset


class Points:
    """Four numbers and their sum, 24 times unless told otherwise; the sum as often as is asked for.

    Args:
        width: Numbers to be told.
        max_items: Use only so many times two.
    """

    def __init__(self, width: int = 1, max_items: int = 12) -> None:
        self.width, self.count = width, 2 * max_items

    def train_dataset(self) -> TensorDataset:
        x = torch.randn(self.count, 4, generator=torch.Generator().manual_seed(1))
        return TensorDataset(x, x.sum(1, keepdim=True).expand(-1, self.width))

    def val_dataset(self) -> TensorDataset:
        return self.train_dataset()


class Autoencoder(nn.Module):
    """A linear map; with `bottleneck` it gives `loss_info["kl"]` as a VAE's does."""

    def __init__(self, width: int = 1, bottleneck: bool = False) -> None:
        super().__init__()
        self.map, self.bottleneck = nn.Linear(4, width), bottleneck

    def forward(self, x):
        made = self.map(x)
        return (made, {"kl": made.square().mean()}) if self.bottleneck else made
