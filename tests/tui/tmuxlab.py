"""The installed command in a real terminal multiplexer, driven by keys, read by eye."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")


class Tmux:
    """One tmux server with one window, a shell in it."""

    def __init__(self, folder: Path, width: int = 80, height: int = 24, **env: str) -> None:
        self.folder = folder
        self.socket = f"traindeck-{uuid.uuid4().hex[:8]}"
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "TMUX")}
        self.env = {
            **kept,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PS1": "$ ",
            **env,
        }
        # A shell, so that what the app leaves of the terminal is seen, and job control works.
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            str(width),
            "-y",
            str(height),
            "-c",
            str(folder),
            "/bin/bash --norc --noprofile -i",
        )

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-L", self.socket, *words],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *words: str) -> None:
        """Type a traindeck command at the shell's prompt."""
        self.type(shlex.join([sys.executable, "-m", "trainer.cli", *words]))
        self.keys("Enter")

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._tmux("send-keys", "-l", text)

    def keys(self, *names: str) -> None:
        """Press keys by their names, one after the other as a person would."""
        for name in names:
            self._tmux("send-keys", name)
            time.sleep(0.05)

    def resize(self, width: int, height: int) -> None:
        """Change the window's size."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def screen(self) -> str:
        """Give what is on the screen."""
        return self._tmux("capture-pane", "-p")

    def until(
        self, wanted: str | Callable[[str], bool], seconds: float = 60, *, keys: str = ""
    ) -> str:
        """Wait until a pattern is on the screen (or something holds of it), and give the screen.

        Args:
            wanted: A regular expression, or a test of the screen's text.
            seconds: For how long to wait.
            keys: A key to press at each look, for what comes only when asked for.
        """
        end = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if wanted(screen) if callable(wanted) else re.search(wanted, screen):
                return screen
            if time.monotonic() > end:
                pytest.fail(f"{wanted!r} did not appear:\n{screen}")
            if keys:
                self.keys(keys)
            time.sleep(0.1)

    def close(self) -> None:
        """End the server and what runs in it."""
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True, check=False)
