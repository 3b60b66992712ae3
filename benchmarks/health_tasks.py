"""The tasks of the benchmark of health: for development, held out, and in reserve.

Thresholds may be settled on `DEVELOPMENT` only. `HELD_OUT` is trained once they are settled; if a
detector is changed after that, `HELD_OUT` has become development, and the next evaluation is one of
`RESERVE`.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.health_lab import Batch, Task

# ---- models --------------------------------------------------------------------------------------


def mlp(width: int = 32, depth: int = 2, inputs: int = 8, outputs: int = 5) -> nn.Module:
    """Make layers with ReLU between them."""
    parts: list[nn.Module] = []
    for _ in range(depth):
        parts += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*parts, nn.Linear(inputs, outputs))


class Recurrent(nn.Module):
    """Bytes or tokens through a recurrent layer."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM], tokens: int) -> None:
        super().__init__()
        self.embed, self.inner = nn.Embedding(tokens, 24), kind(24, 32, batch_first=True)
        self.head = nn.Linear(32, tokens)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.inner(self.embed(x))[0])
        return logits


class Attention(nn.Module):
    """A transformer of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(128, 32)
        self.place = nn.Parameter(torch.randn(24, 32) * 0.02)
        layer = nn.TransformerEncoderLayer(32, 2, 64, 0.1, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(32, 128)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        logits: Tensor = self.head(self.layers(self.embed(x) + self.place, mask=mask))
        return logits


def conv() -> nn.Module:
    """Make a small convolutional network with batch norm and dropout."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 4)),
    )


class Residual(nn.Module):
    """Layer norm and residual blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 48)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(48), nn.Linear(48, 48), nn.GELU(), nn.Linear(48, 48))
            for _ in range(3)
        )
        self.head = nn.Linear(48, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        logits: Tensor = self.head(hidden)
        return logits


class Factors(nn.Module):
    """Ratings as products of a person's and an item's vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.people, self.items = nn.Embedding(40, 6), nn.Embedding(30, 6)
        self.shift = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        product = self.people(x[:, 0]) * self.items(x[:, 1])
        rating: Tensor = product.sum(1) + self.shift
        return rating[:, None]


class Variational(nn.Module):
    """A variational autoencoder of 64 pixels: reconstruction, mean and log variance in one."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 8))
        self.outer = nn.Sequential(nn.Linear(4, 48), nn.Tanh(), nn.Linear(48, 64))

    def forward(self, x: Tensor) -> Tensor:
        coded: Tensor = self.inner(x)
        mean, log_var = coded.chunk(2, 1)
        drawn = mean + torch.randn_like(mean) * (0.5 * log_var).exp() if self.training else mean
        return torch.cat([self.outer(drawn), mean, log_var], 1)


# ---- losses --------------------------------------------------------------------------------------


def entropy(output: Tensor, y: Tensor) -> Tensor:
    """Give the cross entropy."""
    return F.cross_entropy(output.flatten(0, -2), y.flatten())


def likelihood(output: Tensor, y: Tensor) -> Tensor:
    """Give a Gaussian's, which goes below zero."""
    return F.gaussian_nll_loss(output[:, :1], y, F.softplus(output[:, 1:]) + 1e-3)


def smooth(output: Tensor, y: Tensor) -> Tensor:
    """Give the cross entropy with smoothed labels."""
    return F.cross_entropy(output, y, label_smoothing=0.1)


def evidence(output: Tensor, y: Tensor) -> Tensor:
    """Give the negative evidence bound of the variational autoencoder, per pixel."""
    made, mean, log_var = output[:, :64], output[:, 64:68], output[:, 68:]
    apart = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()
    return F.mse_loss(made, y.flatten(1)) + apart / 64


def hinge(output: Tensor, y: Tensor) -> Tensor:
    """Give the loss of pairs in the batch: alike ones near, others at least 1 apart."""
    apart = (output[:, None] - output[None]).pow(2).sum(2).add(1e-6).sqrt()
    alike = y[:, None] == y[None]
    return torch.where(alike, apart**2, (1 - apart).clamp(min=0) ** 2).mean()


# ---- data ----------------------------------------------------------------------------------------


def blobs(generator: torch.Generator, count: int = 512, kinds: int = 5) -> Batch:
    """Make points around five centres, some of them nearer to another."""
    centres = torch.randn(kinds, 8, generator=torch.Generator().manual_seed(1)) * 1.5
    y = torch.randint(kinds, (count,), generator=generator)
    return centres[y] + torch.randn(count, 8, generator=generator), y


def riddles(generator: torch.Generator, count: int = 512) -> Batch:
    """Make the same points, and nothing that tells their kinds: to be learned by heart only."""
    x, y = blobs(generator, count)
    return x, y[torch.randperm(count, generator=generator)]


def waves(generator: torch.Generator, count: int = 512) -> Batch:
    """Make a noisy function of four numbers."""
    x = torch.rand(count, 4, generator=generator) * 4 - 2
    y = (3 * x[:, 0]).sin() * x[:, 1] + x[:, 2] ** 2 + 0.1 * torch.randn(count, generator=generator)
    return x, y[:, None]


def stripes(generator: torch.Generator, count: int = 384) -> Batch:
    """Make small pictures with stripes in one of four directions, under noise."""
    y = torch.randint(4, (count,), generator=generator)
    at = torch.arange(8.0)
    a, b = torch.meshgrid(at, at, indexing="ij")
    kinds = torch.stack([a, b, a + b, a - b]).mul(1.5).sin()
    return (kinds[y] + torch.randn(count, 8, 8, generator=generator))[:, None], y


def source(module: object, generator: torch.Generator, count: int = 512) -> Batch:
    """Make windows of a module's source, byte by byte."""
    raw = Path(str(getattr(module, "__file__", ""))).read_bytes()
    text = torch.tensor([byte & 127 for byte in raw])
    begins = torch.randint(len(text) - 25, (count,), generator=generator)
    windows = torch.stack([text[b : b + 25] for b in begins.tolist()])
    return windows[:, :-1], windows[:, 1:]


def manifold(generator: torch.Generator, count: int = 512) -> Batch:
    """Make 20 numbers that three hidden ones bring about; they are their own target."""
    mix = torch.randn(3, 20, generator=torch.Generator().manual_seed(2))
    x = (torch.randn(count, 3, generator=generator) @ mix).tanh() * 2
    x = x + 0.05 * torch.randn(count, 20, generator=generator)
    return x, x


def checkers(generator: torch.Generator, count: int = 768) -> Batch:
    """Make points on a chequered board, one in twenty with the wrong colour."""
    x = torch.rand(count, 2, generator=generator) * 4 - 2
    colour = (x.floor().sum(1) % 2).float()
    wrong = (torch.rand(count, generator=generator) < 0.05).float()
    return x, (colour - wrong).abs()[:, None]


def tones(generator: torch.Generator, count: int = 384) -> Batch:
    """Make short sounds of six pitches, under noise."""
    y = torch.randint(6, (count,), generator=generator)
    at = torch.arange(48.0)
    phase = torch.rand(count, 1, generator=generator) * 6.28
    x = ((0.2 + 0.15 * y[:, None]) * at + phase).sin()
    return (x + 0.7 * torch.randn(count, 48, generator=generator))[:, None], y


def ratings(generator: torch.Generator, count: int = 900) -> Batch:
    """Make ratings from hidden vectors, with outliers."""
    fixed = torch.Generator().manual_seed(3)
    people, items = torch.randn(40, 3, generator=fixed), torch.randn(30, 3, generator=fixed)
    x = torch.stack(
        [torch.randint(40, (count,), generator=generator),
         torch.randint(30, (count,), generator=generator)], 1
    )  # fmt: skip
    y = (people[x[:, 0]] * items[x[:, 1]]).sum(1) + 3
    wild = torch.rand(count, generator=generator) < 0.03
    return x, torch.where(wild, y + 20, y)[:, None]


def ladders(generator: torch.Generator, count: int = 512) -> Batch:
    """Make sequences that go up by a step of their own, modulo 13."""
    begin = torch.randint(13, (count, 1), generator=generator)
    step = torch.randint(1, 5, (count, 1), generator=generator)
    sequence = (begin + step * torch.arange(16)) % 13
    return sequence[:, :-1], sequence[:, 1:]


def pictures(generator: torch.Generator) -> Batch:
    """Make stripes that are their own target."""
    x, _ = stripes(generator)
    return x, x


def counts(generator: torch.Generator, count: int = 512) -> Batch:
    """Make counts with a rate that depends on six numbers."""
    x = torch.randn(count, 6, generator=generator)
    return x, torch.poisson((x[:, 0] + 0.5 * x[:, 1] * x[:, 2]).exp().clamp(max=30), generator)[
        :, None
    ]


def heavy(generator: torch.Generator, count: int = 512) -> Batch:
    """Make a line under noise with heavy tails."""
    x = torch.randn(count, 8, generator=generator)
    noise = torch.randn(count, generator=generator) / torch.rand(count, generator=generator)
    return x, (x[:, 0] * 4 - x[:, 1] * 2 + x[:, 2].abs() * 3 + noise.clamp(-20, 20))[:, None]


# ---- the sets ------------------------------------------------------------------------------------

BLOBS = Task(blobs, mlp, entropy)
RIDDLES = Task(riddles, mlp, entropy)

DEVELOPMENT = {
    "blobs, MLP": BLOBS,
    "blobs, linear": Task(blobs, lambda: nn.Linear(8, 5), entropy),
    "blobs, deep MLP": Task(blobs, lambda: mlp(24, 6), entropy),
    "waves, MLP": Task(waves, lambda: mlp(64, 2, 4, 1), F.mse_loss),
    "waves, likelihood": Task(waves, lambda: mlp(64, 2, 4, 2), likelihood),
    "stripes, CNN with batch norm": Task(stripes, conv, entropy),
    "text, GRU": Task(lambda g: source(argparse, g), lambda: Recurrent(nn.GRU, 128), entropy, True),
    "text, attention": Task(lambda g: source(argparse, g), Attention, entropy, True),
}
HELD_OUT = {
    "manifold, autoencoder": Task(
        manifold,
        lambda: nn.Sequential(
            *(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 4)),
            *(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 20)),
        ),
        F.mse_loss,
    ),
    "checkers, residual with layer norm": Task(
        checkers, Residual, F.binary_cross_entropy_with_logits
    ),
    "tones, CNN with group norm": Task(
        tones,
        lambda: nn.Sequential(
            *(nn.Conv1d(1, 12, 7, 2), nn.GroupNorm(3, 12), nn.GELU()),
            *(nn.Conv1d(12, 12, 5, 2), nn.GroupNorm(3, 12), nn.GELU()),
            *(nn.AdaptiveAvgPool1d(2), nn.Flatten(), nn.Linear(24, 6)),
        ),
        smooth,
    ),
    "ratings, factors": Task(ratings, Factors, F.smooth_l1_loss),
    "ladders, LSTM": Task(ladders, lambda: Recurrent(nn.LSTM, 13), entropy, True),
}
RESERVE = {
    "pictures, variational autoencoder": Task(pictures, Variational, evidence),
    "blobs, pairs": Task(blobs, lambda: mlp(24, 1, 8, 3), hinge),
    "counts, Poisson": Task(counts, lambda: mlp(32, 2, 6, 1), F.poisson_nll_loss),
    "heavy tails, L1": Task(heavy, lambda: mlp(32, 3, 8, 1), F.l1_loss),
    "text, LSTM": Task(
        lambda g: source(textwrap, g), lambda: Recurrent(nn.LSTM, 128), entropy, True
    ),
}
