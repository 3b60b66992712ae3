"""The terminal itself: it may vanish at any moment, and it may be lent to the shell for a while."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
import time
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.driver import Driver

    from tui.app import Deck

_HANGUP = 128 + signal.SIGHUP
#: So long an app without a terminal may take to leave in order, in seconds.
_LEAVE_SECONDS = 3.0


class _Screen:
    """A terminal to write to; once it has gone, what is written goes nowhere.

    Textual's writer would die of the error, and all that draws would wait for it forever.
    """

    def __init__(self, file: TextIOBase) -> None:
        self._file = file
        self._gone = False

    def write(self, text: str) -> None:
        """Write, as long as there is somebody to read."""
        if not self._gone:
            try:
                self._file.write(text)
            except OSError:
                self._gone = True

    def flush(self) -> None:
        """Flush, as long as there is somebody to read."""
        if not self._gone:
            try:
                self._file.flush()
            except OSError:
                self._gone = True

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._file.fileno()


def lasting(kind: type[Driver]) -> type[Driver]:
    """Make a driver that survives the loss of its terminal out of one that does not."""

    class LastingDriver(kind):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            if isinstance(file := getattr(self, "_file", None), TextIOBase):
                self._file = _Screen(file)

    return LastingDriver


def watch(app: Deck) -> None:
    """Leave in order when the terminal or the machine says so, or when the terminal is just gone.

    A lost terminal reads as an endless end of input, over which Textual would turn forever.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Textual leaves the terminal in raw mode on these; training lives elsewhere.
        loop.add_signal_handler(number, app.exit, 128 + number)
    if app.is_headless or sys.__stdin__ is None or not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(sys.__stdin__.fileno(), 0)  # nothing but the loss wakes it

    def wait() -> None:
        poll.poll()
        app.call_later(app.exit, _HANGUP)
        time.sleep(_LEAVE_SECONDS)
        # Nobody is there to read anything, and nothing is to be saved: runs and files are.
        os._exit(_HANGUP)

    threading.Thread(target=wait, name="terminal-lost", daemon=True).start()


def suspend(app: Deck) -> None:
    """Lend the terminal to the shell; `fg` brings the app back.

    The whole job is stopped, as ctrl+z does where the terminal itself sees to it: of a pipeline
    that goes on in part the shell would not take the terminal back.
    """
    if not _shell_waits():
        app.say("There is no shell behind this terminal to go to.", "warning")
        return
    app._suspend_signal()
    os.killpg(0, signal.SIGTSTP)


def _shell_waits() -> bool:
    """Say whether somebody is there to bring a stopped job back.

    As POSIX defines it: some parent is of this session and not of this job. Without one, as behind
    `ssh -t host traindeck`, a stopped app would stay stopped.
    """
    pid = os.getppid()
    try:
        while os.getpgid(pid) == os.getpgrp():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            pid = int(fields[1])
        return os.getsid(pid) == os.getsid(0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # no /proc here: as everywhere else, there is a shell
