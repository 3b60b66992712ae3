"""What a module logs through Lightning (`self.log`) reaches the events as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainer.engine.callbacks.recorder import STEP_METRICS

if TYPE_CHECKING:
    import pytorch_lightning as pl

_FORKS = ("_step", "_epoch")


class Forwarder:
    """Finds the metrics that Lightning holds and that are new since the last look.

    Lightning keeps each new value in memory of its own, and gives out views of it. As long as the
    last one is held here its address is not used again, so that the address tells what is new
    without reading any number.
    """

    def __init__(self) -> None:
        self._seen: dict[str, Tensor] = {}

    def new(
        self, metrics: Mapping[str, Any], *, per_step: bool
    ) -> list[tuple[str, Tensor | float]]:
        """Give (name, scalar tensor) of what is new in `metrics`.

        A metric that Lightning holds under two names (`acc` and `acc_step`, or `acc` and
        `acc_epoch`) is given once: as `acc` for steps, as `acc_epoch` for the epoch, so that one
        name never mixes both.

        Args:
            metrics: Lightning's metrics by name.
            per_step: Whether they were logged in a step; False: at an epoch's or validation's end.
        """
        seen = self._seen
        found: list[tuple[str, Tensor | float]] = []
        for name, value in metrics.items():
            if not isinstance(value, Tensor):
                continue
            known = seen.get(name)
            if known is not None and known.data_ptr() == value.data_ptr():
                continue
            seen[name] = value
            if name.endswith(_FORKS) and per_step and metrics.get(name.rpartition("_")[0]) is value:
                continue
            if not per_step and metrics.get(f"{name}_epoch") is value:
                continue
            own = name in STEP_METRICS
            if own and per_step:
                continue
            found.append((f"{name}_epoch" if own else name, value.detach()))
        return found


def held(trainer: pl.Trainer) -> Mapping[str, Any]:
    """Give what Lightning's last update left in its metrics, without computing any anew.

    `trainer.callback_metrics` would go through all of them at every call.
    """
    connector = getattr(trainer, "_logger_connector", None)
    metrics = getattr(connector, "_callback_metrics", None)
    return metrics if isinstance(metrics, Mapping) else trainer.callback_metrics
