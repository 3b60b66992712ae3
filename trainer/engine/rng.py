"""The random states of one process, as plain data that a checkpoint can hold."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

_MASK = (1 << 64) - 1


def capture() -> dict[str, Any]:
    """Take the states of Python's, numpy's and torch's generators, and of the GPUs in use."""
    version, words, gauss = random.getstate()
    legacy = np.random.get_state(legacy=False)
    assert isinstance(legacy, dict)
    inner = legacy["state"]
    state: dict[str, Any] = {
        "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
        "numpy": {
            # int64: uint32 tensors are not understood by every torch that may read this.
            "key": torch.from_numpy(inner["key"].astype(np.int64)),
            "pos": int(inner["pos"]),
            "has_gauss": int(legacy["has_gauss"]),
            "gauss": float(legacy["gauss"]),
        },
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore(state: Mapping[str, Any]) -> None:
    """Put the generators back to a captured state."""
    python = state["python"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    numpy = state["numpy"]
    np.random.set_state(
        {
            "bit_generator": "MT19937",
            "state": {"key": numpy["key"].numpy().astype(np.uint32), "pos": numpy["pos"]},
            "has_gauss": numpy["has_gauss"],
            "gauss": numpy["gauss"],
        }
    )
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"].cpu())


def mix(*numbers: int) -> int:
    """Make one 64-bit seed of several numbers, such that neighbours give unrelated seeds.

    The finaliser is splitmix64's (Steele, Lea and Flood 2014).
    """
    seed = 0
    for number in numbers:
        seed = (seed + (number & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        seed = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        seed = ((seed ^ (seed >> 27)) * 0x94D049BB133111EB) & _MASK
        seed ^= seed >> 31
    return seed


class Held(NamedTuple):
    """The CPU generators of an instant, in the form that is quickest to take and put back."""

    python: Any
    numpy: Any
    torch: torch.Tensor


def hold(spare: np.random.BitGenerator) -> Held:
    """Take the CPU generators away, for this process only; they must be seeded before use.

    numpy's is exchanged for `spare`, since copying its state takes a hundred times longer.
    """
    held = Held(
        random.getstate(), np.random.mtrand.get_bit_generator(), torch.default_generator.get_state()
    )
    np.random.mtrand.set_bit_generator(spare)
    return held


def put_back(held: Held) -> None:
    """Put the CPU generators back."""
    random.setstate(held.python)
    np.random.mtrand.set_bit_generator(held.numpy)
    torch.default_generator.set_state(held.torch)


def seed_cpu(seed: int) -> None:
    """Seed the CPU generators, and leave those of GPUs alone, unlike `torch.manual_seed`.

    Args:
        seed: 64 bits.
    """
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    torch.default_generator.manual_seed(seed)


_SPARE = np.random.MT19937(0)


@contextmanager
def seeded(seed: int, *, keep: bool) -> Iterator[None]:
    """Seed the CPU generators for a moment.

    Args:
        seed: 64 bits.
        keep: Put the former generators back at the end. A loader's worker, which draws random
            numbers for nothing else, can do without.
    """
    held = hold(_SPARE) if keep else None
    try:
        seed_cpu(seed)
        yield
    finally:
        if held is not None:
            put_back(held)


class Stream:
    """A stream of random numbers to be drawn from inside a `with`, and otherwise left in peace.

    Args:
        seed: 64 bits.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._spare = np.random.MT19937(0)
        self._inside: Held | None = None
        self._outside: Held | None = None

    def __enter__(self) -> None:
        self._outside = hold(self._spare)
        if self._inside is None:
            seed_cpu(self._seed)
        else:
            put_back(self._inside)

    def __exit__(self, *_: object) -> None:
        self._inside = hold(self._spare)
        assert self._outside is not None
        put_back(self._outside)
