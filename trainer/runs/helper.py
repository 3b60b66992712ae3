"""A process with torch that answers questions for one that has none."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from trainer.errors import ConfigError, Problem, RunError
from trainer.events.text import clean
from trainer.runs.program import python

_MODULE = "trainer.engine.lr_server"


class HelperProcess:
    """A process with torch that answers one request after the other; started by the first.

    Use it as a context manager, or `close` it. Safe to use from several threads.
    """

    #: What it computes, in words.
    what: ClassVar[str] = ""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._said: IO[bytes] | None = None
        self._count = 0
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process ahead of the first request.

        Raises:
            RunError: It cannot be started.
        """
        with self._lock:
            self._begin()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            ConfigError: The answer is a problem.
            RunError: The process failed.
        """
        with self._lock:
            process = self._begin()
            self._count += 1
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps({**request, "id": self._count}) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except (OSError, ValueError):
                line = ""
            if not line:
                raise RunError(Problem(self._why(process)))
        found: dict[str, Any] = json.loads(line)
        if problems := found.get("problems"):
            raise ConfigError(*(Problem(**problem) for problem in problems))
        return found

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._closed = True
        process, self._process = self._process, None
        if process is None:
            return
        # What the data started would hold our pipe open, and go on for nobody.
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for stream in (process.stdin, process.stdout, self._said):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()

    def _begin(self) -> subprocess.Popen[str]:
        if self._closed:
            raise RunError(f"the computation of {self.what} was ended")
        if self._process is None or self._process.poll() is not None:
            # It lives as long as the process.
            self._said = tempfile.TemporaryFile()  # noqa: SIM115
            try:
                self._process = subprocess.Popen(
                    [*python(Path.cwd()), "-m", _MODULE],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._said,
                    text=True,
                    encoding="utf-8",
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    start_new_session=True,
                )
            except OSError as error:
                raise RunError(f"{self.what} cannot be computed: {error}") from error
        return self._process

    def _why(self, process: subprocess.Popen[str]) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        said: Sequence[str] = ()
        if self._said is not None and not self._said.closed:
            self._said.seek(0)
            text = self._said.read().decode("utf-8", "replace")
            said = [line for line in text.splitlines() if line.strip()]
        code = process.returncode
        ended = "its process ended" + ("" if code is None else f" with exit code {code}")
        last = clean(said[-1]) if said else ended
        return f"{self.what} cannot be computed: {last}"
