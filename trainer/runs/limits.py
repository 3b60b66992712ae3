"""The limits that a supervisor enforces. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass

GRACE_S = 60.0
KILL_S = 10.0


@dataclass(frozen=True)
class Limits:
    """What a run may use.

    Attributes:
        wall_clock_s: Seconds for one attempt, on a clock that does not jump and stands still
            while the machine sleeps; None for no limit.
        grace_s: How long before the limit a stop with checkpoint is asked for, in seconds.
        memory_gb: GiB of resident memory of the whole process tree; None for no limit.
        kill_s: Seconds from TERM to KILL.
    """

    wall_clock_s: float | None = None
    grace_s: float = GRACE_S
    memory_gb: float | None = None
    kill_s: float = KILL_S

    @classmethod
    def of(cls, raw: object) -> Limits:
        """Read the limits that `run.json` records; what makes no sense counts as not given."""
        values = raw if isinstance(raw, dict) else {}
        grace = _amount(values.get("grace_s"), zero=True)
        kill = _amount(values.get("kill_s"), zero=True)
        return cls(
            wall_clock_s=_amount(values.get("wall_clock_s")),
            grace_s=GRACE_S if grace is None else grace,
            memory_gb=_amount(values.get("memory_gb")),
            kill_s=KILL_S if kill is None else kill,
        )

    @property
    def ask_after_s(self) -> float:
        """Seconds after which a stop is asked for; at least half of a short limit is training."""
        if self.wall_clock_s is None:
            return math.inf
        return self.wall_clock_s - min(self.grace_s, self.wall_clock_s / 2)

    @property
    def memory_bytes(self) -> float | None:
        """The memory limit in bytes."""
        return None if self.memory_gb is None else self.memory_gb * 2**30


def _amount(value: object, *, zero: bool = False) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if value > 0 or (zero and value == 0) else None
