"""A training process forked from a warm supervisor: what it has to become to be as a fresh one."""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from trainer.engine.warm.title import set_command_line
from trainer.runs.child import execute
from trainer.runs.program import ENGINE

_MOST_TOLD = 4096


def start(
    argv: Sequence[str],
    *,
    output: int,
    cwd: str | None,
    env: Mapping[str, str],
    keep_open: Sequence[int],
) -> int:
    """Fork the training process: a `trainer.runs.child.Start`.

    Raises:
        OSError: It cannot be forked, or its working directory cannot be entered.
    """
    if ENGINE not in argv:
        return execute(argv, output=output, cwd=cwd, env=env, keep_open=keep_open)
    ear, mouth = os.pipe()
    # A signal in the moments before the child has its own handlers waits for those.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            wanted: dict[str, Any] = {
                "output": output,
                "cwd": cwd,
                "env": env,
                "keep_open": keep_open,
            }
            leave_by(lambda: _train(argv, mouth=mouth, mask=held, **wanted))
    except OSError:
        os.close(ear)
        raise
    finally:
        os.close(mouth)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    try:
        # Its end comes when the child is all that it should be, or is gone.
        told = os.read(ear, _MOST_TOLD)
    finally:
        os.close(ear)
    if told:
        os.waitpid(pid, 0)
        raise OSError(*json.loads(told))
    return pid


def _train(
    argv: Sequence[str],
    *,
    output: int,
    cwd: str | None,
    env: Mapping[str, str],
    keep_open: Collection[int],
    mouth: int,
    mask: Collection[int],
) -> int:
    """Become the process that `subprocess.Popen` would have started, and train."""
    os.setsid()
    # HUP stays ignored, as it is in whatever a supervisor starts.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    take_output(output, {*keep_open, mouth})
    for descriptor in keep_open:
        os.set_inheritable(descriptor, True)
    try:
        if cwd is not None:
            os.chdir(cwd)
    except OSError as error:
        os.write(mouth, json.dumps([error.errno, error.strerror, error.filename]).encode())
        return 1
    os.environ.clear()
    os.environ.update(env)
    set_command_line(argv)
    sys.orig_argv = list(argv)
    sys.argv = ["-m", *argv[argv.index(ENGINE) + 1 :]]
    if "numpy" in sys.modules:
        # Python's own generator is seeded anew in a forked child, and torch's always begins alike.
        sys.modules["numpy"].random.seed()
    os.close(mouth)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return _run_engine()


def take_output(output: int, keep: Collection[int]) -> None:
    """Let an open file be standard output and error, and close every other one.

    Args:
        output: Where to print to.
        keep: Descriptors that stay open, besides standard input.
    """
    os.dup2(output, 1)
    os.dup2(output, 2)
    # Nobody's locks, pipes and sockets may live on here. Their objects are never released: the
    # frames that hold them lie below this one, which is never left.
    for entry in list(Path("/proc/self/fd").iterdir()):
        if (descriptor := int(entry.name)) > 2 and descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:
                continue  # that of the list itself


def _run_engine() -> int:
    """Do what `python -m trainer.engine` does, and give its exit code."""
    try:
        runpy.run_module(ENGINE, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
        sys.excepthook(type(error), error, error.__traceback__)
        if isinstance(error, KeyboardInterrupt):
            return -signal.SIGINT
        return 1
    return 0


def leave_by(work: Callable[[], int]) -> NoReturn:
    """Do the work of a forked process and end it, without taking apart what it shares.

    Everything that an interpreter does at its end is done, but for releasing each object: threads
    are waited for, `atexit` functions are called, files are flushed. Releasing hundreds of
    megabytes would copy the pages that they lie on.

    Args:
        work: Gives the exit code, or minus the number of a signal to end by.
    """
    code = 1
    try:
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            threading._shutdown()  # type: ignore[attr-defined]  # what Py_Finalize begins with
            atexit._run_exitfuncs()
            _flush()
        finally:
            if code < 0:
                signal.signal(-code, signal.SIG_DFL)
                os.kill(os.getpid(), -code)
            os._exit(code & 0xFF)


def _flush() -> None:
    """Write what open files still hold back; their release would have."""
    for each in gc.get_objects():
        if isinstance(each, io.BufferedWriter | io.TextIOWrapper | io.BufferedRandom):
            try:
                each.flush()
            except (OSError, ValueError):
                continue  # closed, or refused by the disk
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
