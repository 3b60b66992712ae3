"""Signals to the processes of a run, after making sure that they are the run's.

A status file is only text: whoever can write it must not choose which of a person's processes
is ended. Standard library only, but for the errors that people see.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from trainer.errors import Problem, RunError
from trainer.runs import orders, proc
from trainer.runs.layout import RunFolder

_NAMES = tuple(f"{name}=".encode() for name in (orders.ENV_RUN, orders.ENV_RUN_DIR))


def send(
    run: RunFolder, pid: int | None, start: str | None, number: int, *, group: bool = False
) -> bool:
    """Signal one process of a run.

    Args:
        run: The run.
        pid: The process, as recorded.
        start: Its start time, as recorded.
        number: The signal.
        group: Also signal its whole group, if it leads one.

    Returns:
        Whether there was such a process.

    Raises:
        RunError: It is not a process of this run, or it belongs to another user.
    """
    if pid is None or not proc.is_alive(pid, start):
        return False
    if not belongs(run, pid) and proc.is_alive(pid, start):
        raise RunError(
            Problem(
                f"process {pid} is recorded for {run.path.name}, but nothing shows that it is of "
                "this run; it is left alone",
                remedy=f"See what it is (`ps -fp {pid}`), and end it by hand if it is yours.",
            )
        )
    try:
        # A process that leads no group of its own shares one with strangers.
        if group and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise RunError(f"process {pid} belongs to another user") from error
    return True


def belongs(run: RunFolder, pid: int) -> bool:
    """Tell whether a process shows that it is of this run.

    Its command line or the launcher's variables in its environment name the folder, or it has
    a file in it open (a script of one's own holds the folder's lock). Where there is no
    `/proc` nothing can be asked, and pid and start time have to do.
    """
    if not sys.platform.startswith("linux"):
        return True
    folder, process = os.path.realpath(run.path), Path(f"/proc/{pid}")
    words = _read(process / "cmdline").split(b"\0")
    for variable in _read(process / "environ").split(b"\0"):
        words += [variable.partition(b"=")[2]] if variable.startswith(_NAMES) else []
    wanted = os.path.basename(run.path).encode()  # noqa: PTH119 - bytes, as in /proc
    base = os.fsencode(_link(process / "cwd"))
    for word in words:
        if wanted in word and os.path.realpath(os.path.join(base, word)) == os.fsencode(folder):  # noqa: PTH118
            return True
    try:
        descriptors = os.listdir(process / "fd")  # noqa: PTH208 - names alone
    except OSError:
        return False
    return any(_link(process / "fd" / each).startswith(f"{folder}/") for each in descriptors)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _link(path: Path) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - a string
    except OSError:
        return ""
