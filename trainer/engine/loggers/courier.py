"""Carries what training logs to a logger, in a thread of its own.

A step never waits for a disk or a server, and what one of them refuses never ends training.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: At most so many items wait for a logger that does not answer; then the oldest go first.
LIMIT = 20_000
#: Seconds before the first and before any later try to reach a logger again.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


@dataclass(slots=True)
class Point:
    """Metrics of one step.

    Attributes:
        metrics: Numbers by name.
        step: Optimiser steps done; None where the caller gave none.
        time: Unix seconds.
    """

    metrics: Mapping[str, Any]
    step: int | None
    time: float = field(default_factory=time.time)


#: Metrics, or something else to be done in order with them.
Item = Point | Callable[[], None]


class Courier:
    """Delivers items in order, tries again what failed for now, and drops what fails for good.

    Args:
        name: Of the thread.
        deliver: Delivers from the left of a queue and takes off what is delivered; may raise.
        again: Whether trying again may help against an error.
        failed: Called at the first error of a series, with it.
        mended: Called at the first success behind it, with the number of items lost meanwhile.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[deque[Item]], None],
        again: Callable[[Exception], bool],
        failed: Callable[[Exception], None],
        mended: Callable[[int], None],
    ) -> None:
        self._name = name
        self._deliver = deliver
        self._again = again
        self._failed = failed
        self._mended = mended
        self._state = threading.Condition()
        self._waiting: deque[Item] = deque()
        self._taken: deque[Item] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._deadline = 0.0
        self._lost = 0
        self._in_trouble = False

    def put(self, item: Item) -> None:
        """Hand an item over; returns at once."""
        with self._state:
            self._waiting.append(item)
            if len(self._waiting) > LIMIT:
                self._waiting.popleft()
                self._lost += 1
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._state.notify()

    def end(self, deadline: float) -> None:
        """Let it deliver what waits, and end; returns at once.

        Args:
            deadline: When to give up, on the monotonic clock.
        """
        with self._state:
            self._closing = True
            self._deadline = deadline
            self._state.notify()

    def wait(self, deadline: float) -> int:
        """Wait for the end.

        Args:
            deadline: For how long at most, on the monotonic clock.

        Returns:
            How many items were not delivered, those lost before included.
        """
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
        return self._lost + len(self._taken) + len(self._waiting)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            with self._state:
                while not self._waiting and not self._taken and not self._closing:
                    self._state.wait()
                if not self._taken:
                    self._taken, self._waiting = self._waiting, deque()
                if not self._taken:
                    self._thread = None
                    return
            try:
                self._deliver(self._taken)
            except Exception as error:
                if not self._in_trouble:
                    self._in_trouble = True
                    self._failed(error)
                if not self._again(error):
                    self._drop()
                elif self._gave_up(pause):
                    with self._state:
                        self._thread = None
                    return
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            if self._in_trouble:
                self._in_trouble = False
                lost, self._lost = self._lost, 0
                self._mended(lost)

    def _drop(self) -> None:
        if self._taken:
            self._taken.popleft()
            self._lost += 1

    def _gave_up(self, pause: float) -> bool:
        """Wait before the next try; tell whether there is no time left for one."""
        until = time.monotonic() + pause
        with self._state:
            while (now := time.monotonic()) < until:
                if self._closing:
                    # The last chance is soon, and not after a long pause.
                    until = min(until, now + FIRST_PAUSE)
                    if until > self._deadline:
                        return True
                self._state.wait(min(until - now, FIRST_PAUSE))
        return False
