"""What the outside asks of a running training: stop, checkpoint, validate.

Signals and the control callback ask; the training loop looks between steps, so that an answer is
always given at a point from which training can be taken up again exactly.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# From the mildest to the most urgent; a later, more urgent request replaces an earlier one.
STOP_AFTER = ("epoch", "step", "now")
# How the reason of a stop begins that the wall clock wants, and what the memory limit gives as one.
TIMEOUT, MEMORY = "timeout", "memory"


class StopNow(BaseException):
    """Raised in the main thread to leave at once, without another checkpoint."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A request to stop.

    Attributes:
        after: `epoch`, `step` (the optimiser step now under way) or `now`.
        reason: One line for status and events, e.g. `SIGTERM` or `timeout`, which
            may be followed by a colon and why.
        failed: Whether training is stopped because it is ill: the run counts as failed.
    """

    after: str
    reason: str
    failed: bool = False

    @property
    def for_time(self) -> str:
        """What the wall clock has to do with it, in words; empty for nothing."""
        kind, _, why = self.reason.partition(": ")
        return (why or "time limit reached") if kind == TIMEOUT else ""


class Requests:
    """Requests not yet answered; safe to call from any thread and from a signal handler.

    A callback finds the one that belongs to its trainer by `Requests.of(trainer)`.
    """

    def __init__(self) -> None:
        self._stop: Stop | None = None
        self._checkpoints: list[str] = []
        self._validate = False
        self._deaf = False

    @staticmethod
    def of(trainer: Any) -> Requests | None:
        """Give the requests of a trainer that `fit` has made; None in a script of one's own."""
        found = getattr(trainer, "traindeck_requests", None)
        return found if isinstance(found, Requests) else None

    @property
    def stop_asked(self) -> Stop | None:
        """The most urgent stop asked for so far, if any."""
        return self._stop

    def stop(
        self, after: str = "step", reason: str = "stop requested", *, failed: bool = False
    ) -> None:
        """Ask to checkpoint and stop after this `step` or `epoch`, or to leave `now` without.

        `now` from another thread than the main one takes effect as `step` does, only without
        waiting for a validation under way.

        Raises:
            ValueError: `after` is none of the three.
        """
        if after not in STOP_AFTER:
            raise ValueError(f"a stop comes after {', '.join(STOP_AFTER)}, and not after {after!r}")
        urgency = STOP_AFTER.index(after)
        # No lock: a signal handler may interrupt this very method, and assignment is atomic.
        if self._stop is None or urgency > STOP_AFTER.index(self._stop.after):
            first = self._stop or Stop(after, reason, failed)
            self._stop = Stop(after, first.reason, first.failed)
        if (
            after == "now"
            and not self._deaf
            and threading.current_thread() is threading.main_thread()
        ):
            self._deaf = True  # once is enough: a second would tear the clean-up after the first
            raise StopNow(reason)

    @property
    def closed(self) -> bool:
        """Whether nothing is interrupted any more."""
        return self._deaf

    def close(self) -> None:
        """Interrupt nothing any more: training is over, and its end is being written down."""
        self._deaf = True

    def checkpoint(self, reason: str = "requested") -> None:
        """Ask for a checkpoint after the optimiser step now under way."""
        self._checkpoints.append(reason)

    def validate(self) -> None:
        """Ask for a validation after the optimiser step now under way."""
        self._validate = True

    def take_checkpoint(self) -> str | None:
        """Give the reason of the waiting checkpoint requests, if any, and forget them."""
        if not self._checkpoints:
            return None
        asked, self._checkpoints = self._checkpoints, []
        return asked[0]

    def take_validate(self) -> bool:
        """Tell whether a validation waits, and forget it."""
        asked, self._validate = self._validate, False
        return asked


@contextmanager
def signals_ask(requests: Requests) -> Iterator[None]:
    """Let TERM, USR1 and INT ask for a stop with checkpoint, and ignore HUP, while inside.

    A second TERM or INT leaves at once. Handlers are put back at the end.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if requests.stop_asked is not None and number != signal.SIGUSR1:
            requests.stop("now", name)
        else:
            requests.stop("step", name)

    wanted: dict[signal.Signals, Any] = {
        signal.SIGTERM: ask,
        signal.SIGINT: ask,
        signal.SIGUSR1: ask,
        signal.SIGHUP: signal.SIG_IGN,
    }
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
