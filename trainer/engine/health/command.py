"""A program of the person's that is run when an alert is raised."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from trainer.events.text import clean

if TYPE_CHECKING:
    from trainer.engine.session import Events

# Alerts that wait for the command; more than these are not worth it.
_MOST = 32
# What of its output reaches the log, in characters; what is kept of it, and read at once, in bytes.
_OUTPUT = 2000
_MOST_BYTES = 4 * _OUTPUT
_PIECE = 1 << 16


class Command:
    """Runs one program for each alert, one after the other, in a thread of its own.

    It never holds up training. It gets the alert as one line of JSON on standard input, and in its
    environment `TRAINDECK_ALERT_KIND`, `_LEVEL`, `_STEP` and `_MESSAGE`. Whatever goes wrong is a
    line of the log.

    Args:
        argv: Program and arguments; no shell reads them.
        timeout: Seconds after which it is killed, with its children.
        events: Where its output and its failures are told.
        folder: Its working directory.
    """

    def __init__(self, argv: Sequence[str], timeout: float, events: Events, folder: str) -> None:
        self._argv = [str(part) for part in argv]
        self._timeout = timeout
        self._events = events
        self._folder = folder
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST)
        self._thread: threading.Thread | None = None

    def run(self, alert: Mapping[str, Any]) -> None:
        """Have the program run for an alert; returns at once."""
        try:
            self._waiting.put_nowait(_plain(alert))
        except queue.Full:
            self._events.log("warning", "health.command: too many alerts at once, one left out")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="traindeck-alert", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait for what was begun, no longer than the time limit allows."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        thread.join(self._timeout + 5.0)

    def _loop(self) -> None:
        while (alert := self._waiting.get()) is not None:
            self._one(alert)

    def _one(self, alert: dict[str, Any]) -> None:
        environment = os.environ | {
            f"TRAINDECK_ALERT_{name.upper()}": str(alert.get(name) or "").replace("\0", "")
            for name in ("kind", "level", "step", "message")
        }
        began = time.monotonic()
        try:
            process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            self._say("warning", f"cannot be run: {why}")
            return
        pipes = _Pipes(process, json.dumps(alert).encode() + b"\n")
        try:
            process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._say("warning", f"killed after {self._timeout:g} s")
            return
        said = pipes.said().decode("utf-8", "replace")
        text = clean(said, keep_newlines=True).strip()[:_OUTPUT]
        level = "info" if process.returncode == 0 else "warning"
        took = f"{time.monotonic() - began:.1f} s"
        code = "" if process.returncode == 0 else f", exit code {process.returncode}"
        self._say(level, f"done in {took}{code}" + (f"\n{text}" if text else ""))

    def _say(self, level: str, text: str) -> None:
        self._events.log(level, f"health.command ({clean(self._argv[0])}): {text}")


class _Pipes:
    """Feeds a process its input and takes its output, in threads; of the output it keeps the start.

    Args:
        process: A process with pipes for both.
        told: Its input.
    """

    def __init__(self, process: subprocess.Popen[bytes], told: bytes) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._kept = bytearray()
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._reader.start()
        threading.Thread(target=_feed, args=(process.stdin, told), daemon=True).start()

    def said(self) -> bytes:
        """Give the output of a process that has ended."""
        # What it started may have left its session, and keep the pipe open.
        self._reader.join(1.0)
        return bytes(self._kept)

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe, contextlib.suppress(OSError):
            while piece := pipe.read1(_PIECE):  # type: ignore[attr-defined]  # buffered, as it is
                self._kept += piece[: _MOST_BYTES - len(self._kept)]


def _feed(pipe: IO[bytes], told: bytes) -> None:
    with contextlib.suppress(OSError):  # it need not read it
        pipe.write(told)
    with contextlib.suppress(OSError):
        pipe.close()


def _plain(alert: Mapping[str, Any]) -> dict[str, Any]:
    """Spell numbers that JSON lacks as the events do."""
    return {
        str(name): (str(value).replace("nan", "NaN").replace("inf", "Infinity"))
        if isinstance(value, float) and not math.isfinite(value)
        else value
        for name, value in alert.items()
    }
