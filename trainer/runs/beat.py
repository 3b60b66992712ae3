"""The training process's own voice: heartbeat, progress and its own end.

A daemon thread writes `status.trainer.json` about once a second; the training loop only sets
fields in memory. Where there is no supervisor (a script of one's own), or once it has died,
the same thread keeps `status.json` too, so that the run is never without a writer. Standard
library only.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from trainer.runs import control, lock, orders, proc
from trainer.runs.ending import in_words, ran_out_of_memory
from trainer.runs.layout import RunFolder, dumps, read_json_or_empty, write_bytes_atomic
from trainer.runs.limits import Limits
from trainer.runs.status import TERMINAL, State, Status, known_state, read_status

# How long the end is retried on a full disk before the process goes without.
_END_PATIENCE = 5.0
# What a pipe takes in one go on every system that we know.
_MOST_ON_PIPE = 16_000
# The remaining time is judged by the rate of so long: the recent one, not the average.
RATE_SECONDS = 60.0


class TrainerBeat:
    """Heartbeat and progress of one training process; rank 0 alone should have one.

    Use as a context manager, or call `start` and `end`. A script that dies without `end` is
    recorded as failed when Python exits.

    Args:
        run: The run folder.
        interval: Seconds between heartbeats.
        supervised: Whether a supervisor watches this process. None finds out from what the
            supervisor has told it (`trainer.runs.orders`).

    Attributes:
        attempt: 1 for the first start, one more for each resume.
        resume: Path of the checkpoint to start from, as the launcher chose it; empty for none.
        supervised: Whether a supervisor started this process.
        began: When the process began, on the monotonic clock.
    """

    def __init__(
        self,
        run: RunFolder | Path | str,
        *,
        interval: float = 1.0,
        supervised: bool | None = None,
    ) -> None:
        self.run = run if isinstance(run, RunFolder) else RunFolder(Path(run))
        self._interval = interval
        told = orders.take()
        self._supervisor = _supervisor_of(self.run, told) if supervised in (None, True) else None
        self.supervised = self._supervisor is not None if supervised is None else supervised
        recorded = read_json_or_empty(self.run.status)
        attempt: object = recorded.get("attempt")
        resume: object = recorded.get("resume")
        if self._supervisor is not None:
            text = told.get(orders.ENV_ATTEMPT, "")
            attempt = int(text) if text.isdecimal() else attempt
            resume = told.get(orders.ENV_RESUME, "")
        elif isinstance(resume, str) and resume:
            resume = str(self.run.path / resume)
        self.attempt = attempt if isinstance(attempt, int) and attempt > 0 else 1
        self.resume = resume if isinstance(resume, str) else ""
        self._last_word = orders.pipe_of(told) if self._supervisor is not None else None
        self._pid = os.getpid()
        # The supervisor's clock began with the process, before what it imported.
        self.began = time.monotonic() - proc.own_age()
        self._fields: dict[str, Any] = {
            "v": 1,
            "state": State.RUNNING,
            "writer": "trainer",
            "host": proc.host_name(),
            "boot_id": proc.boot_id(),
            "pid": self._pid,
            "pid_start": proc.process_start_time(self._pid),
            # Where a wrapper started this process, the session tells that it belongs to the run.
            "sid": os.getsid(0),
            "started": time.time(),
            "ended": None,
            "exit_code": None,
            "signal": None,
            "reason": "",
            "attempt": self.attempt,
        }
        self._progress: dict[str, Any] = {}
        self._marks: deque[tuple[float, int]] = deque()
        self._base: dict[str, Any] = {}
        self._orphan = False
        self._asked_timeout = False
        self._wake = threading.Event()
        # Re-entrant: `end` may be called from a signal handler that interrupts a write.
        self._writing = threading.RLock()
        self._lock: int | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self) -> TrainerBeat:
        """Write the first heartbeat and start the thread; safe to call again.

        Raises:
            RunError: Another process trains in this folder.
        """
        if self._thread is None and not self._closed:
            if not self.supervised:
                self._claim()
            self._write()
            self._thread = threading.Thread(target=self._loop, name="traindeck-beat", daemon=True)
            self._thread.start()
            atexit.register(self._at_exit)
        return self

    def __enter__(self) -> TrainerBeat:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._closed:
            return
        if error is None:
            self.end(State.COMPLETED, "", 0)
        else:
            self._end_by(error)

    def progress(
        self,
        *,
        step: int | None = None,
        epoch: int | None = None,
        total_steps: int | None = None,
        total_epochs: int | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Note how far training has come; costs a dict, and no I/O on the calling thread.

        Args:
            step: Optimiser steps done.
            epoch: Epoch, from 0.
            total_steps: Steps planned.
            total_epochs: Epochs planned.
            metrics: Last values as plain floats (no tensors); names not given keep theirs.
        """
        given = {
            "step": step,
            "epoch": epoch,
            "total_steps": total_steps,
            "total_epochs": total_epochs,
        }
        new = {**self._progress, **{k: v for k, v in given.items() if v is not None}}
        if step is not None:
            new["rate"] = self._rate_at(step)
        if metrics is not None:
            new["metrics"] = {**new.get("metrics", {}), **metrics}
        # One assignment: the thread sees the old snapshot or the new one.
        self._progress = new

    def phase(self, text: str) -> None:
        """Note what is done before the first step or after the last one; empty: nothing of that."""
        self._progress = {**self._progress, "phase": text}

    def _rate_at(self, step: int) -> float | None:
        """Give the steps a second since a minute ago, pauses included."""
        now, marks = time.monotonic(), self._marks
        if marks and step < marks[-1][1]:
            marks.clear()
        marks.append((now, step))
        while len(marks) > 2 and now - marks[1][0] > RATE_SECONDS:
            marks.popleft()
        (before, first) = marks[0]
        return (step - first) / (now - before) if step > first and now > before else None

    def stopping(self, reason: str = "") -> None:
        """Say that a stop is under way; written at the next heartbeat, at once."""
        if not self._closed:
            self._fields = {**self._fields, "state": State.STOPPING, "reason": reason}
            self._wake.set()

    def end(self, state: State | str, reason: str = "", exit_code: int | None = None) -> None:
        """Record the end, at once and on disk; the first end counts.

        Args:
            state: A terminal state.
            reason: Why, for people.
            exit_code: What the process will exit with.

        Raises:
            ValueError: The state is not terminal.
        """
        final = State(state)
        if final not in TERMINAL:
            raise ValueError(f"{final} is not an end")
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=10)
        self._fields = {
            **self._fields,
            "state": final,
            "reason": reason,
            "exit_code": exit_code,
            "ended": time.time(),
        }
        self._say_last_word()
        deadline = time.monotonic() + _END_PATIENCE
        while not self._write(sync=True) and time.monotonic() < deadline:
            time.sleep(0.2)
        if thread is not None:
            atexit.unregister(self._at_exit)
        if self._lock is not None:
            # The process may go on, and this or another one may train in this folder again.
            os.close(self._lock)
            self._lock = None

    def _say_last_word(self) -> None:
        """Tell the supervisor the end without the disk, which may be full."""
        if self._last_word is None:
            return
        record = {**self._fields, "heartbeat": time.time(), "progress": self._progress}
        try:
            line = dumps(record).encode()
            if len(line) > _MOST_ON_PIPE:
                line = dumps({**record, "progress": {}, "reason": record["reason"][:2000]}).encode()
            os.set_blocking(self._last_word, False)
            os.write(self._last_word, line + b"\n")
        except (OSError, TypeError, ValueError):
            # Nobody listens any more; the file has to do.
            return

    def _claim(self) -> None:
        """Take the folder for this process, as a supervisor would have."""
        from trainer.errors import Problem, RunError

        busy = False
        try:
            self._lock = lock.take(self.run)
        except BlockingIOError:
            busy = True
        except OSError:
            # A read-only or full disk: training matters more than its bookkeeping.
            return
        status = read_status(self.run)
        if busy or (status.alive and status.pid != self._pid and not _is_launcher(status)):
            raise RunError(
                Problem(
                    f"another process (pid {status.pid or status.supervisor_pid}) trains in "
                    f"{self.run.path}",
                    remedy="Wait for it, stop it, or use another folder.",
                )
            )

    def _loop(self) -> None:
        while True:
            self._wake.wait(self._interval)
            if self._closed:
                return
            self._wake.clear()
            self._write()
            if self._orphan:
                self._mind_the_clock()

    def _write(self, *, sync: bool = False) -> bool:
        """Write what is due; False if the disk refused, in which case the old files stand."""
        with self._writing:
            record = {**self._fields, "heartbeat": time.time(), "progress": self._progress}
            written = self._put(self.run.trainer_status, record, sync)
            if not self._orphan and self._is_alone():
                self._take_over()
            if self._orphan:
                written = self._put(self.run.status, {**self._base, **record}, sync) and written
            return written

    @staticmethod
    def _put(path: Path, record: dict[str, Any], sync: bool) -> bool:
        try:
            write_bytes_atomic(path, (dumps(record) + "\n").encode(), sync=sync)
        except (OSError, TypeError, ValueError):
            # A full disk or a value that is no JSON must never reach the training loop.
            return False
        return True

    def _is_alone(self) -> bool:
        """Tell whether nobody supervises (any more)."""
        if not self.supervised:
            return True
        if self._supervisor is None:
            return False
        pid, start = self._supervisor
        return os.getppid() != pid and not proc.is_alive(pid, start)

    def _take_over(self) -> None:
        """Become the writer of `status.json`, keeping what the supervisor had recorded."""
        recorded = read_json_or_empty(self.run.status)
        if self.supervised and (
            recorded.get("attempt", self.attempt) != self.attempt
            or known_state(recorded.get("state")) in TERMINAL
        ):
            # A later attempt has begun, or the supervisor has said its last word already.
            return
        if self._lock is None:
            try:
                self._lock = lock.take(self.run)
            except OSError:
                pass
        keep = ("supervisor_pid", "supervisor_start", "previous", "resume", "queue")
        self._base = {key: recorded[key] for key in keep if key in recorded}
        self._orphan = True

    def _mind_the_clock(self) -> None:
        """Hold the wall clock where no supervisor is left to do it."""
        if not self.supervised:
            return
        limits = Limits.of(self.run.identity().get("limits"))
        ran = time.monotonic() - self.began
        if limits.wall_clock_s is None or ran < limits.ask_after_s:
            return
        if not self._asked_timeout:
            try:
                control.request(self.run, "stop", after="step", reason="timeout")
                self._asked_timeout = True
            except OSError:
                # A full disk; asked again at the next beat.
                pass
        if ran >= limits.wall_clock_s + limits.kill_s:
            self._end_by_force(f"wall clock limit of {limits.wall_clock_s:g} s (SIGKILL)")

    def _end_by_force(self, why: str) -> None:
        """End this process, whose training does not answer, with all that belongs to it."""
        self._fields = {
            **self._fields,
            "state": State.TIMEOUT,
            "reason": why,
            "signal": int(signal.SIGKILL),
            "ended": time.time(),
        }
        self._write(sync=True)
        if os.getpgid(0) == self._pid:
            os.killpg(self._pid, signal.SIGKILL)
        os.kill(self._pid, signal.SIGKILL)

    def _at_exit(self) -> None:
        """Record an end that nobody announced."""
        error = getattr(sys, "last_value", None)
        if isinstance(error, BaseException):
            self._end_by(error)
        else:
            self.end(State.FAILED, "the process exited before training ended", None)

    def _end_by(self, error: BaseException) -> None:
        reason = in_words(error)
        if isinstance(error, SystemExit) and error.code in (None, 0):
            self.end(State.COMPLETED, "", 0)
        elif isinstance(error, KeyboardInterrupt):
            self.end(State.STOPPED, "interrupted", 130)
        elif ran_out_of_memory(error):
            self.end(State.OUT_OF_MEMORY, reason, 1)
        else:
            self.end(State.FAILED, reason, 1)


def _is_launcher(status: Status) -> bool:
    """Tell whether the only sign of life is the process that made the folder."""
    return status.writer == "launcher" and status.pid is None


def _supervisor_of(run: RunFolder, told: Mapping[str, str]) -> tuple[int, str] | None:
    """Read from the launcher's words who supervises this process, if they mean this run."""
    try:
        if not Path(told[orders.ENV_RUN]).samefile(run.path):
            return None
        pid, _, start = told[orders.ENV_SUPERVISOR].partition(":")
        return int(pid), start
    except (KeyError, OSError, ValueError):
        return None
