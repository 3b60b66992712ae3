"""A small GPT: a decoder-only transformer with rotary positions and PyTorch's fused attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.errors import ConfigError, Problem


class GPT(nn.Module):
    """Predicts the next token from those before it.

    Pre-norm blocks (Xiong et al. 2020), rotary positions (Su et al. 2021), input and
    output embedding shared (Press & Wolf 2017), no biases. Positions are relative and computed, so
    that a trained model takes sequences of any length.

    Args:
        vocab_size: Number of tokens; 256 for bytes.
        context: Tokens in training; longer input is allowed.
        dim: Width; a multiple of `heads`, `dim / heads` even.
        layers: Number of blocks.
        heads: Attention heads per block.
        mlp_ratio: Width of the hidden layer over `dim`.
        dropout: Share dropped of attention weights and of each block's outputs, in training.

    Raises:
        ConfigError: `dim` does not fit `heads`.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 256,
        context: int = 128,
        dim: int = 128,
        layers: int = 4,
        heads: int = 4,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if dim % heads or (dim // heads) % 2:
            raise ConfigError(
                Problem(
                    f"Width {dim} cannot be divided into {heads} heads of even width.",
                    remedy=f"Use a multiple of {2 * heads}.",
                    key="model.dim",
                )
            )
        self.vocab_size = vocab_size
        self.context = context
        self.head_dim = dim // heads
        self.embedding = nn.Embedding(vocab_size, dim)
        self.blocks = nn.ModuleList(
            Block(dim, heads, int(mlp_ratio * dim), dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim, bias=False)
        self.head = nn.Linear(dim, vocab_size, bias=False)
        self.head.weight = self.embedding.weight
        cos, sin = rotations(context, self.head_dim)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._init_weights()

    def _init_weights(self) -> None:
        """Small normal weights; those that add to the residual stream, smaller with depth."""
        residual = 0.02 / math.sqrt(2 * max(1, len(self.blocks)))
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=residual if name.endswith("out.weight") else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give logits, shape (batch, length, vocab_size), for int64 tokens (batch, length)."""
        x = self.embedding(tokens)
        rotation = self._rotation(tokens.shape[1], x)
        for block in self.blocks:
            x = block(x, rotation)
        logits: Tensor = self.head(self.norm(x))
        return logits

    def _rotation(self, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Give cosines and sines for a sequence, each (length, head_dim / 2)."""
        cos, sin = self.get_buffer("cos"), self.get_buffer("sin")
        if length > cos.shape[0]:
            cos, sin = rotations(length, self.head_dim, like.device)
        return cos[:length].to(like.dtype), sin[:length].to(like.dtype)


class Block(nn.Module):
    """Attention and a two-layer network, each added to the stream it reads.

    Args:
        dim: Width of the stream.
        heads: Attention heads.
        hidden: Width of the hidden layer.
        dropout: See `GPT`.
    """

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(dim, bias=False)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.attention_out = nn.Linear(dim, dim, bias=False)
        self.mlp_norm = nn.LayerNorm(dim, bias=False)
        self.mlp_in = nn.Linear(dim, hidden, bias=False)
        self.mlp_out = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Give the stream after this block; shapes (batch, length, dim)."""
        x = x + self._drop(self._attend(self.attention_norm(x), rotation))
        hidden = functional.gelu(self.mlp_in(self.mlp_norm(x)))
        return x + self._drop(self.mlp_out(hidden))

    def _attend(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        batch, length, dim = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, dim // self.heads)
        qkv = qkv.permute(2, 0, 3, 1, 4)
        queries, keys = rotate(qkv[:2], rotation)
        mixed = functional.scaled_dot_product_attention(
            queries,
            keys,
            qkv[2],
            is_causal=True,
            dropout_p=self.dropout if self.training else 0.0,
        )
        out: Tensor = self.attention_out(mixed.transpose(1, 2).reshape(batch, length, dim))
        return out

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training) if self.dropout else x


def rotations(
    length: int, head_dim: int, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Give cosines and sines of the angles by position and pair, each (length, head_dim / 2)."""
    pairs = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device)
    frequencies = 10_000.0 ** (-pairs / head_dim)
    angles = torch.arange(length, device=device).float()[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of channels by an angle that grows with the position.

    Args:
        x: Queries or keys, shape (..., length, head_dim).
        rotation: Cosines and sines, each (length, head_dim / 2).
    """
    cos, sin = rotation
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
