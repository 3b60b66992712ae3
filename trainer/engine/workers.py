"""Loader workers and signals: a stop is for the trainer, which then ends its workers itself."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable


class WorkerStart:
    """What a loader's worker does first: shield itself, then whatever it was told to do.

    A TERM to the whole process group or job (as clusters send it) would otherwise kill the workers
    and make an error of what is to be a stop with a checkpoint. A TERM from the trainer still ends
    the worker.

    Args:
        then: A loader's own `worker_init_fn`.
    """

    def __init__(self, then: Callable[[int], None] | None = None) -> None:
        self.then = then

    def __call__(self, worker_id: int) -> None:
        """Run in the new worker."""
        for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if hasattr(signal, "sigwaitinfo"):  # not on macOS
            # Blocked in all threads but the one that waits for it and sees who has sent it.
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            threading.Thread(target=_obey_parent, daemon=True, name="traindeck-term").start()
        if self.then is not None:
            self.then(worker_id)


def _obey_parent() -> None:
    parent = os.getppid()
    while True:
        sender = signal.sigwaitinfo([signal.SIGTERM]).si_pid
        if sender == parent or os.getppid() != parent:
            os._exit(0)
