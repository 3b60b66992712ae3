"""The order of samples as a pure function of seed, epoch and batch number.

Nothing has to be remembered about a loader to take it up again in mid-epoch: the position is the
number of batches trained, however far workers have fetched ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import Dataset, Sampler, get_worker_info

from trainer.engine import rng
from trainer.engine.refused import guarded


class Batch(list[int]):
    """The sample indices of one batch, with the seed of whatever is random in fetching them."""

    seed: int = 0


class ResumableBatches(Sampler[list[int]]):
    """Batches of sample indices for one rank, from any position in an epoch.

    For training, ranks take turns through one common order, which is padded from its start so that
    all have the same number of batches. For evaluation nothing is repeated as long as every rank
    has a sample for each batch; sizes of batches may then differ by one.

    Args:
        size: Samples in the data set.
        batch_size: Samples per batch and rank.
        shuffle: A new order in each epoch.
        drop_last: Leave out a last batch that is not full.
        seed: The run's seed.
        rank: This process.
        world_size: All processes.
        even: Pad so that every batch of every rank is alike (training); otherwise repeat nothing.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        shuffle: bool,
        drop_last: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        even: bool = True,
    ) -> None:
        self.size = size
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.even = even
        self.epoch = 0
        self.start = 0
        # Lightning calls `set_epoch` on a batch sampler's `sampler`.
        self.sampler = self

    def seek(self, epoch: int, batches: int) -> None:
        """Begin the next iteration in `epoch`, after its first `batches` batches of this rank."""
        self.epoch = epoch
        self.start = batches

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of another epoch; without effect if it is the present one."""
        if epoch != self.epoch:
            self.seek(epoch, 0)

    def __len__(self) -> int:
        """Give the batches in a whole epoch, wherever the next iteration begins."""
        share = math.ceil(self.size / self.world_size)
        if self.drop_last:
            return share // self.batch_size
        return math.ceil(share / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Give the batches from the position on."""
        mine = self._share()
        count = len(self)
        for number in range(self.start, count):
            if self.even or self.world_size == 1:
                part = mine[number * self.batch_size : (number + 1) * self.batch_size]
            else:
                part = mine[len(mine) * number // count : len(mine) * (number + 1) // count]
            batch = Batch(part)
            # Evaluation sees the same in each epoch, so that its figures compare.
            epoch = self.epoch if self.shuffle else 0
            batch.seed = rng.mix(self.seed, int(self.even), epoch, number, self.rank)
            yield batch

    def _share(self) -> list[int]:
        if self.shuffle:
            generator = torch.Generator()
            generator.manual_seed(rng.mix(self.seed, self.epoch))
            order = torch.randperm(self.size, generator=generator).tolist()
        else:
            order = list(range(self.size))
        if self.world_size == 1:
            return order
        if self.even:
            order += order[: -self.size % self.world_size]
        mine = order[self.rank :: self.world_size]
        short = len(self) - len(mine)
        return mine + [order[i % self.size] for i in range(short)] if short > 0 else mine


class SeededBatches(Dataset[Any]):
    """A data set that gives whole batches, its randomness seeded by batch.

    So augmentation neither depends on the number of workers nor disturbs the model's own random
    numbers, and a resumed epoch draws the same again.

    Args:
        dataset: A map-style data set.
        collate: Makes a batch of a list of samples.
        finish: Makes of a collated batch and its seed what is trained on; None leaves it.
    """

    def __init__(
        self,
        dataset: Any,
        collate: Callable[[list[Any]], Any],
        finish: Callable[[Any, int], Any] | None = None,
    ) -> None:
        self.dataset = dataset
        self._collate = collate
        self._finish = finish
        self._many = getattr(dataset, "__getitems__", None)

    def __len__(self) -> int:
        """Give the number of samples."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """Give one sample, as the data set does."""
        return self.dataset[index]

    def __getitems__(self, indices: list[int]) -> Any:
        """Give the finished batch of these samples; in a worker perhaps why there is none."""
        seed = getattr(indices, "seed", 0)
        with rng.seeded(seed, keep=get_worker_info() is None):
            return guarded(lambda: self._batch(indices, seed))

    def _batch(self, indices: list[int], seed: int) -> Any:
        samples = self._many(indices) if self._many else [self.dataset[i] for i in indices]
        batch = self._collate(samples)
        return batch if self._finish is None else self._finish(batch, seed)


def collated(batch: Any) -> Any:
    """Stand for the loader's collate function: `SeededBatches` has done it."""
    return batch
