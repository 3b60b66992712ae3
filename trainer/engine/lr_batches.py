"""How many batches an epoch has: the config's data, built to be counted."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from lightning_fabric.utilities.data import has_len

from trainer.config.schema import Config
from trainer.engine.build import data_of, quiet
from trainer.errors import ConfigError, Problem


def batches_of_epoch(config: Mapping[str, Any]) -> int:
    """Count the batches that each device trains on in an epoch, within `limit_train_batches`.

    Data are prepared and set up as for a training; no batch is loaded.

    Args:
        config: The composed config.

    Raises:
        ConfigError: The data cannot be built, or nobody knows their length.
    """
    quiet()
    resolved = Config.model_validate(config)
    whole = resolved.model_dump()
    whole["data"] = resolved.model_dump(exclude_unset=True).get("data", {})
    data = data_of(whole)
    section = whole["trainer"]
    data.trainer = SimpleNamespace(global_rank=0, world_size=_devices(section))  # type: ignore[assignment]
    data.prepare_data()
    data.setup("fit")
    loader = data.train_dataloader()
    if not has_len(loader):
        raise ConfigError(
            Problem(
                "The data do not say how many batches they have.",
                "",
                "Set trainer.max_steps, or give the batches of an epoch.",
                "data",
            )
        )
    count = len(loader)
    if not count:
        raise ConfigError(
            Problem(
                "The data have no whole batch to train on.",
                "",
                "Set a smaller dataloader.batch_size, or dataloader.drop_last=false.",
                "data",
            )
        )
    limit = section.get("overfit_batches") or section.get("limit_train_batches")
    if limit is None:
        return count
    return min(count, limit) if isinstance(limit, int) else int(count * limit)


def _devices(section: Mapping[str, Any]) -> int:
    """Give how many processes share the data."""
    written = section.get("devices", "auto")
    nodes = int(section.get("num_nodes") or 1)
    if isinstance(written, list):
        return max(1, len(written)) * nodes
    if str(written) in ("auto", "-1"):
        found = torch.cuda.device_count() if section.get("accelerator") != "cpu" else 1
        return max(1, found) * nodes
    return int(written) * nodes if str(written).isdecimal() else nodes
