"""The gradient norm: not a number, exploding, vanishing, or clipped nearly always."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trainer.health.finding import Finding
from trainer.health.loss import HARDLY
from trainer.health.window import finite, median, number, numbers, spread

if TYPE_CHECKING:
    from trainer.config.schema_health import Health

NORM = "grad_norm"
#: The weakest layer's gradient norm over the strongest's, now and then.
RATIO = "grad_norm_ratio"
#: Steps whose median is one value here.
BLOCK = 10
# Blocks that tell what is usual, and how many there must be.
_USUAL, _LEAST = 20, 3
# Blocks of an explosion after which what it brought counts as usual.
_GETS_USED = 50
# Values of the ratio that must agree.
_RATIOS = 8
_TINY = 1e-45


class Gradients:
    """Follows the gradient norm, as logarithms of medians of ten steps.

    Args:
        settings: The `health` section.
        clip: The norm that gradients are clipped to; None if they are not.
    """

    def __init__(self, settings: Health, clip: float | None = None) -> None:
        self._set = settings
        self.clip = clip
        self._block: list[float] = []
        self._usual: deque[float] = deque(maxlen=_USUAL)
        self._start: float | None = None
        self._broken = 0
        self._exploding = 0
        self._weak_blocks = 0
        self._clipped_blocks = 0
        self._ratios: deque[float] = deque(maxlen=_RATIOS)

    def look(self, step: int, metrics: Mapping[str, float], progress: float) -> Iterator[Finding]:
        """Look at one row.

        Args:
            step: Its step.
            metrics: Its metrics.
            progress: How far the loss has come down, as a share of its scale.
        """
        ratio = metrics.get(RATIO)
        if ratio is not None:
            yield from self._layers(ratio, progress)
        norm = metrics.get(NORM)
        if norm is None:
            return
        if not math.isfinite(norm):
            self._broken += 1
            if self._broken >= self._set.non_finite_gradient_steps:
                yield Finding(
                    "non_finite_gradients",
                    True,
                    f"The gradient norm has been {number(norm)} for {self._broken} steps.",
                    "error",
                    {
                        "grad_norm": norm,
                        "steps": self._broken,
                        "threshold_steps": self._set.non_finite_gradient_steps,
                    },
                )
            return
        if self._broken:
            self._broken = 0
            yield Finding("non_finite_gradients", False)
        self._block.append(math.log(max(norm, _TINY)))
        if len(self._block) < BLOCK:
            return
        level, self._block = median(self._block), []
        if self._start is None:
            self._start = level
        yield from self._explosion(level)
        yield from self._vanishing(level, progress)
        yield from self._clipping(level)

    def _explosion(self, level: float) -> Iterator[Finding]:
        limit = math.log(self._set.gradient_limit)
        usual = threshold = limit
        if len(self._usual) >= _LEAST:
            usual = median(self._usual)
            around = self._set.gradient_spread * spread(list(self._usual), usual)
            # What is no more than at the start is nothing to worry about: a model that has
            # learned all there is has next to no gradient until something new comes along.
            assert self._start is not None
            jump = math.log(self._set.gradient_jump)
            threshold = min(limit, max(usual + max(jump, around), self._start))
        if level > threshold:
            self._exploding += 1
            told = f", {number(math.exp(usual))} before" if usual < limit else ""
            yield Finding(
                "exploding_gradients",
                True,
                f"The gradient norm is {_exp(level)}{told}.",
                "error",
                {
                    "grad_norm": _safe_exp(level),
                    "usual": _safe_exp(usual),
                    "threshold": _safe_exp(threshold),
                    "window_steps": BLOCK,
                },
            )
            if self._exploding < _GETS_USED:
                return
        else:
            self._exploding = 0
            yield Finding("exploding_gradients", False)
        self._usual.append(level)

    def _vanishing(self, level: float, progress: float) -> Iterator[Finding]:
        assert self._start is not None
        share = self._set.vanishing_share
        weak = level < min(self._start + math.log(share), math.log(share)) or level <= math.log(
            _TINY
        )
        self._weak_blocks = self._weak_blocks + 1 if weak else 0
        steps = self._weak_blocks * BLOCK
        if steps >= self._set.vanishing_steps and progress < HARDLY:
            yield Finding(
                "vanishing_gradients",
                True,
                f"The gradient norm has been {_exp(level)} or so for {steps} steps, and the loss "
                "has hardly moved.",
                "warning",
                {
                    "grad_norm": _safe_exp(level),
                    "start": _safe_exp(self._start),
                    "threshold": _safe_exp(self._start) * share,
                    "window_steps": steps,
                },
                about="norm",
            )
        elif not weak:
            yield Finding("vanishing_gradients", False, about="norm")

    def _layers(self, ratio: float, progress: float) -> Iterator[Finding]:
        if not math.isfinite(ratio):
            return
        self._ratios.append(ratio)
        if len(self._ratios) < _RATIOS:
            return
        most, share = max(self._ratios), self._set.vanishing_share
        if most < share and progress < HARDLY:
            yield Finding(
                "vanishing_gradients",
                True,
                f"The weakest layer's gradient is {number(most)} of the strongest's or less, and "
                "the loss has hardly moved.",
                "warning",
                {"ratio": most, "threshold": share, "samples": _RATIOS},
                about="layers",
            )
        elif most >= share:
            yield Finding("vanishing_gradients", False, about="layers")

    def _clipping(self, level: float) -> Iterator[Finding]:
        if not self.clip or self.clip <= 0.0:
            return
        threshold = self.clip * self._set.clipping_times
        over = level > math.log(threshold)
        self._clipped_blocks = self._clipped_blocks + 1 if over else 0
        steps = self._clipped_blocks * BLOCK
        if steps >= self._set.clipping_steps:
            yield Finding(
                "heavy_clipping",
                True,
                f"Gradients have been clipped heavily for {steps} steps: their norm is "
                f"{_exp(level)}, and trainer.gradient_clip_val {number(self.clip)}.",
                "info",
                {
                    "grad_norm": _safe_exp(level),
                    "clip": self.clip,
                    "threshold": threshold,
                    "window_steps": steps,
                },
            )
        elif not over:
            yield Finding("heavy_clipping", False)

    def state(self) -> dict[str, Any]:
        """Give what a resumed run must know."""
        return {
            "block": list(self._block),
            "usual": list(self._usual),
            "start": self._start,
            "broken": self._broken,
            "exploding": self._exploding,
            "weak_blocks": self._weak_blocks,
            "clipped_blocks": self._clipped_blocks,
            "ratios": list(self._ratios),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        start = state.get("start")
        self._block = numbers(state.get("block"), BLOCK - 1)
        self._usual = deque(numbers(state.get("usual"), _USUAL), maxlen=_USUAL)
        self._start = float(start) if start is not None and finite(start) else None
        self._broken = int(state.get("broken", 0))
        self._exploding = int(state.get("exploding", 0))
        self._weak_blocks = int(state.get("weak_blocks", 0))
        self._clipped_blocks = int(state.get("clipped_blocks", 0))
        self._ratios = deque(numbers(state.get("ratios"), _RATIOS), maxlen=_RATIOS)


def _safe_exp(level: float) -> float:
    return math.exp(min(level, 709.0))


def _exp(level: float) -> str:
    return "0" if level <= math.log(_TINY) else number(_safe_exp(level))
