"""Data for the loaders: signals with positions and classes, and text by channel."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, WeightedRandomSampler


class Recordings(Dataset):
    """Of each: ((signal (2, 6), positions (2, 3), kinds (2,)), class), with noise when fetched."""

    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(count)
        self.x = torch.randn(count, 2, 6, generator=generator)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int):
        x = self.x[index] + 0.1 * torch.randn(2, 6)
        return (x, torch.full((2, 3), float(index)), torch.arange(2)), index % 3


class Signals:
    def __init__(self, count: int = 44) -> None:
        self.count = count

    def train_dataset(self) -> Dataset:
        return Recordings(self.count)

    def val_dataset(self) -> Dataset:
        return Recordings(6)


class Stream(IterableDataset):
    def __init__(self, count: int) -> None:
        self.items = Recordings(count)

    def __iter__(self):
        yield from (self.items[i] for i in range(len(self.items)))


class Streams(Signals):
    def train_dataset(self):
        return Stream(self.count)

    def val_dataset(self):
        return Stream(6)


class Module(pl.LightningDataModule):
    """The same by loaders of its own."""

    def __init__(self, kind: str = "stock", workers: int = 0) -> None:
        super().__init__()
        self.kind, self.workers = kind, workers

    def train_dataloader(self):
        return self.loader(44)

    def val_dataloader(self):
        return [self.loader(6), self.loader(9)]

    def loader(self, count: int):
        if self.kind == "stock":
            return DataLoader(Recordings(count), 4, shuffle=True, num_workers=self.workers)
        if self.kind == "stream":
            return DataLoader(Stream(count), 4, num_workers=self.workers)
        if self.kind == "list":
            return [torch.utils.data.default_collate([Recordings(count)[0]] * 2)] * 3
        sampler = WeightedRandomSampler([1.0] * count, count)
        return DataLoader(Recordings(count), 4, sampler=sampler, num_workers=self.workers)


class Classifier(nn.Module):
    """Reads signals, or their tokens, and gives the classes' logits."""

    def __init__(self, tokens: int = 0) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, 1) if tokens else None
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(12, 3))

    def forward(self, inputs):
        x = inputs[0]
        if self.embed is not None:
            x = self.embed(x).squeeze(-1)
        return self.head(x.flatten(1))


class CrossEntropy(nn.Module):
    def forward(self, model, batch):
        inputs, targets = batch
        return nn.functional.cross_entropy(model(inputs), targets), {}


class Texts:
    """Samples of one group of two channels, and one of one."""

    def __init__(self, count: int = 20) -> None:
        self.count = count

    def train_dataset(self):
        words = ["cat", "mat", "sat", "on", "the"]
        return [
            [[words[i % 5], words[i % 3]], [" ".join(words[: i % 5 + 1])]]
            for i in range(self.count)
        ]

    def val_dataset(self):
        return self.train_dataset()[:5]


class OwnBatches(Texts):
    def collate(self, samples):
        return samples


class NextToken(nn.Module):
    """Guesses each token from the one before and its channel."""

    def __init__(self, tokens: int = 16) -> None:
        super().__init__()
        self.token, self.channel = nn.Embedding(tokens, 8), nn.Embedding(8, 8)
        self.head = nn.Linear(8, tokens)

    def forward(self, batch):
        return self.head(self.token(batch["input_ids"]) + self.channel(batch["channel_ids"] + 1))


class NextTokenLoss(nn.Module):
    def forward(self, model, batch):
        logits, targets = model(batch)[:, :-1], batch["input_ids"][:, 1:]
        known = batch["attention_mask"][:, 1:].bool()
        return nn.functional.cross_entropy(logits[known], targets[known]), {}
