"""The thread that notices when training stands still."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainer.health.stall import StallClock

if TYPE_CHECKING:
    from trainer.config.schema_health import Health
    from trainer.health.finding import Finding

#: When the last sign of life was (`time.perf_counter()`), the last step, what is being done.
Signs = Callable[[], tuple[float, int, str]]

_INTERVAL = 1.0


class HealthClock:
    """Looks once a second whether training has given a sign of life.

    A step that holds Python's global lock all the time stops this thread too; limits.wall_clock
    ends such a run.

    Args:
        settings: The `health` section.
        signs: Gives the signs of life; called from the thread.
        found: Takes each finding with the last step, in the thread.
    """

    def __init__(
        self, settings: Health, signs: Signs, found: Callable[[Finding, int], None]
    ) -> None:
        self._stall = StallClock(settings)
        self._signs = signs
        self._found = found
        # A short limit, as in tests, wants a closer look.
        self._interval = min(_INTERVAL, settings.stall_seconds / 4)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="traindeck-health", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5.0)

    def _loop(self) -> None:
        while not self._over.wait(self._interval):
            sign, step, what = self._signs()
            for finding in self._stall.look(time.perf_counter(), sign, step, what):
                self._found(finding, step)
