"""The training loss: NaN, divergence, and standing still."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trainer.health.finding import Finding
from trainer.health.window import finite, median, number, numbers, spread

if TYPE_CHECKING:
    from trainer.config.schema_health import Health

TRAIN = "train/loss"
RECENT = 20
# Medians are taken once in so many steps.
EVERY = 5
# So many finite losses in succession end an episode of NaN.
_CALM = 20
# The loss over the run, in so many marks at most.
_MARKS = 64
# A loss that has come down to this share of the first has learned what there is.
_LEARNED = 0.1
_ZERO_RATE_STEPS = 100
# Below this share of its scale the loss has hardly moved.
HARDLY = 0.05
# The first loss is one value, and may lie this many spreads off.
_CHANCE = 3.0
# A loss above the first one for so many steps does not come back by itself.
_ABOVE = 100
# So many steps without progress, after a jump, are no slow beginning.
_LOST = 200


class NonFinite:
    """Finds a loss that is NaN or infinite, for each of the losses by its name.

    Args:
        settings: The `health` section.
    """

    def __init__(self, settings: Health) -> None:
        self._least = settings.non_finite_steps
        self._run: dict[str, int] = {}
        self._calm: dict[str, int] = {}

    def look(self, step: int, metrics: Mapping[str, float]) -> Iterator[Finding]:
        """Look at one row."""
        for name in (TRAIN, "val/loss"):
            value = metrics.get(name)
            if value is None:
                continue
            if math.isfinite(value):
                if self._run.pop(name, 0):
                    self._calm[name] = 0
                if name in self._calm:
                    self._calm[name] += 1
                    if self._calm[name] >= (_CALM if name == TRAIN else 1):
                        del self._calm[name]
                        yield Finding("non_finite_loss", False, about=name)
                continue
            if name != TRAIN and self._run.get(TRAIN):
                continue  # it follows from the other
            self._calm.pop(name, None)
            count = self._run[name] = self._run.get(name, 0) + 1
            # One validation is many batches.
            least = self._least if name == TRAIN else 1
            if count >= least:
                times = f" for {count} steps" if count > 1 else ""
                yield Finding(
                    "non_finite_loss",
                    True,
                    f"{name} is {_word(value)}{times}.",
                    "error",
                    {"metric": name, "value": value, "steps": count, "threshold_steps": least},
                    about=name,
                )

    def state(self) -> dict[str, Any]:
        """Give what a resumed run must know."""
        return {"run": dict(self._run), "calm": dict(self._calm)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self._run = {str(k): int(v) for k, v in dict(state.get("run", {})).items()}
        self._calm = {str(k): int(v) for k, v in dict(state.get("calm", {})).items()}


class LossLevel:
    """Follows the loss: where it began, how low it came, and where it stands.

    Attributes:
        first: The first finite loss; None before there is one.
        best: The lowest median of 20 steps so far; None before there is one.
        count: Steps with a finite loss.
    """

    def __init__(self, settings: Health) -> None:
        self._set = settings
        self.first: float | None = None
        self.best: float | None = None
        self.count = 0
        self.recent: deque[float] = deque(maxlen=RECENT)
        self._best_spread = 0.0
        self._best_rate: float | None = None
        self._marks: list[tuple[int, float]] = []
        self._stride = 1
        self._zero_rates = 0
        self._rate: float | None = None
        self._above = 0
        self._peak: float | None = None
        self._spreads: deque[float] = deque(maxlen=_ABOVE // EVERY)

    @property
    def scale(self) -> float:
        """The size that changes of the loss are measured by.

        The first loss, or what was gained since if that is more: losses such as a likelihood's may
        begin near zero and go below it.
        """
        first = self.first or 0.0
        best = first if self.best is None else self.best
        return max(abs(first), first - best, 1e-12)

    @property
    def progress(self) -> float:
        """How far the loss has come down beyond chance, as a share of its scale."""
        if self.first is None or self.best is None:
            return 0.0
        return (self.first - self.best - _CHANCE * self._best_spread) / self.scale

    def look(self, step: int, metrics: Mapping[str, float]) -> Iterator[Finding]:
        """Look at one row."""
        rate = metrics.get("lr")
        if rate is not None:
            self._rate = rate
            self._zero_rates = self._zero_rates + 1 if rate == 0.0 else 0
        value = metrics.get(TRAIN)
        if value is None or not math.isfinite(value):
            return
        if self.first is None:
            self.first = value
        self.recent.append(value)
        self.count += 1
        if self.count % EVERY or len(self.recent) < RECENT:
            return
        ordered = sorted(self.recent)
        middle = median(ordered)
        yield from self._divergence(ordered, middle)
        if self.best is None or middle < self.best:
            self.best = middle
            self._best_spread = spread(ordered, middle)
            self._best_rate = self._rate
        self._mark()
        yield from self._plateau()

    def _divergence(self, ordered: list[float], middle: float) -> Iterator[Finding]:
        first, scale = self.first, self.scale
        assert first is not None
        jump = self._set.divergence_jump * first
        # The first loss is one value: where losses scatter by as much as they are, it says nothing.
        if 0.0 < jump < ordered[RECENT // 4] and spread(ordered, middle) < middle:
            yield Finding(
                "divergence",
                True,
                f"The loss has gone up from {number(first)} at the start to {number(middle)}.",
                "error",
                {
                    "loss": middle,
                    "first": first,
                    "threshold": jump,
                    "window_steps": RECENT,
                },
            )
            return
        worse = self._worse_than_first(first, ordered, middle)
        if worse is not None:
            yield worse
            return
        if self.best is None:
            return
        share = self._set.divergence_rise
        if self._rate is not None and self._best_rate is not None:
            # A warmup and a restart of the schedule may undo some of what was gained.
            share *= 2.0 if self._rate > 1.5 * self._best_rate else 1.0
        allowed = max(share * scale, self._set.divergence_spread * self._best_spread)
        if middle > self.best + allowed:
            yield Finding(
                "divergence",
                True,
                f"The loss has gone up from {number(self.best)} at its best to {number(middle)}.",
                "error",
                {
                    "loss": middle,
                    "best": self.best,
                    "first": first,
                    "threshold": self.best + allowed,
                    "window_steps": RECENT,
                },
            )
        elif middle < self.best + allowed / 2:
            yield Finding("divergence", False)

    def _worse_than_first(
        self, first: float, ordered: list[float], middle: float
    ) -> Finding | None:
        """Find a loss that went up at once, so that no good value tells of it, and stays up.

        Either far above the first value, or, for twice as long, about where it began.
        """
        # The spread of 20 values is itself one of chance: that of the last hundred is steadier.
        self._spreads.append(spread(ordered, middle))
        rise, chance = self._set.divergence_rise * self.scale, _CHANCE * median(self._spreads)
        if ordered[RECENT // 4] > first:
            self._peak = middle if self._peak is None else max(self._peak, middle)
        self._above = self._above + EVERY if middle > first + max(rise, chance) else 0
        if self._above >= _ABOVE:
            return Finding(
                "divergence",
                True,
                f"The loss has been above its first value, {number(first)}, for "
                f"{self._above} steps: it is {number(middle)}.",
                "error",
                {
                    "loss": middle,
                    "first": first,
                    "threshold": first + max(rise, chance),
                    "window_steps": self._above,
                },
            )
        lowest = middle if self.best is None else min(self.best, middle)
        jumped = self._peak is not None and self._peak > first + max(rise / 2, chance)
        # As it is, without what chance may do: the message says how low it came.
        still = first - lowest < 2 * HARDLY * self.scale
        if jumped and still and self.count >= _LOST:
            return Finding(
                "divergence",
                True,
                f"The loss went up from {number(first)} at the start, and in {self.count} steps it "
                f"has come no lower than {number(lowest)}.",
                "warning",
                {
                    "loss": middle,
                    "first": first,
                    "lowest": lowest,
                    "peak": self._peak,
                    "threshold": first + max(rise / 2, chance),
                    "window_steps": self.count,
                },
            )
        return None

    def _mark(self) -> None:
        assert self.best is not None
        if (self.count // EVERY) % self._stride:
            return
        self._marks.append((self.count, self.best))
        if len(self._marks) >= _MARKS:
            self._marks = self._marks[1::2]
            self._stride *= 2

    def _plateau(self) -> Iterator[Finding]:
        best, first = self.best, self.first
        assert best is not None
        assert first is not None
        if self._zero_rates >= _ZERO_RATE_STEPS:
            yield Finding(
                "plateau",
                True,
                f"The learning rate has been 0 for {self._zero_rates} steps: nothing is learned.",
                "warning",
                {"lr": 0.0, "steps": self._zero_rates, "threshold_steps": _ZERO_RATE_STEPS},
            )
            return
        idle = max(self._set.plateau_steps, int(self._set.plateau_share * self.count))
        before = next((b for n, b in reversed(self._marks) if n <= self.count - idle), None)
        if before is None:
            return
        gained, wanted = before - best, self._set.plateau_gain * self.scale
        if gained >= wanted:
            yield Finding("plateau", False)
        elif not (first > 0.0 and best < _LEARNED * first):
            never = self.progress < HARDLY
            how = "has hardly moved since the start" if never else "has not improved"
            yield Finding(
                "plateau",
                True,
                f"The loss {how} for {idle} steps: it is {number(best)} at best.",
                "warning" if never else "info",
                {
                    "best": best,
                    "first": first,
                    "gain": gained,
                    "threshold": wanted,
                    "window_steps": idle,
                },
            )

    def state(self) -> dict[str, Any]:
        """Give what a resumed run must know."""
        return {
            "first": self.first,
            "best": self.best,
            "count": self.count,
            "recent": list(self.recent),
            "best_spread": self._best_spread,
            "best_rate": self._best_rate,
            "marks": [list(mark) for mark in self._marks],
            "stride": self._stride,
            "zero_rates": self._zero_rates,
            "above": self._above,
            "peak": self._peak,
            "spreads": list(self._spreads),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        first, best, rate = state.get("first"), state.get("best"), state.get("best_rate")
        self.first = float(first) if first is not None and finite(first) else None
        self.best = float(best) if best is not None and finite(best) else None
        self.count = int(state.get("count", 0))
        self.recent = deque(numbers(state.get("recent"), RECENT), maxlen=RECENT)
        self._best_spread = float(state.get("best_spread", 0.0))
        self._best_rate = float(rate) if rate is not None else None
        self._marks = [(int(n), float(b)) for n, b in state.get("marks", ())]
        self._stride = max(1, int(state.get("stride", 1)))
        self._zero_rates = int(state.get("zero_rates", 0))
        peak = state.get("peak")
        self._above = int(state.get("above", 0))
        self._spreads = deque(numbers(state.get("spreads"), _ABOVE // EVERY), self._spreads.maxlen)
        self._peak = float(peak) if peak is not None and finite(peak) else None


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "infinite" if value > 0 else "minus infinite"
