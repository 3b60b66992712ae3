"""Programs in a terminal of their own: what they paint and when, and what they cost.

The terminal is a pty that nobody looks at; pyte knows what would stand on its screen. Every chunk
of output is stamped as it arrives, and only fed to pyte when the program is quiet, so that pyte's
own slowness does not hold the program up.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pyte

COLUMNS, ROWS = 120, 40

_QUIET = 0.004  # so long without output and there is time for pyte, in seconds
_PATIENCE = 0.1  # pyte waits for quiet no longer than this


class Terminal:
    """A program in a terminal.

    Args:
        command: The program and its arguments.
        cwd: Where it runs.
        columns: Width of the terminal.
        rows: Height of the terminal.

    Attributes:
        pid: The program.
        began: When it was started, in seconds of `time.perf_counter`.
        bytes: How much it has written so far.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        columns: int = COLUMNS,
        rows: int = ROWS,
    ) -> None:
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI", "TMUX")}
        environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        environment |= {"COLUMNS": str(columns), "LINES": str(rows)}
        # Installed programs are compiled; so are these, from their second start on.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        own = _own()
        environment |= {"PYTHONPYCACHEPREFIX": f"{own}/compiled"}
        environment |= {"XDG_CONFIG_HOME": f"{own}/config", "XDG_STATE_HOME": f"{own}/state"}
        self.bytes = 0
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._chunks: list[tuple[float, bytes]] = []
        self._ended: int | None = None
        self._due: list[tuple[float, float, Callable[[], None]]] = []
        self.began = time.perf_counter()
        self.pid = os.fork()
        if not self.pid:
            _become(slave, list(command), environment, cwd)
        os.close(slave)
        os.set_blocking(master, False)
        self._fd = master

    # ── what stands on the screen ────────────────────────────────────────────────────────────

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, as of the output fed so far."""
        return [line.rstrip() for line in self._screen.display]

    def wait(
        self, seen: Callable[[list[str]], bool] | str, timeout: float = 20.0, since: float = 0.0
    ) -> float:
        """Wait for something to stand on the screen.

        Args:
            seen: A text, or what says whether the lines show what is waited for.
            timeout: How long to wait, in seconds.
            since: Count from here, in seconds of `time.perf_counter`; from the start if 0.

        Returns:
            Seconds until the output arrived after which it stood there.

        Raises:
            TimeoutError: It did not come; the screen is in the message.
        """
        since = since or self.began
        wanted = _containing(seen) if isinstance(seen, str) else seen
        if wanted(self.lines):
            return time.perf_counter() - since
        deadline = time.perf_counter() + timeout
        while time.perf_counter() < deadline and self._ended is None:
            self._gather(deadline)
            for moment in self._feed():
                if wanted(self.lines):
                    self._feed_all()
                    return moment - since
        what = repr(seen) if isinstance(seen, str) else "what was waited for"
        raise TimeoutError(f"{what} did not come; the screen:\n" + "\n".join(self.lines))

    def rest(self, seconds: float) -> None:
        """Let the program run."""
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline and self._ended is None:
            self._gather(deadline)
            self._feed_all()

    def bursts(self, seconds: float, gap: float = 0.05) -> list[int]:
        """Let the program run; give the bytes of each burst of output, parted by quiet."""
        deadline = time.perf_counter() + seconds
        found: list[int] = []
        last = 0.0
        while time.perf_counter() < deadline and self._ended is None:
            self._gather(deadline)
            for moment, data in self._chunks:
                if moment - last > gap:
                    found.append(0)
                found[-1] += len(data)
                last = moment
            self._feed_all()
        return found

    def send(self, keys: str) -> float:
        """Press keys; give when, in seconds of `time.perf_counter`."""
        moment = time.perf_counter()
        os.write(self._fd, keys.encode())
        return moment

    @contextmanager
    def every(self, seconds: float, work: Callable[[], None]) -> Iterator[None]:
        """While in here, do something that often, in between of watching the terminal."""
        self._due.append((time.perf_counter(), seconds, work))
        try:
            yield
        finally:
            self._due = [entry for entry in self._due if entry[2] is not work]

    def end(self) -> int:
        """Ask the program to leave, and see that it has; give its exit status."""
        if self._ended is None:
            os.kill(self.pid, signal.SIGTERM)
            deadline = time.perf_counter() + 5
            while self._ended is None and time.perf_counter() < deadline:
                self._gather(deadline)
                self._chunks.clear()
            if self._ended is None:
                os.kill(self.pid, signal.SIGKILL)
                self._ended = os.waitpid(self.pid, 0)[1]
        os.close(self._fd)
        return self._ended

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    # ── what it costs ────────────────────────────────────────────────────────────────────────

    def cpu(self) -> float:
        """Give the CPU seconds of all its threads so far, to the microsecond."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory(self, peak: bool = False) -> float:
        """Give its resident memory, or the greatest so far, in MB."""
        name = "VmHWM" if peak else "VmRSS"
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
        return 0.0

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _gather(self, deadline: float) -> None:
        """Take output until it is quiet for a moment."""
        first = 0.0
        while True:
            now = time.perf_counter()
            if now >= deadline or (first and now - first > _PATIENCE):
                return
            wake = deadline
            for i, (due, seconds, work) in enumerate(self._due):
                if now >= due:
                    work()
                    self._due[i] = (due := max(due + seconds, now - seconds), seconds, work)
                wake = min(wake, due)
            timeout = _QUIET if self._chunks else max(0.0, wake - now)
            if not select.select([self._fd], [], [], timeout)[0]:
                if self._chunks:
                    return
                continue
            try:
                data = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                continue
            except OSError:  # the other end is closed
                data = b""
            if not data:
                self._ended = os.waitpid(self.pid, 0)[1]
                return
            first = first or time.perf_counter()
            self._chunks.append((time.perf_counter(), data))
            self.bytes += len(data)

    def _feed(self) -> Iterator[float]:
        while self._chunks:
            moment, data = self._chunks.pop(0)
            self._stream.feed(data)
            yield moment

    def _feed_all(self) -> None:
        for _ in self._feed():
            pass


@cache
def _own() -> str:
    """Make a folder for what the programs leave behind."""
    folder = tempfile.mkdtemp(prefix="traindeck-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _containing(text: str) -> Callable[[list[str]], bool]:
    return lambda lines: any(text in line for line in lines)


def _become(slave: int, command: list[str], environment: dict[str, str], cwd: Path | None) -> None:
    """Turn the forked process into the program; never returns."""
    try:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in (0, 1, 2):
            os.dup2(slave, number)
        if cwd is not None:
            os.chdir(cwd)
        os.execvpe(command[0], command, environment)
    except BaseException as error:
        sys.stderr.write(f"{error}\n")
    os._exit(127)
