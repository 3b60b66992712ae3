"""Whatever runs, profiles and files hold: at the level of bytes nothing of it steers the terminal."""

from __future__ import annotations

import os
import re
from pathlib import Path

import hostile
import pytest
from ptylab import WHOLE, Pty, foreign, overflowing, terminal, traindeck

SIZE = (100, 30)
#: A paste that tries the same.
PASTE = "\x1b[200~a\x1b]52;c;RVZJTA==\x07\x9b2J[red]X[/red]\u202e\x1b[201~"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "hostile"
    hostile.project(folder)
    return folder


class Tour:
    """A walk by keys that looks at the screen after each."""

    def __init__(self, pty: Pty) -> None:
        self.pty = pty
        self.seen = ""

    def go(self, *keys: str) -> None:
        for key in keys:
            self.pty.press(key, quiet=0.1)
            screen = self.pty.screen
            self.seen += screen + "\n"
            assert_frames(screen)

    def end(self) -> None:
        self.pty.send("\x11")
        for _ in range(3):
            # Unsaved changes ask first.
            self.pty.read(0.3)
            if self.pty.process.poll() is None and re.search("y (yes|leave)", self.pty.screen):
                self.pty.send("y")
        assert self.pty.ended() == 0, self.pty.screen
        written = bytes(self.pty.written)
        assert foreign(written) == []
        assert overflowing(written, SIZE[0]) == []
        assert self.pty.modes == WHOLE
        assert self.pty.settings == self.pty.before


def assert_frames(screen: str) -> None:
    """The two sides of a dialog stand in line, whatever stands between and behind them."""
    sides = set()
    for line in screen.splitlines():
        # Wide signs take two cells and are one in a text; only rows without them are compared.
        if (
            "\u258a" in line
            and "\u258e" in line  # a message may lie over it
            and "\u2594" not in line
            and not re.search("[\u1100-\U0010ffff]", plain(line))
        ):
            sides.add((line.index("\u258a"), line.index("\u258e")))
    assert len(sides) <= 1, screen


def plain(line: str) -> str:
    return re.sub("[\u2010-\u2bff]", " ", line)


def test_the_runs_and_the_palette(project: Path) -> None:
    with terminal(traindeck(), project, size=SIZE) as pty:
        walk = Tour(pty)
        pty.until("8 runs")
        walk.go("j", "/", PASTE, "\x1b", "t", PASTE, "\x1b", "d", "n", "K", "o", "\x1b")
        walk.go("\x1b", "g", " ", "j", " ", "j", "j", " ", "c")
        walk.go("t", "d", "m", "\x1b")
        walk.go("\x10", *"openrun", "\x1b")
        walk.end()
    assert "COPIED" in walk.seen
    assert "[red]RED[/red]" in walk.seen
    ages = [
        line for line in walk.seen.splitlines() if re.search(r" (failed|lost|stopped) .*d$", line)
    ]
    assert len(ages) > 8


def test_the_monitor(project: Path) -> None:
    with terminal(traindeck("watch", "h000000"), project, size=SIZE) as pty:
        walk = Tour(pty)
        pty.until("loss +train")
        walk.go("\t", "f", "f", "m", *"RED", "\x1b", "x", "2", "\r", "\x1b", "/", "E", "\r", "\x1b")
        walk.go("3", "\r", "\x1b", "4", "/", "a", "\r", "\x1b", "5", "/", "E", "\r", "\x1b", "6")
        walk.go("j", "\r", "\x1b", "o", "\x1b", "R", "\x1b")
        walk.end()
    assert "esreverisolate" in walk.seen
    assert "COPIED NAMED NAMED" in walk.seen


def test_the_profiles(project: Path) -> None:
    with terminal(traindeck(), project, size=SIZE) as pty:
        walk = Tour(pty)
        pty.until("8 runs")
        walk.go("p")
        pty.until("profiles in ")
        walk.go("/", *"aaa")
        walk.go("\r", "2", "j", "3", "y", PASTE, "\x1b", "4", "1", "d", "\x1b", "S", PASTE, "\x1b")
        walk.go("1", "j", "2", "3", "4", "1", "j", "2", "3")
        walk.end()
    assert "[red]" in walk.seen


def test_the_launch_screen(project: Path) -> None:
    with terminal(traindeck(), project, size=SIZE) as pty:
        walk = Tour(pty)
        pty.until("8 runs")
        walk.go("n")
        pty.until("ready")
        walk.go("1", "\r", *"aaa", "\r")
        pty.until("aaa")
        walk.go("2", "j", "/", "e", "\x1b", "4", "d", "q", "b", "\x1b", "n", PASTE, "\r")
        walk.go("3", PASTE, "\x15", "\x1b")
        walk.end()
    assert "[red]DOC[/red]" in walk.seen


def test_a_pipe_and_last_words(project: Path) -> None:
    run = next((project / "runs").glob("*/*h000000"))
    read = os.open(run / "logs" / "events.jsonl", os.O_RDONLY)
    with terminal(traindeck("watch", "-"), project, size=SIZE, fds={0: read}) as pty:
        walk = Tour(pty)
        pty.until("loss +train")
        walk.go("2", "6", "\r", "\x1b")
        walk.end()
    os.close(read)


@pytest.mark.parametrize(
    "words", [("watch", "h000000", "--no-tui"), ("--no-tui",), ("show", "h000000")]
)
def test_plain_lines(project: Path, words: tuple[str, ...]) -> None:
    with terminal(traindeck(*words), project, size=SIZE) as pty:
        pty.ended()
        assert [text for text in foreign(bytes(pty.written)) if text != "\t"] == []
