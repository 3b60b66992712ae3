"""Time as a parameter: the screens ask a clock, and tests bring their own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What tells the screens the time."""

    def now(self) -> float:
        """Give unix seconds."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Give unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()
