"""What a recipe gives as data, as a data module that can be taken up again in mid-epoch."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.data import has_len
from pytorch_lightning.utilities import rank_zero_warn
from torch.utils.data import DataLoader, IterableDataset, default_collate

from trainer.engine import rng
from trainer.engine.loaders import Loaders
from trainer.engine.refused import Refused
from trainer.engine.replay import Replayed, SizedReplayed
from trainer.engine.sampler import ResumableBatches
from trainer.engine.text_batches import TextBatches
from trainer.errors import ConfigError, Problem


class Datasets(ABC):  # noqa: B024 - it asks for a shape and gives nothing to inherit
    """Any class with a `train_dataset()` method: what a recipe gives that leaves loaders to us."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return callable(getattr(other, "train_dataset", None))


class EngineData(pl.LightningDataModule):
    """Wraps a recipe's data so that the order of training batches can be taken up anywhere.

    Args:
        source: A `LightningDataModule`, or an object with `train_dataset()` and `val_dataset()`
            (and perhaps `prepare()` and `collate`). Loaders of the latter come from `dataloader`;
            those of the former are kept with their own settings, and their order is made resumable
            where it is a stock one.
        dataloader: The config's `dataloader` section.
        seed: The run's seed.
        shuffle: Whether training data are shuffled, where the order is the engine's.
        share: Whether each rank gets its own part of the data; False gives all to each.

    Raises:
        ConfigError: `TextDataLoader` lacks its tokenizer, or the source makes batches of its own.

    Attributes:
        carried: What was settled once for the whole training, such as a batch size that was
            searched for; plain data that goes with its checkpoints.
    """

    def __init__(
        self,
        source: Any,
        dataloader: Mapping[str, Any],
        *,
        seed: int,
        shuffle: bool = True,
        share: bool = True,
    ) -> None:
        super().__init__()
        self.source = source
        self._seed = seed
        self._share = share
        self._start: tuple[int, int, Mapping[str, Any] | None] = (0, 0, None)
        self._train: Any = None
        self._fresh = False
        self.carried: dict[str, Any] = {}
        text = dataloader.get("type") == "TextDataLoader"
        self._text = self._text_batches(dataloader) if text else None
        self._loaders = Loaders(dataloader, seed=seed, shuffle=shuffle)

    def say_through(self, log: Callable[[str, str], Any]) -> None:
        """Let data that have something to say, while they are made, say it to whoever watches.

        Args:
            log: Called with a level and a message. Data that have an attribute `say` get it, as a
                callable that takes the message alone.
        """
        if hasattr(self.source, "say"):
            self.source.say = partial(log, "info")

    @property
    def gives_datasets(self) -> bool:
        """Tell whether the engine makes the loaders."""
        return hasattr(self.source, "train_dataset")

    @property
    def batch_size(self) -> int:
        """Samples in a batch of one rank; set before loaders are made, it is what they take.

        Raises:
            ConfigError: The source makes loaders of its own and has no `batch_size` to set.
        """
        if self.gives_datasets:
            return self._loaders.batch_size
        return int(getattr(self._sized(), "batch_size", 1))

    @batch_size.setter
    def batch_size(self, size: int) -> None:
        if self.gives_datasets:
            self._loaders.batch_size = size
        else:
            self._sized().batch_size = size
        self._fresh = False

    @property
    def known_batch_size(self) -> int | None:
        """Samples in a batch of one rank; None if only the source's own loaders know."""
        known = self.gives_datasets or self._holder() is not None
        return self.batch_size if known else None

    def _holder(self) -> Any:
        """Give what holds the batch size of a source that makes its own loaders; None if nothing."""
        if hasattr(self.source, "batch_size"):
            return self.source
        hparams = getattr(self.source, "hparams", {})
        return hparams if "batch_size" in hparams else None

    def _sized(self) -> Any:
        holder = self._holder()
        if holder is not None:
            return holder
        raise ConfigError(
            Problem(
                f"{type(self.source).__name__} makes loaders of its own and has no `batch_size` "
                "that could be set.",
                "",
                "Give it an attribute `batch_size` that its loaders use, let it give "
                "`train_dataset()` instead, or set trainer.tune_batch_size=false.",
                "trainer.tune_batch_size",
            )
        )

    def example(self) -> Any:
        """Give a batch of the source's own making, as training would have it; None if it gives none.

        See `trainer.engine.protocols.GivesExample`.
        """
        make = getattr(self.source, "example_batch", None)
        if make is None or not self.gives_datasets or self._text is not None:
            return None
        batch, finish = make(self.batch_size), self._loaders.finish[True]
        return batch if finish is None else finish(batch, self._seed)

    def check_batch_size(self) -> None:
        """Make sure that the training loader, now made, has the batch size that was set.

        Raises:
            ConfigError: It has another one.
        """
        loader = getattr(self._train, "loader", self._train)
        made = self.geometry().get("batch_size") or getattr(loader, "batch_size", None)
        if made is not None and made != self.batch_size:
            raise ConfigError(
                Problem(
                    f"The loaders of {type(self.source).__name__} have batches of {made}, not of "
                    f"its `batch_size` {self.batch_size}.",
                    "",
                    "Let them use that attribute, or set trainer.tune_batch_size=false.",
                    "trainer.tune_batch_size",
                )
            )

    def seek(self, epoch: int, batches: int, mark: Mapping[str, Any] | None) -> None:
        """Let the next training loader begin in mid-epoch.

        Args:
            epoch: Epoch, from 0.
            batches: Batches of this rank already trained in it.
            mark: What `mark` gave when the checkpoint was made.
        """
        self._start = (epoch, batches, mark)

    def mark(self, batches: int) -> dict[str, Any] | None:
        """Give what `seek` needs besides the numbers, after `batches` of this rank in this epoch."""
        return self._train.mark(batches) if isinstance(self._train, Replayed) else None

    def geometry(self) -> dict[str, int]:
        """Give what the meaning of "n batches into the epoch" depends on."""
        sampler = self._sampler()
        if sampler is None:
            return {}
        return {
            "samples": sampler.size,
            "batch_size": sampler.batch_size,
            "world_size": sampler.world_size,
        }

    def prepare_data(self) -> None:
        """Fetch or make the data, once per machine."""
        if isinstance(self.source, pl.LightningDataModule):
            self.source.trainer = self.trainer
            self.source.prepare_data()
        elif hasattr(self.source, "prepare"):
            self.source.prepare()

    def setup(self, stage: str) -> None:
        """Let a data module of one's own set up."""
        if isinstance(self.source, pl.LightningDataModule):
            self.source.trainer = self.trainer
            self.source.setup(stage)

    def teardown(self, stage: str) -> None:
        """Let a data module of one's own clean up."""
        if isinstance(self.source, pl.LightningDataModule):
            self.source.teardown(stage)

    def train_dataloader(self) -> Any:
        """Make the training loader, at the position last sought."""
        self.build_train()
        self._fresh = False
        epoch, batches, mark = self._start
        self._start = (0, 0, None)  # a loader made anew in a later epoch begins at its start
        if isinstance(self._train, Replayed):
            self._train.seek(epoch, batches, mark)
        elif (sampler := self._sampler()) is not None:
            sampler.seek(epoch, batches)
        return self._train

    def build_train(self) -> None:
        """Make the training loader ahead of time, so that its size can be asked for."""
        if self._fresh:
            return
        self._fresh = True
        if self.gives_datasets:
            loader = self._make(self.source.train_dataset(), "train_dataset")
        else:
            loader = self._loaders.adopt(self.source.train_dataloader(), self._ranks(), train=True)
        self._train = loader
        if self._sampler() is None:
            if self._ranks()["world_size"] > 1:
                rank_zero_warn(
                    "The training loader's order is its own: it has to give each rank its part of "
                    "the data by itself."
                )
            kind = SizedReplayed if has_len(loader) else Replayed
            seed = rng.mix(self._seed, self._ranks()["rank"])
            self._train = kind(loader, seed, self._loaders.finish[True])

    def val_dataloader(self) -> Any:
        """Make the validation loader or loaders; an empty list for none."""
        if not self.gives_datasets:
            if not _overrides(self.source, "val_dataloader"):
                return []
            loaders = self.source.val_dataloader()
            if isinstance(loaders, list | tuple):
                return [self._validating(loader) for loader in loaders]
            return self._validating(loaders)
        dataset = self.source.val_dataset() if hasattr(self.source, "val_dataset") else None
        if dataset is None:
            return []
        return self._loaders.finished(self._make(dataset, "val_dataset"))

    def _validating(self, loader: Any) -> Any:
        return self._loaders.finished(self._loaders.adopt(loader, self._ranks(), train=False))

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Move a batch as the recipe's data module would, or else the model."""
        owner = self._batch_hooks_of("transfer_batch_to_device")
        return owner.transfer_batch_to_device(batch, device, dataloader_idx)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Change a batch on the host as the recipe's data module would, or else the model.

        Raises:
            ConfigError: A loader's worker could not make the batch.
        """
        Refused.check(batch)
        owner = self._batch_hooks_of("on_before_batch_transfer")
        return owner.on_before_batch_transfer(batch, dataloader_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Change a batch on the device as the recipe's data module would, or else the model."""
        owner = self._batch_hooks_of("on_after_batch_transfer")
        return owner.on_after_batch_transfer(batch, dataloader_idx)

    def _batch_hooks_of(self, name: str) -> Any:
        """Give the one whose hook it is, as Lightning would without this class in between."""
        source = self.source
        if isinstance(source, pl.LightningDataModule) and _overrides(source, name):
            return source
        return super() if self.trainer is None else self.trainer.lightning_module

    def state_dict(self) -> dict[str, Any]:
        """Give the state of a data module of one's own, and what goes with the checkpoints."""
        state: dict[str, Any] = {"carried": dict(self.carried)} if self.carried else {}
        if isinstance(self.source, pl.LightningDataModule):
            state["source"] = self.source.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a data module of one's own."""
        if isinstance(self.source, pl.LightningDataModule):
            self.source.load_state_dict(state_dict.get("source", {}))

    def _sampler(self) -> ResumableBatches | None:
        sampler = getattr(self._train, "batch_sampler", None)
        return sampler if isinstance(sampler, ResumableBatches) else None

    def _ranks(self) -> dict[str, int]:
        trainer = self.trainer
        if trainer is None or not self._share:
            return {"rank": 0, "world_size": 1}
        return {"rank": trainer.global_rank, "world_size": trainer.world_size}

    def _make(self, dataset: Any, name: str) -> DataLoader[Any]:
        """Make a loader from the config's `dataloader` section."""
        if not isinstance(dataset, IterableDataset) and len(dataset) == 0:
            raise ConfigError(
                Problem(
                    f"{type(self.source).__name__}.{name}() gives no samples.",
                    "",
                    "Check `data.root`, `data.max_items` and the split.",
                    "data",
                )
            )
        # Asked for only now: a source may settle on it while it prepares.
        collate = self._text or getattr(self.source, "collate", None) or default_collate
        return self._loaders.of(dataset, collate, self._ranks(), train=name == "train_dataset")

    def _text_batches(self, dataloader: Mapping[str, Any]) -> TextBatches:
        name = type(self.source).__name__
        if not self.gives_datasets:
            why = f"{name} makes loaders of its own, which TextDataLoader would have to replace."
            remedy = "Let the data give `train_dataset()`, or set dataloader.type=DataLoader."
        elif getattr(self.source, "collate", None) is not None:
            why = f"{name}.collate() and TextDataLoader would both make the batches."
            remedy = "Leave one of them out."
        else:
            return TextBatches.of(dataloader)
        raise ConfigError(Problem(why, "", remedy, "dataloader.type"))


def _overrides(source: Any, name: str) -> bool:
    base = getattr(pl.LightningDataModule, name)
    return getattr(type(source), name, base) is not base
