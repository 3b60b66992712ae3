"""The sources of the Python standard library found on this machine, as windows of bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from trainer.errors import ConfigError, Problem
from trainer.paths import at_home
from trainer.recipes.sources import python_files, standard_library
from trainer.recipes.split import split_by_digest

#: Stands between files, and before the first: the model learns where a file begins.
SEPARATOR = 0


class PyStdlib:
    """Python source files as data for a model of bytes, split by file into training and validation.

    Which side a file is on depends only on its path below `root`: neither other files nor the order
    in which a disk lists them matter, so that figures of two runs compare.

    Args:
        root: A folder with `*.py` files, at any depth; None means this Python's standard library.
        context: Bytes that the model sees at once.
        sequence_length: Makes windows shorter than `context`, never longer; None leaves them.
        val_fraction: Share of the files that is kept for validation.
        max_items: Use only so many files, of both sides, at least 2; None uses all.
        stride: Bytes from one training window's start to the next; None means `context`.
        val_windows: Validate on so many windows, spread evenly over all files; None takes all.

    Raises:
        ConfigError: A value is out of bounds.
    """

    def __init__(
        self,
        root: str | None = None,
        *,
        context: int = 128,
        sequence_length: int | None = None,
        val_fraction: float = 0.1,
        max_items: int | None = None,
        stride: int | None = None,
        val_windows: int | None = None,
    ) -> None:
        problems = []
        if context < 1:
            problems.append(Problem("`context` must be at least 1.", key="data.context"))
        if not 0.0 < val_fraction < 1.0:
            problems.append(
                Problem("`val_fraction` must lie between 0 and 1.", key="data.val_fraction")
            )
        if max_items is not None and max_items < 2:
            problems.append(
                Problem(
                    f"{max_items} file cannot be split into training and validation.",
                    remedy="`max_items` must be at least 2.",
                    key="data.max_items",
                )
            )
        if stride is not None and stride < 1:
            problems.append(Problem("`stride` must be at least 1.", key="data.stride"))
        if val_windows is not None and val_windows < 1:
            problems.append(Problem("`val_windows` must be at least 1.", key="data.val_windows"))
        if problems:
            raise ConfigError(*problems)
        self.root = at_home(root) if root else standard_library()
        self.context = min(context, sequence_length or context)
        self.val_fraction = val_fraction
        self.max_items = max_items
        self.stride = stride
        self.val_windows = val_windows
        self._sides: tuple[list[Path], list[Path]] | None = None

    def files(self) -> tuple[list[Path], list[Path]]:
        """Give the files of training and of validation, each at least one.

        Raises:
            ConfigError: There are fewer than two Python files below `root`.
        """
        if self._sides is None:
            self._sides = self._split(sorted(python_files(self.root)))
        return self._sides

    def train_dataset(self) -> Windows:
        """Give the training windows, `stride` bytes apart."""
        return self._windows(self.files()[0], self.stride or self.context)

    def resize_context(
        self,
        *,
        max_position_embeddings: int | None = None,
        input_shape: Sequence[int] | None = None,
    ) -> None:
        """Give longer windows, for a model whose context has grown; never shorter ones."""
        length = max_position_embeddings or (input_shape or [0])[-1]
        self.context = max(self.context, length)

    def val_dataset(self) -> Windows:
        """Give the validation windows, which do not overlap: each byte is predicted once."""
        windows = self._windows(self.files()[1], self.context)
        return windows if self.val_windows is None else windows.spread(self.val_windows)

    def collate(self, samples: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Give (inputs, targets), each int64 of shape (batch, context); targets are one further."""
        windows = samples if isinstance(samples, Tensor) else torch.stack(list(samples))
        windows = windows.long()
        return windows[:, :-1], windows[:, 1:]

    def example_batch(self, size: int) -> tuple[Tensor, Tensor]:
        """Give a batch of zeros, as `collate` gives them."""
        return self.collate(torch.zeros(size, self.context + 1, dtype=torch.uint8))

    def _split(self, paths: list[Path]) -> tuple[list[Path], list[Path]]:
        if len(paths) < 2:
            raise ConfigError(
                Problem(
                    f"{len(paths) or 'No'} Python source file{'' if len(paths) == 1 else 's'} "
                    f"found below {self.root}.",
                    remedy="Set `data.root` to a folder with *.py files, or install the sources of "
                    "Python's standard library.",
                    key="data.root",
                )
            )
        digests = {path: _digest(path.relative_to(self.root)) for path in paths}
        return split_by_digest(digests, self.val_fraction, self.max_items)

    def _windows(self, paths: Sequence[Path], stride: int) -> Windows:
        data = bytearray([SEPARATOR])
        for path in paths:
            data += path.read_bytes()
            data.append(SEPARATOR)
        if len(data) <= self.context:
            raise ConfigError(
                Problem(
                    f"{len(paths)} files hold {len(data)} bytes, too few for one window of "
                    f"{self.context}.",
                    remedy="Use a smaller `data.context`, or more files.",
                    key="data.context",
                )
            )
        return Windows(torch.frombuffer(data, dtype=torch.uint8), self.context, stride)


class Windows(Dataset[Tensor]):
    """Windows of `context + 1` bytes, by number: the last byte is the last one to be predicted.

    Args:
        data: All bytes, uint8 of shape (bytes,), more than `context` of them.
        context: Bytes that the model sees.
        stride: Bytes from one window's start to the next.
    """

    def __init__(self, data: Tensor, context: int, stride: int) -> None:
        self.data = data
        self._windows = data.unfold(0, context + 1, stride)

    def spread(self, count: int) -> Windows:
        """Keep at most `count` windows, evenly spaced over all."""
        if count < len(self):
            chosen = torch.linspace(0, len(self) - 1, count, dtype=torch.float64).long()
            self._windows = self._windows[chosen]
        return self

    def __len__(self) -> int:
        """Give the number of windows."""
        return self._windows.shape[0]

    def __getitem__(self, index: int) -> Tensor:
        """Give one window, uint8 of shape (context + 1,)."""
        return self._windows[index]

    def __getitems__(self, indices: Sequence[int]) -> Tensor:
        """Give several windows at once, uint8 of shape (len(indices), context + 1)."""
        return self._windows[torch.as_tensor(indices)]


def _digest(path: Path) -> bytes:
    return hashlib.blake2b(path.as_posix().encode("utf-8", "surrogateescape")).digest()[:16]
