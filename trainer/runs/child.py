"""The training process as its supervisor sees it: started, watched, reaped. Standard library only."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from trainer.runs import ending
from trainer.runs.enforce import Enforcer
from trainer.runs.layout import RunFolder, open_output
from trainer.runs.orders import (
    ENV_ATTEMPT,
    ENV_END,
    ENV_RESUME,
    ENV_RUN,
    ENV_SUPERVISOR,
    TRAINING_ENV,
    describe_pipe,
)

_MOST_SAID = 1 << 20


def program_of(identity: Mapping[str, Any]) -> list[str]:
    """Give the training process's command line as `run.json` records it; empty if it does not."""
    argv = identity.get("argv")
    return [str(word) for word in argv] if isinstance(argv, list) else []


class Start(Protocol):
    """Starts a process that leads a session of its own, with nothing to read and one output."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        output: int,
        cwd: str | None,
        env: Mapping[str, str],
        keep_open: Sequence[int],
    ) -> int:
        """Start it and give its pid; its output goes to the open file `output`.

        Raises:
            OSError: It cannot be started.
            ValueError: The same, for a command line or environment that cannot be one.
        """


def execute(
    argv: Sequence[str],
    *,
    output: int,
    cwd: str | None,
    env: Mapping[str, str],
    keep_open: Sequence[int],
) -> int:
    """Start a program: the usual `Start`."""
    # Here, so that a supervisor that only waits in a queue stays as small as it can.
    import subprocess

    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        start_new_session=True,
        pass_fds=keep_open,
    )
    # It is waited for by who asked; this only keeps Popen from doing so as well.
    process.returncode = 0
    return process.pid


class Child:
    """One training process, in a session of its own, with output to a file and no terminal.

    Args:
        run: The run folder.
        identity: Its `run.json`.
        supervisor: How the process may know its supervisor: `pid:start time`.
        attempt: The number of this attempt.
        resume: The checkpoint to begin from, relative to the run folder or absolute; or empty.
        keep_open: Descriptors that it inherits.
        start: What starts it.

    Attributes:
        pid: Its pid, which is also its group's number.
        output_from: Where its output begins in the output file, in bytes.

    Raises:
        OSError: It cannot be started.
        ValueError: The same, for a command line or environment that cannot be one.
    """

    def __init__(
        self,
        run: RunFolder,
        identity: Mapping[str, Any],
        *,
        supervisor: str,
        attempt: int,
        resume: str,
        keep_open: Sequence[int],
        start: Start = execute,
    ) -> None:
        extra = identity.get("env")
        environment = {
            # What it prints is seen at once, and nothing of it is lost if it is killed.
            "PYTHONUNBUFFERED": "1",
            **TRAINING_ENV,
            **os.environ,
            **({str(k): str(v) for k, v in extra.items()} if isinstance(extra, dict) else {}),
            ENV_RUN: str(run.path),
            ENV_SUPERVISOR: supervisor,
            ENV_ATTEMPT: str(attempt),
        }
        environment.pop(ENV_RESUME, None)
        if resume:
            environment[ENV_RESUME] = str(run.path / resume)
        cwd = identity.get("cwd")
        self._ear, mouth = os.pipe()
        try:
            os.set_blocking(self._ear, False)
            environment[ENV_END] = describe_pipe(mouth)
            with open_output(run) as output:
                self.output_from = output.tell()
                self.pid = start(
                    program_of(identity),
                    output=output.fileno(),
                    cwd=cwd if isinstance(cwd, str) else None,
                    env=environment,
                    keep_open=(mouth, *keep_open),
                )
        except BaseException:
            os.close(self._ear)
            raise
        finally:
            os.close(mouth)
        self._violent = False
        self._waited: tuple[int, Any] | None = None

    def exited(self) -> bool:
        """Tell whether it has ended, without giving up its pid yet."""
        if not hasattr(os, "waitid"):
            pid, raw, usage = os.wait4(self.pid, os.WNOHANG)
            self._waited = (raw, usage) if pid else None
            return bool(pid)
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        seen = os.waitid(os.P_PID, self.pid, flags)
        self._violent = seen is not None and seen.si_code != os.CLD_EXITED
        return seen is not None

    def reap(self, force: Enforcer) -> tuple[int, dict[str, Any]]:
        """Clear away what is left of its session after a violent end, then reap it.

        Returns:
            What `subprocess` calls a return code, and what it used: CPU seconds and bytes.
        """
        if self._waited is None:
            # Until it is reaped the pid, and so the group's number, cannot go to anybody else.
            if force.cause in (ending.KILL, ending.TIMEOUT, ending.MEMORY):
                force.signal_group(signal.SIGKILL)
            elif self._violent:
                force.signal_group(signal.SIGTERM)
            _, raw, usage = os.wait4(self.pid, 0)
        else:
            raw, usage = self._waited
        scale = 1 if sys.platform == "darwin" else 1024
        used = {
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
            "max_rss_bytes": usage.ru_maxrss * scale,
        }
        return os.waitstatus_to_exitcode(raw), used

    def said(self) -> bytes:
        """Give what it has said on the pipe that it inherited (`trainer.runs.beat`), once."""
        try:
            return os.read(self._ear, _MOST_SAID)
        except BlockingIOError:
            # Something that it has started keeps the pipe open.
            return b""
        finally:
            os.close(self._ear)
