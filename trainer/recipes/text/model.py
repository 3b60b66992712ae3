"""A small GPT: a decoder-only transformer with rotary positions and PyTorch's fused attention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.errors import ConfigError, Problem, nearest
from trainer.recipes.text.corruption import TokenCorruption

POSITIONS = ("rotary", "learned")


class GPT(nn.Module):
    """Predicts the next token from those before it.

    Pre-norm blocks (Xiong et al. 2020), rotary positions (Su et al. 2021), input and
    output embedding shared (Press & Wolf 2017), no biases. Rotary positions are relative and
    computed, so that a trained model takes sequences of any length; learned ones end at `context`.

    Args:
        vocab_size: Number of tokens; 256 for bytes.
        context: Tokens in training; longer input is allowed with rotary positions.
        dim: Width; a multiple of `heads`, `dim / heads` even.
        layers: Number of blocks.
        heads: Attention heads per block.
        mlp_ratio: Width of the hidden layer over `dim`.
        dropout: Share dropped of attention weights and of each block's outputs, in training.
        positions: `rotary`, or `learned`: a table added to the embedding.
        rope_theta: Base of the rotary frequencies; larger reaches further.
        token_corruption: Keywords of `TokenCorruption`; None shows the model its input as it is.

    Raises:
        ConfigError: `dim` does not fit `heads`, or there are no such `positions`.
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
        positions: str = "rotary",
        rope_theta: float = 10_000.0,
        token_corruption: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if positions not in POSITIONS:
            raise ConfigError(
                Problem(
                    f"There are no positions '{positions}'.",
                    remedy=f"There are {' and '.join(POSITIONS)}.",
                    key="model.positions",
                )
            )
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
        self.rope_theta = rope_theta
        self.corruption = _corruption(vocab_size, token_corruption)
        self._own_corruption = self.corruption.settings()
        self.positions = nn.Embedding(context, dim) if positions == "learned" else None
        cos, sin = rotations(
            0 if self.positions is not None else context, self.head_dim, theta=rope_theta
        )
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
        length = tokens.shape[1]
        x = self.embedding(self.corruption(tokens))
        rotation = None
        if self.positions is None:
            rotation = self._rotation(length, x)
        elif length > self.context:
            raise ConfigError(
                Problem(
                    f"The model has learned {self.context} positions and is given {length} tokens.",
                    remedy="Give as much `model.context` as `data.context`, or rotary positions.",
                    key="model.context",
                )
            )
        else:
            x = x + self.positions.weight[:length]
        for block in self.blocks:
            x = block(x, rotation)
        logits: Tensor = self.head(self.norm(x))
        return logits

    def resize_context(
        self,
        *,
        max_position_embeddings: int | None = None,
        input_shape: Sequence[int] | None = None,
        rope_theta: float | None = None,
    ) -> None:
        """Let the model take longer sequences; all that it has learned stays as it is.

        Args:
            max_position_embeddings: The new context in tokens, not less than the present one. New
                rows of learned positions begin as those of a new model.
            input_shape: The same, as the shape of one sample: `[tokens]`.
            rope_theta: A new base of the rotary frequencies.

        Raises:
            ConfigError: The context would shrink, both lengths are given and differ, or there are
                no rotary positions.
        """
        length = _new_length(self.context, max_position_embeddings, input_shape)
        old = self.positions
        if old is not None:
            if rope_theta is not None:
                raise _no_resize(
                    "The model has learned positions, no rotary ones.", "rope_theta", ""
                )
            if length > old.num_embeddings:
                weight = old.weight
                self.positions = nn.Embedding(
                    length, weight.shape[1], device=weight.device, dtype=weight.dtype
                )
                with torch.no_grad():
                    self.positions.weight.normal_(std=0.02)
                    self.positions.weight[: weight.shape[0]] = weight
        else:
            self.rope_theta = rope_theta or self.rope_theta
            device = self.get_buffer("cos").device
            self.cos, self.sin = rotations(length, self.head_dim, device, theta=self.rope_theta)
        self.context = length

    def own_token_corruption(self) -> dict[str, Any]:
        """Give the settings that the model was made with."""
        return dict(self._own_corruption)

    def set_token_corruption(self, *, enabled: bool, p_start: float, p_end: float) -> None:
        """Corrupt from now on by these settings; see `TokenCorruption`."""
        self.corruption.set(enabled, p_start, p_end)

    def training_progress(self, share: float) -> None:
        """Move what follows training, a share from 0 to 1 of all steps."""
        if self.corruption.enabled:
            self.corruption.progress(share)

    def _rotation(self, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Give cosines and sines for a sequence, each (length, head_dim / 2)."""
        cos, sin = self.get_buffer("cos"), self.get_buffer("sin")
        if length > cos.shape[0]:
            cos, sin = rotations(length, self.head_dim, like.device, theta=self.rope_theta)
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

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor] | None) -> Tensor:
        """Give the stream after this block; shapes (batch, length, dim)."""
        x = x + self._drop(self._attend(self.attention_norm(x), rotation))
        hidden = functional.gelu(self.mlp_in(self.mlp_norm(x)))
        return x + self._drop(self.mlp_out(hidden))

    def _attend(self, x: Tensor, rotation: tuple[Tensor, Tensor] | None) -> Tensor:
        batch, length, dim = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, dim // self.heads)
        qkv = qkv.permute(2, 0, 3, 1, 4)
        queries, keys = qkv[:2] if rotation is None else rotate(qkv[:2], rotation)
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
    length: int, head_dim: int, device: torch.device | None = None, *, theta: float = 10_000.0
) -> tuple[Tensor, Tensor]:
    """Give cosines and sines of the angles by position and pair, each (length, head_dim / 2)."""
    pairs = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device)
    frequencies = theta ** (-pairs / head_dim)
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


def _corruption(vocab_size: int, written: Mapping[str, Any] | None) -> TokenCorruption:
    if written is None:
        return TokenCorruption(vocab_size, enabled=False)
    known = ("enabled", "p_start", "p_end")
    if unknown := [name for name in written if name not in known]:
        raise ConfigError(
            Problem(
                f"Token corruption takes no '{unknown[0]}'.",
                remedy=nearest(str(unknown[0]), known) or f"It takes {', '.join(known)}.",
                key=f"model.token_corruption.{unknown[0]}",
            )
        )
    return TokenCorruption(vocab_size, **written)


def _new_length(now: int, length: int | None, shape: Sequence[int] | None) -> int:
    """Settle the new context in tokens; the present one if none is asked for."""
    if shape is not None:
        if len(shape) != 1:
            raise _no_resize(
                f"A sample of text has one dimension, its tokens, and not {len(shape)}.",
                "input_shape",
                "Write [tokens].",
            )
        if length is not None and length != shape[0]:
            raise _no_resize(
                f"`input_shape` asks for {shape[0]} tokens and `max_position_embeddings` for "
                f"{length}.",
                "input_shape",
                "Give one of them.",
            )
        length = shape[0]
    if length is None:
        return now
    if length < now:
        key = "max_position_embeddings" if shape is None else "input_shape"
        what = f"A context of {now} tokens cannot shrink to {length}."
        raise _no_resize(what, key, "A context can only grow.")
    return length


def _no_resize(what: str, key: str, remedy: str) -> ConfigError:
    return ConfigError(Problem(what, remedy=remedy, key=f"trainer.resume_context.{key}"))
