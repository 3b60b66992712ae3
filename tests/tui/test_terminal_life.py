"""The terminal is whole afterwards, however the app ends, and training never notices."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ptylab import WHOLE, Pty, foreign, terminal, texts, traindeck
from tuilab import make_run, training

from trainer.runs.layout import RunFolder

COLOUR = re.compile(r"(?:^|[;:])(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:[;:]|$)")


@pytest.fixture
def project(runs_dir: Path) -> Path:
    make_run(runs_dir, "quick", events=training(200, end="completed"))
    return runs_dir.parent


@pytest.fixture
def stream(project: Path) -> Path:
    (path,) = project.glob("runs/*/*/logs/events.jsonl")
    return path


def assert_whole(pty: Pty, code: int) -> None:
    assert pty.ended() == code, pty.screen
    assert pty.modes == WHOLE
    assert pty.settings == pty.before
    assert not foreign(bytes(pty.written))


def words_after(pty: Pty) -> str:
    """What is said once the app has given the screen back."""
    return texts(bytes(pty.written).rsplit(b"\x1b[?1049l")[-1]).strip()


@pytest.mark.parametrize("words", [(), ("watch", "last")])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_whole(
    project: Path, words: tuple[str, ...], number: signal.Signals
) -> None:
    with terminal(traindeck(*words), project) as pty:
        pty.until("quick")
        os.kill(pty.process.pid, number)
        assert_whole(pty, 128 + number)
        assert words_after(pty) == ""


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_a_terminal_that_is_gone_ends_the_app_quietly(
    project: Path, told: bool, kept: bool
) -> None:
    deaf = "import os,signal,sys; signal.pthread_sigmask(signal.SIG_BLOCK,[1]);"
    command = traindeck("watch", "last")
    if not told:
        command = [sys.executable, "-c", f"{deaf} os.execv(sys.argv[1], sys.argv[1:])", *command]
    log = project / "err.log"
    with log.open("wb") as file, terminal(command, project, fds={2: file} if kept else {}) as pty:
        pty.until("grad norm")
        pty.hang_up()
        assert pty.ended(6) == 128 + signal.SIGHUP
    assert log.read_bytes() == b""


def test_training_does_not_notice(
    launched: Callable[..., RunFolder], until: Callable[..., Any]
) -> None:
    run = launched("good", 60)
    status = until(run, lambda status: (status.progress.step or 0) > 3)
    folder = run.path.parents[2]
    ends: list[Callable[[Pty], Any]] = [
        lambda pty: os.kill(pty.process.pid, signal.SIGTERM),
        lambda pty: pty.send("\x11"),
        lambda pty: os.kill(pty.process.pid, signal.SIGKILL),
        lambda pty: pty.hang_up(),
    ]
    for end in ends:
        with terminal(traindeck("watch", run.id), folder) as pty:
            pty.until("running")
            pty.send("\x03")
            end(pty)
            pty.ended()
        at = until(run, "running").progress.step
        assert until(run, lambda status, at=at: status.progress.step > at).pid == status.pid


def test_suspending_stops_the_whole_pipeline(project: Path, stream: Path) -> None:
    shell = ["/bin/bash", "--norc", "--noprofile", "-i"]
    with terminal(shell, project, env={"PS1": "> "}) as pty:
        pty.until(">")
        feeding = f"(cat {shlex.quote(str(stream))}; sleep 1.5; sleep 0)"
        pty.send(f"{feeding} | {shlex.join(traindeck('watch', '-'))}\r")
        pty.until("grad norm")
        pty.settle()
        pty.send("\x1a")
        pty.until("Stopped")
        # The shell's own line editor asks for pastes in brackets.
        assert replace(pty.modes, paste=False) == WHOLE
        pty.send("echo back-$((1+1))\r")
        pty.until("back-2")
        pty.send("fg\r")
        pty.until("▸loss(?s:.*)grad norm")
        assert pty.modes.alternate
        pty.settle()
        pty.send("q")
        pty.until("standard input completed")
        pty.send("echo code-$?\r")
        pty.until("code-0")
        assert replace(pty.modes, paste=False) == WHOLE


def test_without_a_shell_behind_it_suspending_says_so(project: Path) -> None:
    with terminal(traindeck(), project) as pty:
        pty.until("quick")
        pty.send("\x1a")
        pty.until("no shell behind")
        pty.send("q")
        assert_whole(pty, 0)


def test_any_size_is_borne(project: Path) -> None:
    stale = {"COLUMNS": "80", "LINES": "24"}
    with terminal(traindeck("watch", "last"), project, size=(20, 5), env=stale) as pty:
        pty.until("quick")
        pty.settle()
        for size in [(1, 1), (2, 2), (200, 60), (5, 1), (1, 40), (3, 3), (80, 24), (1, 1)]:
            pty.resize(*size)
            pty.read(0.1)
            pty.press("\t", quiet=0.05)
        pty.resize(80, 24)
        pty.settle()
        pty.until(r"quick(?s:.*)┤(?s:.*)\? help")
        pty.send("\x11")
        assert_whole(pty, 0)


@pytest.mark.parametrize(
    ("lines", "sign", "code"), [(None, "completed", 0), (100, "stream ended", 0)]
)
def test_a_pipe_is_watched_with_keys_from_the_terminal(
    project: Path, stream: Path, lines: int | None, sign: str, code: int
) -> None:
    fed = "".join(stream.read_text().splitlines(keepends=True)[:lines])
    feeder = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert feeder.stdin is not None
    with terminal(traindeck("watch", "-"), project, fds={0: feeder.stdout}) as pty:
        feeder.stdin.write(fed.encode())
        feeder.stdin.close()
        pty.until(sign)
        pty.press("?")
        assert "keys" in pty.lines[0]
        pty.press("\x1b", "q")
        assert_whole(pty, code)
        assert sign in words_after(pty)
    assert feeder.wait(5) == 0


def test_what_is_no_terminal_stays_plain(project: Path, stream: Path) -> None:
    plain: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("watch", "-"), {"fds": {0: stream.open("rb"), 1: subprocess.PIPE}}),
        (("watch", "last"), {"env": {"TERM": "dumb"}}),
        (("watch", "last"), {"env": {"CI": "1"}}),
        (("watch", "last", "--no-tui"), {}),
        (("--no-tui",), {}),
        ((), {"env": {"TERM": "dumb"}}),
        ((), {"fds": {0: subprocess.DEVNULL}}),
    ]
    for words, more in plain:
        with terminal(traindeck(*words), project, **more) as pty:
            assert pty.ended() == 0
            out = pty.process.stdout.read() if pty.process.stdout else bytes(pty.written)
            assert len(out) > 50
            assert b"\x1b" not in out + bytes(pty.written)


def test_errors_in_a_file_hold_no_screen(project: Path) -> None:
    log = project / "err.log"
    with log.open("wb") as file, terminal(traindeck(), project, fds={2: file}) as pty:
        pty.until("quick")
        pty.press("\r", "q")
        pty.send("\x11")
        assert_whole(pty, 0)
    assert log.read_bytes() == b""


def round_trip(project: Path, **env: str | None) -> Pty:
    """Through screens, dialogs, the palette and a message; give what is left of the terminal."""
    with terminal(traindeck(), project, env=env) as pty:
        pty.until("quick")
        pty.press("c", "?", "\x1b")
        pty.until("quick")
        pty.press("d", "n", "\r")
        pty.until("grad norm")
        pty.press("m", "\x1b", "2", "4", "\x10", "\x1b", "q", quiet=0.1)
        pty.press("p")
        pty.until("profiles in ")
        pty.press("2", "3", "4")
        pty.send("\x11")
        assert_whole(pty, 0)
    return pty


def colours(pty: Pty) -> set[str]:
    found = re.findall(r"\x1b\[([0-9;:]*)m", pty.written.decode())
    return {each for each in found if COLOUR.search(each)}


def test_no_color_sends_none(project: Path) -> None:
    assert colours(round_trip(project, NO_COLOR="1")) == set()


@pytest.mark.parametrize(
    "env", [{"TERM": "linux", "COLORTERM": None}, {"LC_ALL": None, "LANG": "C"}]
)
def test_where_there_is_ascii_only_nothing_else_is_drawn(
    project: Path, env: dict[str, str | None]
) -> None:
    assert set(re.findall("[^\x00-\x7f]", round_trip(project, **env).written.decode())) == set()


@pytest.mark.parametrize("term", ["xterm", "screen"])
def test_few_colours_are_enough(project: Path, term: str) -> None:
    found = colours(round_trip(project, TERM=term, COLORTERM=None))
    assert found
    assert not [each for each in found if re.search("[34]8[;:]", each)]


def test_idle_costs_nothing_after_a_resize(project: Path) -> None:
    with terminal(traindeck(), project) as pty:
        pty.until("quick")
        pty.resize(100, 30)
        pty.settle()
        at = len(pty.written)
        time.sleep(1)
        pty.read(0.1)
        assert len(pty.written) - at < 500  # no more than a minute that turns
