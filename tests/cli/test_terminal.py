"""Who gets the app and who gets plain lines."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.commands import terminal

PROBE = (
    "import sys; from trainer.commands.terminal import app_fits;"
    "open(sys.argv[1], 'w').write(str(app_fits(plain=sys.argv[2] == 'plain',"
    " piped=sys.argv[2] == 'piped')))"
)


def asked(
    folder: Path,
    how: str = "",
    *,
    env: dict[str, str] | None = None,
    stdin: bool = True,
    stdout: bool = True,
    controlled: bool = True,
) -> bool:
    """Ask in a process on a terminal of its own."""
    main, side = pty.openpty()
    clean = {k: v for k, v in os.environ.items() if k not in ("CI", "TERM")}
    answer = folder / "answer"

    def take_terminal() -> None:
        import fcntl
        import termios

        if controlled:
            fcntl.ioctl(side, termios.TIOCSCTTY, 0)

    try:
        subprocess.run(
            [sys.executable, "-c", PROBE, str(answer), how],
            env={**clean, "TERM": "xterm-256color", **(env or {})},
            stdin=side if stdin else subprocess.DEVNULL,
            stdout=side if stdout else subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=take_terminal,
            check=True,
            timeout=60,
        )
    finally:
        os.close(main)
        os.close(side)
    return answer.read_text() == "True"


def test_a_person_at_a_terminal_gets_the_app(tmp_path: Path) -> None:
    assert asked(tmp_path)
    assert asked(tmp_path, env={"CI": "false"})
    assert asked(tmp_path, env={"TERM": "linux"})


@pytest.mark.parametrize("term", ["", "dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_stays_plain(tmp_path: Path, term: str) -> None:
    assert not asked(tmp_path, env={"TERM": term})


def test_whoever_asks_for_lines_gets_lines(tmp_path: Path) -> None:
    assert not asked(tmp_path, "plain")
    assert not asked(tmp_path, env={"CI": "true"})
    assert not asked(tmp_path, env={"CI": "1"})


def test_output_that_goes_elsewhere_stays_plain(tmp_path: Path) -> None:
    assert not asked(tmp_path, stdout=False)
    assert not asked(tmp_path, stdin=False)


def test_a_piped_stream_needs_a_terminal_for_its_keys(tmp_path: Path) -> None:
    assert asked(tmp_path, "piped", stdin=False)
    assert not asked(tmp_path, "piped", stdin=False, controlled=False)


def test_the_stream_gets_another_number_and_keys_come_from_the_terminal(tmp_path: Path) -> None:
    code = (
        "import os, sys; from trainer.commands.terminal import keys_from_terminal;"
        "n = keys_from_terminal(); open(sys.argv[1], 'w').write("
        "os.read(n, 99).decode() + str(os.isatty(0)) + str(os.get_inheritable(n)))"
    )
    main, side = pty.openpty()

    def take_terminal() -> None:
        import fcntl
        import termios

        fcntl.ioctl(side, termios.TIOCSCTTY, 0)

    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "answer")],
        input=b"events ",
        stdout=side,
        start_new_session=True,
        preexec_fn=take_terminal,
        check=True,
        timeout=60,
    )
    os.close(main)
    os.close(side)
    assert (tmp_path / "answer").read_text() == "events TrueFalse"


def test_closed_descriptors_are_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)

    def gone(_descriptor: int) -> bool:
        raise OSError("bad descriptor")

    monkeypatch.setattr(terminal.os, "isatty", gone)
    assert not terminal.app_fits()
