"""A thread that looks at files for a screen: it rests while nobody looks, and can be woken."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Looking:
    """What every source with a thread of its own is: started once, paused, woken, stopped.

    Args:
        name: What the thread is called.
    """

    def __init__(self, name: str) -> None:
        #: Called from the thread when there is a picture that was waited for; returns at once.
        self.told: Callable[[], None] | None = None
        self._name = name
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._paused = self._stopped = False
        #: Whether somebody waits for the next picture.
        self._awaited = True

    def start(self) -> None:
        """Begin to look, in a thread; once is enough."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread; returns at once."""
        self._stopped = True
        self._woken.set()

    def pause(self, paused: bool) -> None:
        """Rest while nobody looks; the first look afterwards comes at once."""
        if paused != self._paused:
            self._paused = paused
            if not paused:
                self.wake()

    def wake(self) -> None:
        """Look now: something was done to what is looked at."""
        self._awaited = True
        self._woken.set()

    def _run(self) -> None:
        """Look until stopped; the thread's own."""
