"""The LightningModule that a recipe's model and loss plug into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from trainer.engine.optim import make_optimizer
from trainer.engine.schedule import make_scheduler, training_length


class TrainModule(pl.LightningModule):
    """Trains `model` on `loss` with the optimiser and scheduler that the config names.

    A recipe gives two things:

    * `model`: any `nn.Module`.
    * `loss`: a callable `loss(model, batch) -> (loss, metrics)`, where `loss` is a scalar tensor to
      be minimised and `metrics` maps names to scalar tensors (bare names: `bits_per_byte`, not
      `val/bits_per_byte`).

    In every step the values stay tensors on their device; nothing here waits for a GPU. A training
    step returns `{"loss": tensor, "metrics": {"train/<name>": detached tensor, ...}}`, which
    callbacks receive as `outputs` of `on_train_batch_end`. What Lightning's own callbacks may
    monitor is logged once an epoch: `val/loss`, `val/<name>`, `train/loss_epoch`,
    `train/<name>_epoch`, each the mean over samples of all ranks. A loss whose `finishers` map a
    metric's name to a function gets that function's value of the mean in validation.

    Whatever part of model or loss has a method `see_data(data)` is shown the recipe's data before
    training begins (`trainer.engine.protocols.SeesData`).

    Args:
        model: The network.
        loss: The recipe's loss.
        optimizer: The config's `optimizer` section.
        scheduler: The config's `scheduler` section.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Any,
        *,
        optimizer: Mapping[str, Any],
        scheduler: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self._optimizer = dict(optimizer)
        self._scheduler = dict(scheduler)
        self._train_means = Means("train/", "_epoch")
        self._val_means = Means("val/", "")

    def setup(self, stage: str) -> None:
        """Show the recipe's data, which is prepared by now, to whoever asks to see it."""
        source = getattr(getattr(self.trainer, "datamodule", None), "source", None)
        if source is not None:
            show_data(self, source)

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """Compute the loss of one batch; see the class for what it returns."""
        loss, metrics = self.loss(self.model, batch)
        shown = {"loss": loss, **metrics}
        self._train_means.add(shown, batch_size(batch))
        return {
            "loss": loss,
            "metrics": {f"train/{name}": value.detach() for name, value in shown.items()},
        }

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means, once."""
        self._log_means(self._train_means)

    def on_validation_epoch_start(self) -> None:
        """Forget what an earlier, perhaps unfinished, validation has summed."""
        self._val_means.clear()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add one batch to the validation means."""
        loss, metrics = self.loss(self.model, batch)
        self._val_means.add({"loss": loss, **metrics}, batch_size(batch))

    def on_validation_epoch_end(self) -> None:
        """Log `val/...`, once per validation, for everything that may monitor it."""
        finishers = getattr(self.loss, "finishers", {})
        self._log_means(self._val_means, {f"val/{name}": f for name, f in finishers.items()})

    def configure_optimizers(self) -> Any:
        """Make the optimiser and, if there is one, the scheduler that the config describes."""
        optimizer = make_optimizer(self, self._optimizer)
        scheduler = make_scheduler(
            optimizer, self._scheduler, lambda interval: training_length(self.trainer, interval)
        )
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the running means, so that an epoch resumed in its middle has the same mean."""
        checkpoint["train_means"] = self._train_means.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the running means up again."""
        self._train_means.load(checkpoint.get("train_means", {}))

    def _log_means(
        self, means: Means, finishers: Mapping[str, Callable[[Tensor], Tensor]] | None = None
    ) -> None:
        strategy = self.trainer.strategy
        for name, (total, count) in means.sums(self.device).items():
            pair = torch.stack((total, count.expand_as(total)))
            if self.trainer.world_size > 1:
                pair = strategy.reduce(pair, reduce_op="sum")
            mean = pair[0] / pair[1]
            finish = (finishers or {}).get(name)
            value = (finish(mean) if finish else mean).float()
            # It is the same on every rank; said so, or Lightning would warn that it is not.
            self.log(name, value, batch_size=1, sync_dist=self.trainer.world_size > 1)
        means.clear()


def show_data(module: nn.Module, source: Any) -> None:
    """Show prepared data to every part of a module that has a method `see_data`.

    Args:
        module: Model and loss.
        source: The recipe's data.
    """
    for part in module.modules():
        # Asked of the class: a compiled module answers for the one inside it as well.
        if hasattr(type(part), "see_data"):
            part.see_data(source)  # type: ignore[operator]


class Means:
    """Sample-weighted means of scalar tensors, summed on their device without waiting for it."""

    def __init__(self, prefix: str, suffix: str) -> None:
        self._prefix = prefix
        self._suffix = suffix
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor], samples: int) -> None:
        """Add one batch's values (scalars), each counting for `samples`."""
        for name, value in values.items():
            weighted = value.detach().to(accumulator_dtype(value.device)) * samples
            known = self._sums.get(name)
            if known is not None:
                weighted += known.to(weighted.dtype).to(weighted.device)
            self._sums[name] = weighted
            self._counts[name] = self._counts.get(name, 0) + samples

    def sums(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        """Give, by full metric name, the weighted sum and the weight as tensors on `device`."""
        return {
            f"{self._prefix}{name}{self._suffix}": (
                total.to(accumulator_dtype(device)).to(device),
                torch.tensor(self._counts[name], dtype=accumulator_dtype(device), device=device),
            )
            for name, total in self._sums.items()
        }

    def clear(self) -> None:
        """Begin anew."""
        self._sums.clear()
        self._counts.clear()

    def state(self) -> dict[str, Any]:
        """Give the sums for a checkpoint."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's sums, whatever device they were made on."""
        # They come on the host, as doubles if a CPU or CUDA made them.
        self._sums = dict(state.get("sums", {}))
        self._counts = dict(state.get("counts", {}))


def accumulator_dtype(device: torch.device) -> torch.dtype:
    """Give the type to sum in: doubles keep a long epoch's mean exact; Apple's GPUs have none."""
    return torch.float32 if device.type == "mps" else torch.float64


def batch_size(batch: Any) -> int:
    """Give the number of samples in a batch: the first dimension of its first tensor, else 1."""
    if isinstance(batch, Tensor):
        return int(batch.shape[0]) if batch.ndim else 1
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, list | tuple):
        for item in batch:
            if isinstance(item, Tensor | Mapping | list | tuple):
                return batch_size(item)
    return 1
