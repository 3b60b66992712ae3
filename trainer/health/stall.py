"""Training that stands still: no number comes, so a clock of its own must notice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainer.health.finding import Finding
from trainer.health.window import median

if TYPE_CHECKING:
    from trainer.config.schema_health import Health

_GAPS = 64
# The first steps load, allocate and compile.
_FIRST = 5
# The longest pause so far may come again, and somewhat longer.
_LONGEST_TIMES = 3.0
# A look that comes so late is one of a process that did not run itself.
_MOST_TICK = 5.0


class StallClock:
    """Tells from looks in regular intervals whether training stands still.

    A stall is a time without any sign of life longer than all of `stall_seconds`, `stall_times` the
    usual time of a step, and three times the longest pause so far. Signs of life are batches of
    training and validation, and the begin and end of epochs, validations and checkpoints.

    Time counts only as far as these looks are regular: a process that was stopped, or a machine
    that slept, has not stalled.

    Args:
        settings: The `health` section.
    """

    def __init__(self, settings: Health) -> None:
        self._set = settings
        self._gaps: deque[float] = deque(maxlen=_GAPS)
        self._longest = 0.0
        self._steps = 0
        self._sign: float | None = None
        self._step: int | None = None
        self._still = 0.0
        self._looked: float | None = None
        self._stalled = False

    @property
    def threshold(self) -> float:
        """Seconds without a sign of life that are a stall by now."""
        if self._steps < _FIRST:
            return max(self._set.stall_first_seconds, self._set.stall_seconds)
        usual = median(self._gaps) if self._gaps else 0.0
        return max(
            self._set.stall_seconds,
            self._set.stall_times * usual,
            _LONGEST_TIMES * self._longest,
        )

    def look(self, now: float, sign: float, step: int, what: str) -> Iterator[Finding]:
        """Look at the clock.

        Args:
            now: Seconds, on any clock that does not jump.
            sign: When the last sign of life was, on the same clock.
            step: The last step done.
            what: What training was at, for the message.
        """
        passed = 0.0 if self._looked is None else min(max(now - self._looked, 0.0), _MOST_TICK)
        self._looked = now
        if sign != self._sign or self._step is None:
            if self._sign is not None and self._step is not None:
                # Time in which the process did not run is in the one and not in the other.
                self._went_on(min(sign - self._sign, self._still + passed), step - self._step)
            self._sign, self._step, self._still = sign, step, 0.0
            if self._stalled:
                self._stalled = False
                yield Finding("stall", False)
            return
        self._still += passed
        threshold = self.threshold
        if self._still > threshold:
            self._stalled = True
            usual = median(self._gaps) if self._gaps else 0.0
            yield Finding(
                "stall",
                True,
                f"No sign of life for {self._still:.0f} s, in {what}.",
                "warning",
                {
                    "seconds": round(self._still, 1),
                    "threshold": round(threshold, 1),
                    "usual_step_sec": round(usual, 6),
                    "longest_pause_sec": round(self._longest, 3),
                    "during": what,
                },
            )

    def _went_on(self, passed: float, steps: int) -> None:
        """Learn from what passed between two looks with a new sign of life in the second."""
        passed = max(passed, 0.0)
        first = self._steps < _FIRST
        if steps > 0:
            self._gaps.append(passed / steps)
            self._steps += steps
        # A stall does not make the next one usual, and steps between looks are no pause.
        if not self._stalled and not first and steps <= 1:
            self._longest = max(self._longest, passed)
