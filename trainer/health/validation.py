"""Validation beside training: far worse from the start, or worse and worse."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trainer.health.finding import Finding
from trainer.health.loss import TRAIN, LossLevel
from trainer.health.window import finite, median, number, numbers, spread

if TYPE_CHECKING:
    from trainer.config.schema_health import Health

VALIDATION = "val/loss"
_STEPS = 100
# Fewer training losses than this say little; batch norm's averages are not there yet either.
_LEAST_STEPS = 50
_SPREADS = 6.0


class Validation:
    """Compares each validation with the training losses before it.

    Args:
        settings: The `health` section.
        level: Where the training loss began and how low it came.
    """

    def __init__(self, settings: Health, level: LossLevel) -> None:
        self._set = settings
        self._level = level
        self._train: deque[float] = deque(maxlen=_STEPS)
        self._best: float | None = None
        self._train_at_best = math.inf
        self._apart = 0
        self._rising = 0

    def look(self, step: int, metrics: Mapping[str, float]) -> Iterator[Finding]:
        """Look at one row."""
        train = metrics.get(TRAIN)
        if train is not None and math.isfinite(train):
            self._train.append(train)
        value = metrics.get(VALIDATION)
        if value is None or not math.isfinite(value) or len(self._train) < _LEAST_STEPS:
            return
        usual = median(self._train)
        scale = self._level.scale
        noise = _SPREADS * spread(list(self._train), usual)
        yield from self._gap(value, usual, max(self._set.validation_gap * scale, noise))
        if self._best is None or value < self._best:
            self._best, self._train_at_best = value, usual
        yield from self._rise(value, usual, max(self._set.overfitting_rise * scale, noise))

    def _gap(self, value: float, usual: float, allowed: float) -> Iterator[Finding]:
        apart = value - usual > allowed
        self._apart = self._apart + 1 if apart else 0
        if self._apart >= self._set.validations:
            yield Finding(
                "validation_gap",
                True,
                f"val/loss is {number(value)} and train/loss {number(usual)}, for "
                f"{self._apart} validations.",
                "warning",
                {
                    "val_loss": value,
                    "train_loss": usual,
                    "threshold": allowed,
                    "validations": self._apart,
                    "window_steps": len(self._train),
                },
            )
        elif not apart:
            yield Finding("validation_gap", False)

    def _rise(self, value: float, usual: float, allowed: float) -> Iterator[Finding]:
        assert self._best is not None
        # Where the training loss rises as well, it is no overfitting.
        rising = value - self._best > allowed and usual < self._train_at_best
        self._rising = self._rising + 1 if rising else 0
        if self._rising >= self._set.validations:
            yield Finding(
                "overfitting",
                True,
                f"val/loss has gone up from {number(self._best)} at its best to {number(value)}, "
                "while train/loss goes down.",
                "warning",
                {
                    "val_loss": value,
                    "best": self._best,
                    "train_loss": usual,
                    "threshold": self._best + allowed,
                    "validations": self._rising,
                },
            )
        elif not rising:
            yield Finding("overfitting", False)

    def state(self) -> dict[str, Any]:
        """Give what a resumed run must know."""
        return {
            "train": list(self._train),
            "best": self._best,
            "train_at_best": self._train_at_best,
            "apart": self._apart,
            "rising": self._rising,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        best = state.get("best")
        self._train = deque(numbers(state.get("train"), _STEPS), maxlen=_STEPS)
        self._best = float(best) if best is not None and finite(best) else None
        self._train_at_best = float(state.get("train_at_best", math.inf))
        self._apart = int(state.get("apart", 0))
        self._rising = int(state.get("rising", 0))
