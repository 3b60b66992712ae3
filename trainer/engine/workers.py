"""Loader workers and signals: a stop is for the trainer, which then ends its workers itself.

A TERM or Ctrl-C to the whole process group or job (as clusters and terminals send it) reaches the
workers as well. One that died of it would make an error of what is to be a stop with a checkpoint,
and most of all while it starts, before anything of ours could run in it. So signals are held back
in the thread that starts a worker; the worker inherits that, and lets them in once it knows better.
"""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from trainer.engine.requests import Requests, Stop

_TO_THE_TRAINER = (signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
# What runs in a worker of torch's DataLoader, and of loaders made after it (torchdata's).
_LOOP = "_worker_loop"
# How torch tells of workers that are gone: by its handler of SIGCHLD, or while it waits for data.
_GONE = re.compile(
    r"DataLoader worker \(pid.*\) "
    r"(?:is killed by signal: (?:Terminated|Interrupt|Hangup|User defined signal 1)\b"
    r"|exited unexpectedly)"
)
# A signal to a group reaches its members one after another.
_GROUP_PATIENCE = 1.0


@contextmanager
def shielded_workers() -> Iterator[None]:
    """Shield each worker that any loader starts while inside, from its first instruction on.

    It holds for every way of starting processes (fork, spawn, forkserver), from any thread, for
    loaders of the engine and of others alike. Other processes are left as they are.
    """
    start = BaseProcess.start

    def start_shielded(process: Any) -> None:
        target: Any = getattr(process, "_target", None)
        if getattr(target, "__name__", "") != _LOOP:
            method = getattr(process, "_start_method", None) or multiprocessing.get_start_method()
            if method == "forkserver" and target is not None:
                # A worker may have started the server, which then has them held back as well.
                process._target = functools.partial(_unshielded, target)
            start(process)
            return
        process._target = functools.partial(_shielded, target)
        held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, *_TO_THE_TRAINER))
        try:
            start(process)
        finally:
            # What came meanwhile comes now.
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    BaseProcess.start = start_shielded  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        BaseProcess.start = start  # type: ignore[method-assign]


def _unshielded(work: Callable[..., None], *args: Any, **kwargs: Any) -> None:
    """Be another process: signals do what they do elsewhere."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, *_TO_THE_TRAINER))
    work(*args, **kwargs)


def _shielded(work: Callable[..., None], *args: Any) -> None:
    """Be a worker: signals for the trainer do nothing, and a TERM from the trainer ends it."""
    # A collection writes into the head of every object, and so would copy all that the worker shares
    # with the trainer, some 100 MB. What it got by the fork never becomes garbage here.
    gc.freeze()
    for number in _TO_THE_TRAINER:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TO_THE_TRAINER)
    if hasattr(signal, "sigwaitinfo"):
        # Blocked in all threads but the one that waits for it and sees who has sent it.
        threading.Thread(target=_obey_trainer, daemon=True, name="traindeck-term").start()
    else:
        # Without it (macOS) nobody can be told apart, and workers have to end when told to.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    work(*args)


def _obey_trainer() -> None:
    trainer = multiprocessing.parent_process()
    while True:
        sender = signal.sigwaitinfo([signal.SIGTERM]).si_pid
        if trainer is None or sender == trainer.pid or not trainer.is_alive():
            os._exit(0)


def stop_that_took_workers(error: BaseException, requests: Requests) -> Stop | None:
    """Give the stop that was asked for, if all that went wrong is that workers obeyed it as well.

    Args:
        error: What ended training.
        requests: The requests of this training; a stop that is just coming is waited for.
    """
    chain: BaseException | None = error
    while chain is not None and not _GONE.search(str(chain)):
        chain = chain.__cause__ or chain.__context__
    if chain is None:
        return None
    requests.signal_lost_in(chain)
    deadline = time.monotonic() + _GROUP_PATIENCE
    while requests.stop_asked is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return requests.stop_asked
