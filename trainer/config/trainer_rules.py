"""What is wrong, or without effect, in the keys of `trainer` taken together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainer.config.torch_rules import is_number, origin, text_of
from trainer.errors import Problem


def trainer_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what the training process would refuse."""
    trainer = config.get("trainer")
    if not isinstance(trainer, Mapping):
        return
    if trainer.get("tune_batch_size") is True:
        for name, value in (
            ("devices", _devices(trainer.get("devices"))),
            ("num_nodes", trainer.get("num_nodes")),
        ):
            if isinstance(value, int) and not isinstance(value, bool) and value > 1:
                yield Problem(
                    "'trainer.tune_batch_size' finds a batch size for one device, and "
                    f"'trainer.{name}' is {text_of(trainer[name])}.",
                    origin("trainer.tune_batch_size", where),
                    "Find it with trainer.devices=1, then write dataloader.batch_size.",
                    "trainer.tune_batch_size",
                )
    batches = trainer.get("limit_train_batches")
    # Either of the others takes its place.
    others = trainer.get("fast_dev_run") or trainer.get("overfit_batches")
    if is_number(batches) and batches == 0 and not others:
        yield Problem(
            "'trainer.limit_train_batches' is 0, which leaves nothing to train on.",
            origin("trainer.limit_train_batches", where),
            "Give a count of batches, a share of them all, or null for all of them.",
            "trainer.limit_train_batches",
        )
    compiling = trainer.get("compile")
    if isinstance(compiling, Mapping) and compiling.get("mode") and compiling.get("options"):
        yield Problem(
            "'trainer.compile' has both a 'mode' and 'options', and torch.compile takes one of them.",
            origin("trainer.compile", where),
            "A mode is a set of options: leave one out.",
            "trainer.compile",
        )


def trainer_notes(config: Mapping[str, Any]) -> Iterator[str]:
    """Tell of keys that are set and do nothing beside the others."""
    trainer = config.get("trainer")
    if not isinstance(trainer, Mapping):
        return
    if trainer.get("tune_batch_size") is True and trainer.get("fast_dev_run"):
        yield "trainer.tune_batch_size: nothing is searched for while trainer.fast_dev_run is set"
    for unit in ("steps", "epochs"):
        least, most = trainer.get(f"min_{unit}"), trainer.get(f"max_{unit}")
        if isinstance(least, int) and isinstance(most, int) and 0 <= most < least:
            yield f"training ends at trainer.max_{unit}={most}, before trainer.min_{unit}={least}"
    if trainer.get("barebones") is True:
        yield "trainer.barebones: no checkpoints, no loggers, and nothing that `self.log` gives"


def _devices(value: Any) -> Any:
    """Give the count of devices as far as it is known."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, str):
        names = [name for name in value.split(",") if name.strip()]
        if len(names) > 1:
            return len(names)
        return int(value) if value.isdigit() else value
    return value
