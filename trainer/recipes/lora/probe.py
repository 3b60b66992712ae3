"""Tries what a base does with a few tokens, so that it need not be believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

# What two passes of equal work may differ by, as a share of what another token changes: nothing, but
# for a kernel that sums in another order.
_SHARE, _SHARE_IN_HALF = 1e-4, 1e-2


@torch.no_grad()
def picks_places(network: Any) -> bool:
    """Tell whether it gives logits at chosen places of each row: newer releases do."""
    ids, places = _tokens(network).view(2, 4), torch.tensor([[1, 3], [0, 2]])
    with _as_it_answers(network):
        try:
            got = network(input_ids=ids, use_cache=False, logits_to_keep=places).logits
            every = network(input_ids=ids, use_cache=False).logits
            wanted = torch.take_along_dim(every, places[..., None], dim=1)
            if got.is_meta:
                return bool(got.shape == wanted.shape)
            return got.shape == wanted.shape and bool(
                torch.allclose(got.float(), wanted.float(), rtol=1e-2, atol=1e-2)
            )
        except (TypeError, ValueError, IndexError, RuntimeError):
            return False


@torch.no_grad()
def looks_back_only(network: Any) -> bool:
    """Tell whether what it gives at a place depends on nothing behind it."""
    ids = _tokens(network)[None]
    if ids.is_meta:
        return True
    late = ids.clone()
    late[0, 4:] = ids[0, 4:].flip(0)
    with _as_it_answers(network):
        one, two = (network(input_ids=each, use_cache=False).logits for each in (ids, late))
    return _same(one[:, :4], two[:, :4], like=one[:, 4:] - two[:, 4:])


@torch.no_grad()
def keeps_apart(network: Any) -> bool:
    """Tell whether a packed sample gives the same, whatever stands in front of it."""
    ids = _tokens(network)[None]
    if ids.is_meta:
        return True
    other = ids.clone()
    other[0, :4] = ids[0, :4].flip(0)
    places = torch.arange(4, device=ids.device).repeat(2)[None]
    with _as_it_answers(network):
        one, two = (
            network(input_ids=each, use_cache=False, position_ids=places).logits
            for each in (ids, other)
        )
    return _same(one[:, 4:], two[:, 4:], like=one[:, :4] - two[:, :4])


def flash(network: Any) -> bool:
    """Tell whether it computes attention by a kernel that runs on a GPU alone."""
    return str(getattr(network.config, "_attn_implementation", "")).startswith("flash")


def _same(one: Tensor, two: Tensor, *, like: Tensor) -> bool:
    """Compare by the measure of what another token changes: weights may be small, or in half."""
    share = _SHARE if one.dtype == torch.float32 else _SHARE_IN_HALF
    return bool((one - two).float().abs().max() <= share * like.float().abs().max())


def _tokens(network: Any) -> Tensor:
    device = next(network.parameters()).device
    return (torch.arange(8, device=device) * 7 + 3) % (int(network.config.vocab_size) - 2)


@contextmanager
def _as_it_answers(network: Any) -> Iterator[None]:
    """Turn dropout off, and let attention be computed in a way that runs anywhere."""
    was_training, way = network.training, getattr(network.config, "_attn_implementation", None)
    network.eval()
    if changes := flash(network):
        network.config._attn_implementation = "eager"
    try:
        yield
    finally:
        if changes:
            network.config._attn_implementation = way
        network.train(was_training)
