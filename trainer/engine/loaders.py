"""Loaders whose order can be taken up anywhere: of data sets, and out of stock ones."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any, cast

import torch
from lightning_fabric.utilities.data import has_len
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
)

from trainer.engine import rng
from trainer.engine.mixup import MixUp
from trainer.engine.refused import Guarded
from trainer.engine.replay import Finished, SizedFinished
from trainer.engine.sampler import ResumableBatches, SeededBatches, collated


class Loaders:
    """Makes loaders, all of the same config and seed.

    Args:
        section: The config's `dataloader` section.
        seed: The run's seed.
        shuffle: Whether training data are shuffled, where the order is the engine's.

    Attributes:
        batch_size: Samples in a batch of one rank, in loaders of data sets made from now on.
        finish: What is done to each batch, called with the batch and a seed, for training (True)
            and for validation (False); None for nothing.
    """

    def __init__(self, section: Mapping[str, Any], *, seed: int, shuffle: bool) -> None:
        self.batch_size = int(section.get("batch_size") or 1)
        mixup = MixUp.of(section) if section.get("type") == "MixupDataLoader" else MixUp()
        self.finish = {True: mixup.for_training(), False: mixup.for_validation()}
        self._section = dict(section)
        self._seed = seed
        self._shuffle = shuffle

    def of(
        self, dataset: Any, collate: Any, ranks: Mapping[str, int], *, train: bool
    ) -> DataLoader[Any]:
        """Make the loader of a data set, as the config asks.

        Args:
            dataset: With a length, or iterable; the order of the latter is its own.
            collate: Makes a batch of samples.
            ranks: `rank` and `world_size`; each rank gets its own part.
            train: Whether to shuffle, to leave out a short last batch and to keep ranks in step.
        """
        drop_last = bool(self._section.get("drop_last")) and train
        settings = self._worker_settings()
        if isinstance(dataset, IterableDataset):
            return DataLoader(
                dataset,
                batch_size=self.batch_size,
                drop_last=drop_last,
                collate_fn=Guarded(collate),
                generator=self._generator(),
                **settings,
            )
        batches = ResumableBatches(
            len(dataset),
            self.batch_size,
            shuffle=train and self._shuffle,
            drop_last=drop_last,
            seed=self._seed,
            even=train,
            **ranks,
        )
        return self._loader(dataset, batches, collate, settings)

    def adopt(self, loader: Any, ranks: Mapping[str, int], *, train: bool) -> Any:
        """Make a loader of one's own resumable if its order is a stock one; else leave it.

        Args:
            loader: Whatever a data module gave.
            ranks: `rank` and `world_size`; each rank gets its own part.
            train: Whether it is the training loader.
        """
        if type(loader) is not DataLoader:
            return loader
        if not (samples := _stock_samples(loader)):
            return loader
        assert loader.batch_size is not None
        batches = ResumableBatches(
            samples,
            loader.batch_size,
            shuffle=isinstance(loader.sampler, RandomSampler) and self._shuffle,
            drop_last=loader.drop_last,
            seed=self._seed,
            even=train,
            **ranks,
        )
        settings: dict[str, Any] = {
            "num_workers": loader.num_workers,
            "pin_memory": loader.pin_memory,
            "timeout": loader.timeout,
            "multiprocessing_context": loader.multiprocessing_context,
        }
        if loader.num_workers:
            settings["worker_init_fn"] = loader.worker_init_fn
            settings["prefetch_factor"] = loader.prefetch_factor
            settings["persistent_workers"] = loader.persistent_workers
        return self._loader(loader.dataset, batches, loader.collate_fn, settings)

    def finished(self, loader: Any) -> Any:
        """Finish the batches of a validation loader that does not do so itself."""
        finish = self.finish[False]
        if finish is None or isinstance(getattr(loader, "dataset", None), SeededBatches):
            return loader
        return (SizedFinished if has_len(loader) else Finished)(loader, finish)

    def _loader(
        self, dataset: Any, batches: ResumableBatches, collate: Any, settings: dict[str, Any]
    ) -> DataLoader[Any]:
        return DataLoader(
            SeededBatches(dataset, collate, self.finish[batches.even]),  # even: for training
            batch_sampler=batches,
            collate_fn=collated,
            generator=self._generator(),
            **settings,
        )

    def _generator(self) -> torch.Generator:
        # Without one of its own, making an iterator draws from the generator that dropout uses.
        generator = torch.Generator()
        generator.manual_seed(rng.mix(self._seed, 1))
        return generator

    def _worker_settings(self) -> dict[str, Any]:
        workers = int(self._section.get("num_workers") or 0)
        settings: dict[str, Any] = {
            "num_workers": workers,
            "pin_memory": bool(self._section.get("pin_memory")) and torch.cuda.is_available(),
        }
        if workers:
            settings["prefetch_factor"] = self._section.get("prefetch_factor") or 2
            settings["persistent_workers"] = bool(self._section.get("persistent_workers"))
        return settings


def _stock_samples(loader: DataLoader[Any]) -> int:
    """Give the data set's size if the loader's order is torch's own, else 0."""
    if (
        isinstance(loader.dataset, IterableDataset)
        or type(loader.batch_sampler) is not BatchSampler
    ):
        return 0
    samples = len(cast("Sized", loader.dataset))
    sampler = loader.sampler
    if type(sampler) is RandomSampler:
        return 0 if sampler.replacement or sampler.num_samples != samples else samples
    return samples if type(sampler) is SequentialSampler else 0
