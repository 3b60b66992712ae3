"""Signals in the seconds before training, while libraries are imported. Standard library only."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.engine.requests import Requests

if TYPE_CHECKING:
    from types import FrameType


def listen_early(requests: Requests, folder: Path) -> None:
    """Only remember what signals ask for, and ignore HUP, until `signals_ask` takes over.

    For the seconds that imports take, in which nothing may be raised: libraries catch anything.
    A signal that insists (`Requests.insists`) ends the process from within the handler.

    Args:
        requests: Where to remember it; training stops at its first step boundary.
        folder: The run folder, in which that second signal's end is recorded.
    """

    def remember(number: int, frame: FrameType | None) -> None:
        if requests.closed:
            return
        first = requests.stop_asked
        if requests.insists(number) and first is not None:
            _leave(folder, first.reason)
        requests.stop("step", signal.Signals(number).name)

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, remember)


def _leave(folder: Path, asked: str) -> None:
    """Record the end and be gone, from wherever the imports have got to."""
    from trainer.errors import EXIT_INTERRUPTED, EXIT_OK

    code = EXIT_INTERRUPTED if asked == "SIGINT" else EXIT_OK
    try:
        if not any(os.environ.get(name, "0") != "0" for name in ("RANK", "LOCAL_RANK")):
            from trainer.runs.beat import TrainerBeat
            from trainer.runs.status import State

            TrainerBeat(folder).end(State.STOPPED, f"{asked}, before training began", code)
    finally:
        os._exit(code)
