"""Making a training process end: by asking, by TERM, by KILL, each in its time.

Standard library only.
"""

from __future__ import annotations

import math
import os
import signal
import time

from trainer.runs import control, ending, proc
from trainer.runs.layout import RunFolder
from trainer.runs.limits import Limits

KILL_PATIENCE = 5.0
_MEMORY_EVERY = 1.0
_MEMORY_GRACE = 30.0


class Enforcer:
    """Holds one training process to its limits.

    Args:
        run: The run folder.
        limits: What the run may use.
        pid: The training process, the leader of its own group.

    Attributes:
        cause: Why the process is made to end, as in `trainer.runs.ending`; empty if it is not.
        why: The cause in words.
    """

    def __init__(self, run: RunFolder, limits: Limits, pid: int) -> None:
        self.cause = self.why = ""
        self._run = run
        self._limits = limits
        self._pid = pid
        self._began = time.monotonic()
        self._asked = False
        self._term_at = self._kill_at = math.inf
        self._memory_at = 0.0

    @property
    def due(self) -> float:
        """When the next signal is due, on the monotonic clock."""
        return min(self._term_at, self._kill_at)

    def stop(self, why: str) -> None:
        """Stop by TERM, now; the process may take its time for a checkpoint."""
        self._because(ending.STOP, why)
        self._term_at = time.monotonic()

    def insist(self) -> None:
        """Kill soon, since the one who wants the stop has asked twice."""
        self._kill_at = min(self._kill_at, time.monotonic() + self._limits.kill_s)

    def kill(self, why: str) -> None:
        """End it now: TERM, and KILL a few seconds later."""
        self._because(ending.KILL, why)
        self._term_at = time.monotonic()
        self._kill_at = min(self._kill_at, self._term_at + KILL_PATIENCE)

    def tick(self, *, listens: bool) -> None:
        """Look at the limits and send what is due.

        Args:
            listens: Whether the process reads requests; if not, TERM has to ask.
        """
        self._mind_wall_clock(listens)
        self._mind_memory(listens)
        self._end_by_force()

    def _mind_wall_clock(self, listens: bool) -> None:
        """Ask for a stop in time, then insist; a step that hangs ends too."""
        limits, ran = self._limits, time.monotonic() - self._began
        if limits.wall_clock_s is None or ran < limits.ask_after_s:
            return
        if self.cause in ("", ending.STOP) and not self._asked:
            self._because(ending.TIMEOUT, f"wall clock limit of {_duration(limits.wall_clock_s)}")
            self._ask_to_stop("timeout", time.monotonic() + limits.wall_clock_s - ran, listens)

    def _mind_memory(self, listens: bool) -> None:
        """Poll the memory of the process tree against the limit."""
        now = time.monotonic()
        limit = self._limits.memory_bytes
        if limit is None or self._asked or now < self._memory_at:
            return
        self._memory_at = now + _MEMORY_EVERY
        used = proc.memory_bytes(self._pid, above=limit)
        if used > limit:
            self._because(ending.MEMORY, _too_much(used, limit))
            self._ask_to_stop("memory", now + min(self._limits.grace_s, _MEMORY_GRACE), listens)

    def _ask_to_stop(self, reason: str, term_at: float, listens: bool) -> None:
        """Ask for a checkpoint and a stop, and set the time when asking is over."""
        self._asked = True
        self._term_at = term_at if listens else time.monotonic()
        self._kill_at = min(self._kill_at, term_at + self._limits.kill_s)
        try:
            control.request(self._run, "stop", after="step", reason=reason)
        except OSError:
            # A full disk: the signal means the same.
            self._term_at = time.monotonic()

    def _end_by_force(self) -> None:
        now = time.monotonic()
        if now >= self._term_at:
            self._term_at = float("inf")
            self._signal(signal.SIGTERM)
        if now >= self._kill_at:
            self._kill_at = now + KILL_PATIENCE
            self.signal_group(signal.SIGKILL)

    def _because(self, cause: str, why: str) -> None:
        """Note why the run is made to end; killing outranks whatever was asked before."""
        if self.cause in ("", ending.STOP) or cause == ending.KILL:
            self.cause, self.why = cause, why

    def _signal(self, number: int) -> None:
        """Signal the training process alone: its loader workers must not die first."""
        try:
            os.kill(self._pid, number)
        except ProcessLookupError:
            pass

    def signal_group(self, number: int) -> None:
        """Signal every process of the run's group."""
        try:
            os.killpg(self._pid, number)
        except (ProcessLookupError, PermissionError):
            self._signal(number)


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if seconds >= 60 else f"{seconds:g} s"


def _too_much(used: float, limit: float) -> str:
    """Say how much memory was used, in as many digits as tell it from the limit."""
    for digits in range(2, 11):  # a byte shows in the tenth at the latest
        much, most = (f"{size / 2**30:.{digits}f}" for size in (used, limit))
        if much != most:
            break
    return f"used {much} GiB, more than {most} GiB"
