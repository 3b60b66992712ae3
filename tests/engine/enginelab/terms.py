"""Terms of a loss, well and ill behaved."""

from __future__ import annotations

import os

import torch
from torch import nn

from trainer.engine.losses.outputs import ForwardPass, Outputs
from trainer.engine.losses.terms import Measure, Term


class Counted(Term):
    """Counts how often it is built."""

    built = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).built += 1

    def forward(self, outputs):
        return outputs.prediction.square().mean()


class Breaks(Term):
    """Mean square, but a logarithm of zero in given training batches, and of given ranks only.

    Args:
        at: Numbers of training batches, counted from 1; empty: all.
        rank: Only on this rank.
    """

    def __init__(self, at=(), rank=None) -> None:
        super().__init__()
        self.at, self.rank, self.batch = tuple(at), rank, 0
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, outputs):
        self.batch += self.training
        here = self.rank is None or self.rank == int(os.environ.get("LOCAL_RANK", "0"))
        x = outputs.prediction * self.scale
        if here and self.training and (self.batch in self.at or not self.at):
            return (x * 0).log().mean()
        return x.square().mean()


class Halves(ForwardPass):
    """A recipe's own way from a batch to outputs."""

    def forward(self, model, batch):
        x, y = batch
        mean = model(x)
        return Outputs(mean, y, extra={"sigma": torch.ones_like(mean)})


class RootMeanSquare(Measure):
    """Root of the mean squared error, times how many samples the data was seen to have."""

    samples = 0

    def see_data(self, data):
        self.samples = len(data.train_dataset())

    def forward(self, outputs):
        square = (outputs.prediction - outputs.target).square().mean()
        return torch.stack((square, torch.tensor(float(self.samples))))

    def finish(self, means):
        return means[0].sqrt() * means[1]
