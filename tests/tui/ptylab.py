"""The real command in a terminal of its own, and every byte that it writes there."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte
import pytest
from wcwidth import wcwidth

ROOT = Path(__file__).resolve().parents[2]

#: What the app and Textual send besides text: anything else came from outside.
ALLOWED = re.compile(
    r"""\x1b(?:
      \[[0-9;:]*m                                               # colours and weights
    | \[[0-9]*(?:;[0-9]*)?H                                     # cursor to a place
    | \[\?(?:7|25|1000|1003|1004|1006|1015|1016|1049|2004|2026|2048)[hl]
    | \[\?(?:2026|2048)\$p                                      # two questions about abilities
    | \[>[0-9]+u | \[<u                                         # the protocol of keys
    | \]22;[a-z-]*\x07                                         # the shape of the pointer
    )""",
    re.VERBOSE,
)
_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?P<csi>\x1b\[[0-?]*[ -/]*[@-~])"
    r"|(?P<string>\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\))"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])"
)
#: What is no UTF-8, what turns or hides text, and what terminals measure differently.
_NO_TEXT = re.compile(
    "[\ud800-\udfff\u00ad\u061c\u200b\u200d-\u200f\u202a-\u202e\u2060-\u206f\ufe0f\ufeff"
    "\U000e0000-\U000e007f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]"
    "|[\u0300-\u036f\u0489]{5}"
)
_UNKNOWN_TO_PYTE = re.compile(r"\x1b\[[<=>?][0-9]*u|\x1b\[\?[0-9]+\$p")


def foreign(written: bytes) -> list[str]:
    """List what the bytes hold that neither the app nor Textual sends."""
    found = []
    # What is no UTF-8 becomes a lone surrogate, which is foreign as well.
    for token in _TOKEN.finditer(written.decode("utf-8", "surrogateescape")):
        text = token[0]
        if token.lastgroup == "text":
            if _NO_TEXT.search(text):
                found.append(text)
        elif not (ALLOWED.fullmatch(text) or text in "\r\n"):
            found.append(text)
    return found


def overflowing(written: bytes, columns: int) -> list[str]:
    """List what goes beyond the right edge, counted character by character, from its cursor on."""
    found = []
    place, line = 1, ""
    for token in _TOKEN.finditer(written.decode("utf-8", "replace")):
        if token.lastgroup == "text":
            line += token[0]
            continue
        moved = re.fullmatch(r"\x1b\[(?:\d*;(\d+))?H", token[0])
        if moved or token[0] in "\r\n":
            if place - 1 + sum(max(0, wcwidth(sign)) for sign in line) > columns:
                found.append(line)
            place, line = int(moved[1] or 1) if moved else 1, ""
    return found


def texts(written: bytes) -> str:
    """Give the plain text among the bytes, in the order in which it was sent."""
    tokens = _TOKEN.finditer(written.decode("utf-8", "replace"))
    return "".join(token[0] if token.lastgroup == "text" else "\n" for token in tokens)


@dataclass(frozen=True)
class Modes:
    """What a program has switched on in the terminal, by the last word on each."""

    alternate: bool
    cursor: bool
    mouse: bool
    paste: bool
    wrap: bool
    focus: bool
    keyboard: int

    @classmethod
    def after(cls, written: bytes) -> Modes:
        """Read them from the bytes."""
        text = written.decode("utf-8", "replace")
        state = {"25": True, "7": True}
        for number, end in re.findall(r"\x1b\[\?(\d+)([hl])", text):
            state[number] = end == "h"
        depth = len(re.findall(r"\x1b\[>\d+u", text)) - len(re.findall(r"\x1b\[<u", text))
        mouse = any(state.get(number) for number in ("1000", "1003", "1006", "1015", "1016"))
        return cls(
            alternate=state.get("1049", False),
            cursor=state["25"],
            mouse=mouse,
            paste=state.get("2004", False),
            wrap=state["7"],
            focus=state.get("1004", False),
            keyboard=depth,
        )


#: A terminal as a shell wants it back.
WHOLE = Modes(False, True, False, False, True, False, 0)


#: What would change how the app looks at its terminal.
_NOT_KEPT = ("CI", "NO_COLOR", "TMUX", "COLORFGBG", "COLUMNS", "LINES")


class Screen(pyte.Screen):
    """A terminal that counts cells character by character, as most do; joins nothing."""

    def draw(self, data: str) -> None:
        """Draw without what takes no cell; pyte would drop all that follows some of it."""
        super().draw("".join(sign for sign in data if wcwidth(sign) > 0))


class Pty:
    """A program in a terminal; keeps every byte it writes there.

    Args:
        command: The program and its arguments.
        cwd: Where it runs.
        env: What differs in its environment; None takes a variable out.
        size: Columns and rows.
        fds: Descriptors that are not the terminal: 0, 1 or 2, and what they are instead.
    """

    def __init__(
        self,
        command: list[str],
        cwd: Path,
        *,
        env: Mapping[str, str | None] | None = None,
        size: tuple[int, int] = (80, 24),
        fds: Mapping[int, Any] | None = None,
    ) -> None:
        self.master, slave = os.openpty()
        self.columns, self.rows = size
        self.resize(*size, tell=False)
        self.before = termios.tcgetattr(slave)
        self.written = bytearray()
        self._screen = Screen(*size)
        self._stream = pyte.Stream(self._screen)
        self._fed = 0
        self.hung_up = False
        others = fds or {}
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(cwd, env),
            stdin=others.get(0, slave),
            stdout=others.get(1, slave),
            stderr=others.get(2, slave),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0) and None,  # noqa: PLW1509
            pass_fds=(slave,),
        )
        self.slave = slave
        os.set_blocking(self.master, False)

    # ── watching ─────────────────────────────────────────────────────────────────────────────

    def read(self, seconds: float) -> None:
        """Take what is written, for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                return
            with suppress(BlockingIOError, OSError):
                self.written += os.read(self.master, 1 << 16)

    def settle(self, quiet: float = 0.25, most: float = 5.0) -> None:
        """Take what is written until nothing comes for a while."""
        end = time.monotonic() + most
        while time.monotonic() < end:
            at = len(self.written)
            self.read(quiet)
            if len(self.written) == at:
                return

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, row by row."""
        # Only up to the last whole sequence, so that pyte sees each in one piece.
        text = bytes(self.written[self._fed :])
        self._fed = len(self.written)
        decoded = text.decode("utf-8", "replace")
        self._stream.feed(_UNKNOWN_TO_PYTE.sub("", decoded))
        return [line.rstrip() for line in self._screen.display]

    @property
    def screen(self) -> str:
        """What stands on the screen."""
        return "\n".join(self.lines)

    def until(self, wanted: str | Callable[[str], Any], seconds: float = 20.0) -> str:
        """Wait until a pattern stands on the screen; give the screen."""
        end = time.monotonic() + seconds
        while True:
            screen = self.screen
            if wanted(screen) if callable(wanted) else re.search(wanted, screen):
                return screen
            if time.monotonic() > end or self.process.poll() is not None:
                pytest.fail(f"{wanted!r} did not come ({self.process.poll()}):\n{screen}")
            self.read(0.1)

    # ── acting ───────────────────────────────────────────────────────────────────────────────

    def send(self, keys: str | bytes) -> None:
        """Press keys."""
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def press(self, *keys: str, quiet: float = 0.1) -> None:
        """Press keys one by one, each when the one before has been answered and all is quiet."""
        for key in keys:
            at = len(self.written)
            self.send(key)
            if key == "\x1b":
                # Until a while has passed it might be the beginning of a sequence.
                time.sleep(0.2)
            end = time.monotonic() + 1.0
            while len(self.written) == at and time.monotonic() < end:
                self.read(0.05)
            self.settle(quiet)

    def resize(self, columns: int, rows: int, *, tell: bool = True) -> None:
        """Change the size of the terminal."""
        termios.tcsetwinsize(self.master, (rows, columns))
        if tell:
            self._screen.resize(rows, columns)

    def hang_up(self) -> None:
        """Close the terminal, as a connection that drops does."""
        os.close(self.slave)
        os.close(self.master)
        self.hung_up = True

    def ended(self, seconds: float = 10.0) -> int:
        """Wait for the end; give the exit code."""
        end = time.monotonic() + seconds
        while (code := self.process.poll()) is None:
            if time.monotonic() > end:
                pytest.fail(f"still there:\n{'' if self.hung_up else self.screen}")
            if self.hung_up:
                time.sleep(0.02)
            else:
                self.read(0.02)
        if not self.hung_up:
            self.read(0.1)
        return code

    @property
    def modes(self) -> Modes:
        """What the program has switched on."""
        return Modes.after(bytes(self.written))

    @property
    def settings(self) -> list[Any]:
        """The terminal's settings now (termios)."""
        return termios.tcgetattr(self.slave)

    def close(self) -> None:
        """End what runs, and the terminal."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if not self.hung_up:
            self.hang_up()


def environment(cwd: Path, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """An environment of a person at a good terminal, with changes."""
    kept = {k: v for k, v in os.environ.items() if k not in _NOT_KEPT}
    found: dict[str, str | None] = {
        **kept,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(ROOT),
        "XDG_CONFIG_HOME": str(cwd / "home" / "config"),
        "XDG_STATE_HOME": str(cwd / "home" / "state"),
        **(changes or {}),
    }
    return {name: value for name, value in found.items() if value is not None}


def traindeck(*words: str) -> list[str]:
    """The command as a person types it."""
    return [sys.executable, "-m", "trainer.cli", *words]


@contextmanager
def terminal(command: list[str], cwd: Path, **more: Any) -> Iterator[Pty]:
    """A program in a terminal, ended at the end."""
    pty = Pty(command, cwd, **more)
    try:
        yield pty
    finally:
        pty.close()
