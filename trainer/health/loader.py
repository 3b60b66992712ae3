"""Steps that wait for data."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from trainer.health.finding import Finding

if TYPE_CHECKING:
    from trainer.config.schema_health import Health

WAIT, BUSY = "perf/data_wait_sec", "perf/batch_time_sec"
_LEAST_STEPS = 50
# The window holds no more than this many steps; quick ones reach the time later, or never.
_MOST_STEPS = 20_000


class Loader:
    """Measures the share of the time that training waits for batches.

    It keeps nothing in checkpoints: times are those of this process, and a checkpoint holds only
    what the same training would give again.

    Args:
        settings: The `health` section.
    """

    def __init__(self, settings: Health) -> None:
        self._set = settings
        self._times: deque[tuple[float, float]] = deque()
        self._wait = self._total = 0.0

    def look(self, step: int, metrics: Mapping[str, float]) -> Iterator[Finding]:
        """Look at one row."""
        wait, busy = metrics.get(WAIT), metrics.get(BUSY)
        if wait is None or busy is None or not (0.0 <= wait < math.inf and 0.0 <= busy < math.inf):
            return
        times, least = self._times, self._set.loader_seconds
        times.append((wait, wait + busy))
        self._wait += wait
        self._total += wait + busy
        while len(times) > _LEAST_STEPS and (
            self._total - times[0][1] >= least or len(times) > _MOST_STEPS
        ):
            gone, whole = times.popleft()
            self._wait -= gone
            self._total -= whole
        if self._total < least or len(times) < _LEAST_STEPS:
            return
        share = self._wait / self._total
        if share > self._set.loader_share:
            yield Finding(
                "loader_bound",
                True,
                f"{share:.0%} of the time goes into waiting for batches: "
                f"{1000 * self._wait / len(times):.3g} ms for each.",
                "warning",
                {
                    "share": round(share, 4),
                    "threshold": self._set.loader_share,
                    "wait_sec": round(self._wait / len(times), 6),
                    "window_steps": len(times),
                    "window_sec": round(self._total, 3),
                },
            )
        elif share < 0.8 * self._set.loader_share:
            yield Finding("loader_bound", False)
