"""A Ctrl-C at any moment of a command's life is exit code 130, and nothing is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer import start
from trainer.errors import EXIT_INTERRUPTED

# Presses Ctrl-C just when the module of that name is about to be imported, or at Python's end.
PRESS = """
import importlib.abc, atexit, os, runpy, signal, sys

def press(*_):
    print("pressed", flush=True)
    os.kill(os.getpid(), signal.SIGINT)

class Presser(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == where:
            sys.meta_path.remove(self)
            try:
                press()
            except KeyboardInterrupt:
                pass  # as an import that tries an optional package does
        return None

where = sys.argv.pop(1)
how = sys.argv.pop(1)
if where == "end":
    atexit.register(press)
else:
    sys.meta_path.insert(0, Presser())
if how == "module":
    runpy.run_module("trainer.cli", run_name="__main__", alter_sys=True)
else:
    from trainer.start import main
    main()
"""


@pytest.mark.parametrize(
    ("where", "how", "words"),
    [
        ("click", "module", ["train", "--dry-run"]),
        ("click", "script", ["train", "--dry-run"]),
        ("trainer.commands.config_cli", "script", ["runs"]),
        ("trainer.config.compose", "script", ["train", "--dry-run"]),
        ("pydantic", "script", ["train", "--dry-run"]),
        ("trainer.runs.launch", "module", ["train", "--dry-run"]),
        ("end", "script", ["completion", "bash"]),
    ],
)
def test_a_ctrl_c_in_an_import_or_at_the_end_is_130(
    tmp_path: Path, where: str, how: str, words: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRESS, where, how, *words],
        cwd=tmp_path,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "pressed" in done.stdout
    assert (done.returncode, done.stderr) == (130, "")
    assert list(tmp_path.iterdir()) == []


def test_a_ctrl_c_in_a_command_is_130_however_python_would_end(tmp_path: Path) -> None:
    # An exception that leaves compiled text makes Python end by the signal, not with our code.
    script = """
import signal, sys
from trainer import start

def command():
    try:
        exec("signal.raise_signal(signal.SIGINT)", {"signal": signal})
    except KeyboardInterrupt:
        print("tidied")
        sys.exit(130)

start.listen()
start.run(command)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "tidied\n", "")


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    script = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from trainer import start
start.listen()
with start.LeavingAtOnce():
    signal.raise_signal(signal.SIGINT)
start.run(lambda: signal.raise_signal(signal.SIGINT))
print("here")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "here\n", "")


def test_the_beginning_knows_the_exit_code_and_imports_nothing() -> None:
    assert start._INTERRUPTED == EXIT_INTERRUPTED
    script = "import sys; before = set(sys.modules); import trainer.start; "
    script += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert set(done.stdout.split()) <= {"trainer", "trainer.start", "__future__"}
