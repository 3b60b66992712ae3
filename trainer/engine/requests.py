"""What the outside asks of a running training: stop, checkpoint, validate.

Signals and the control callback ask; the training loop looks between steps, so that an answer is
always given at a point from which training can be taken up again exactly.
"""

from __future__ import annotations

import signal
import threading
import time
import traceback
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
# A TERM to everybody at once comes again, seconds later at most, from those who pass theirs on to
# their children: a supervisor, torchrun.
_ECHO = 2.0


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
        self._signalled: float | None = None

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

    def insists(self, number: int) -> bool:
        """Take note of a signal; tell whether it means that the stop asked for is to be now.

        Args:
            number: Of TERM, INT or USR1, which never does.
        """
        now = time.monotonic()
        first, self._signalled = self._signalled, self._signalled or now
        asked = self._stop
        if asked is None or asked.after == "epoch" or number == signal.SIGUSR1:
            return False
        return number != signal.SIGTERM or first is None or now - first > _ECHO

    def by_signal(self, number: int, frame: FrameType | None = None) -> None:
        """Ask for a stop: the handler of signals."""
        self.stop("now" if self.insists(number) else "step", signal.Signals(number).name)

    def signal_lost_in(self, error: BaseException) -> None:
        """Ask for the stop of a signal whose handler an error has cut off before it could.

        Such an error comes from the handler of another signal, which may interrupt ours anywhere.
        """
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code is Requests.by_signal.__code__ and self._stop is None:
                self.stop("step", signal.Signals(frame.f_locals["number"]).name)

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

    A second INT, and a TERM that is no echo of the first, leaves at once. Handlers are put back at
    the end.
    """
    wanted: dict[signal.Signals, Any] = {
        signal.SIGTERM: requests.by_signal,
        signal.SIGINT: requests.by_signal,
        signal.SIGUSR1: requests.by_signal,
        signal.SIGHUP: signal.SIG_IGN,
    }
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
