"""What state a run is in, by everything that its folder and this machine can tell.

Two processes write: the supervisor (`status.json`) and the training process
(`status.trainer.json`). `read_status` weighs both against the processes that exist. It never
raises for what lies in the folder. Standard library only.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from trainer.errors import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_OUT_OF_MEMORY,
    EXIT_TIMEOUT,
    EXIT_WRONG_INPUT,
)
from trainer.runs import proc
from trainer.runs.layout import STATUS, TRAINER_STATUS, RunFolder, read_json
from trainer.runs.values import any_number, integer, number, positive, printable, text

# A heartbeat comes every second; this long without one and a process elsewhere counts as gone.
STALE_SECONDS = 30.0
# How far another machine's clock may run ahead before its heartbeat is not believed.
SKEW_SECONDS = 3600.0


class State(StrEnum):
    """The states of a run."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    COMPLETED = "completed"
    STOPPED = "stopped"
    TIMEOUT = "timeout"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    KILLED = "killed"
    LOST = "lost"
    PREEMPTED = "preempted"
    REQUEUED = "requeued"


TERMINAL = frozenset(
    {
        State.COMPLETED,
        State.STOPPED,
        State.TIMEOUT,
        State.FAILED,
        State.OUT_OF_MEMORY,
        State.KILLED,
        State.LOST,
    }
)

_STATES = frozenset(State)
_EXIT_CODES = {
    State.COMPLETED: EXIT_OK,
    State.STOPPED: EXIT_OK,
    State.TIMEOUT: EXIT_TIMEOUT,
    State.OUT_OF_MEMORY: EXIT_OUT_OF_MEMORY,
}


def known_state(value: object) -> State | None:
    """Read a state from a file; None if it is not one of ours."""
    return State(value) if isinstance(value, str) and value in _STATES else None


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: Optimiser steps done.
        epoch: Epochs, counted from 0.
        total_steps: Steps planned; None if unknown.
        total_epochs: Epochs planned; None if unknown.
        metrics: The last value of each metric.
        rate: Optimiser steps a second over the last minute; None if unknown.
        phase: What is done before the first step or after the last one; mostly empty.
    """

    step: int | None = None
    epoch: int | None = None
    total_steps: int | None = None
    total_epochs: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    rate: float | None = None
    phase: str = ""

    @property
    def fraction(self) -> float | None:
        """The share done, 0 to 1, by steps if their number is known, else by epochs."""
        for done, total in ((self.step, self.total_steps), (self.epoch, self.total_epochs)):
            if done is not None and total:
                return min(1.0, max(0.0, done / total))
        return None

    @property
    def remaining(self) -> float | None:
        """Seconds left at the recent rate; None if unknown."""
        if self.step is None or not self.total_steps or not self.rate:
            return None
        return max(0, self.total_steps - self.step) / self.rate


@dataclass(frozen=True)
class Status:
    """The state of a run and who says so.

    Attributes:
        state: The effective state.
        writer: "supervisor", "trainer" or "launcher"; empty if no file could be read.
        host: Where the run runs.
        boot_id: Boot and pid namespace that the pids belong to.
        pid: The training process.
        pid_start: Its start time, as `trainer.runs.proc` gives it.
        supervisor_pid: The supervisor.
        supervisor_start: Its start time.
        started: When the training process started, unix seconds.
        heartbeat: The last sign of life, unix seconds.
        ended: When it ended, unix seconds.
        exit_code: The training process's exit code; None if a signal ended it or unknown.
        signal: The number of the signal that ended it.
        reason: Why it ended or waits, for people.
        attempt: 1 for the first start, one more for each resume.
        progress: How far it has come.
        resume: The checkpoint that this attempt started from, as recorded; empty for none.
        queue: The device that it waits or waited for; empty without a queue.
        alive: Whether a process of the run (trainer or supervisor) still runs.
        local: Whether its processes can be checked and signalled from here.
        problem: What is wrong with the folder's status files; empty if nothing.
    """

    state: State
    writer: str = ""
    host: str = ""
    boot_id: str = ""
    pid: int | None = None
    pid_start: str | None = None
    supervisor_pid: int | None = None
    supervisor_start: str | None = None
    started: float | None = None
    heartbeat: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    attempt: int = 1
    progress: Progress = field(default_factory=Progress)
    resume: str = ""
    queue: str = ""
    alive: bool = False
    local: bool = False
    problem: str = ""

    @property
    def terminal(self) -> bool:
        """Whether the run is over."""
        return self.state in TERMINAL


def exit_code_for(status: Status) -> int:
    """Give the exit code that a command waiting for the run ends with.

    Completed and stopped on request 0, timeout 3, out of memory 4; failed 2 where the training
    process found a mistake in the config or the data, everything else 1.
    """
    if status.state is State.FAILED and status.exit_code == EXIT_WRONG_INPUT:
        return EXIT_WRONG_INPUT
    return _EXIT_CODES.get(status.state, EXIT_FAILED)


def read_status(run: RunFolder | Path | str, *, now: float | None = None) -> Status:
    """Tell the effective state of a run.

    The supervisor's word counts as long as it lives. Without it the trainer's own end counts,
    then the trainer's process, and where neither exists the run is lost. Processes are checked
    by pid and start time where they can be; from another machine (or after a reboot) only the
    heartbeat counts, by the file's time stamp against the file system's own clock.

    Args:
        run: The run folder.
        now: Unix seconds to judge heartbeats by; the file system's clock if None.
    """
    # Plain strings: a list of ten thousand runs spends more on paths than on reading.
    folder = os.fspath(run.path if isinstance(run, RunFolder) else run)
    main, main_problem = _load(folder, STATUS)
    own, _ = _load(folder, TRAINER_STATUS)
    if not main and not own:
        missing = main_problem or "status.json is missing"
        return Status(state=State.LOST, reason=missing, problem=missing)
    status = parse(main or own)
    trainer = parse(own) if own else None
    if trainer is not None and main and trainer.attempt != status.attempt:
        # Left over from an attempt before this one, which has not come to write yet.
        trainer = None
    if trainer is not None and status.pid is not None and not _speaks_for(own, status):
        # Somebody else has found the folder and beats.
        trainer = None
    if trainer is not None:
        status = _merge(status, trainer)
    if main_problem:
        status = replace(status, problem=main_problem)
    if status.state in TERMINAL:
        return status

    status = replace(status, local=bool(status.boot_id) and status.boot_id == proc.boot_id())
    if status.local:
        supervised = proc.is_alive(status.supervisor_pid, status.supervisor_start)
        training = proc.is_alive(status.pid, status.pid_start)
    else:
        supervised = training = _beats(folder, status, now)
    if supervised or training:
        return _living(status, trainer, supervised)
    if trainer is not None and trainer.state in TERMINAL:
        return _ended_by(status, trainer)
    # They may have recorded the end and gone between our two looks.
    if (main, own) != (_load(folder, STATUS)[0], _load(folder, TRAINER_STATUS)[0]):
        return read_status(folder, now=now)
    reason = status.reason
    if status.writer == "launcher":
        reason = "it was never started"
    elif status.state is State.QUEUED:
        reason = "its supervisor died while it waited in the queue"
    elif status.local:
        reason = "no process of the run is left and none recorded an end"
    else:
        reason = f"no heartbeat from {status.host or 'its host'}"
    return replace(status, state=State.LOST, reason=reason, ended=status.heartbeat)


def _speaks_for(own: dict[str, Any], status: Status) -> bool:
    """Tell whether `status.trainer.json` is by the recorded process or from its session."""
    pid = integer(own.get("pid"))
    return pid in (None, status.pid) or own.get("sid") == status.pid


def _living(status: Status, trainer: Status | None, supervised: bool) -> Status:
    """Settle a run of which a process lives."""
    if not supervised and trainer is not None:
        # Nobody else speaks for it any more.
        if trainer.state in TERMINAL:
            return replace(_ended_by(status, trainer), alive=True)
        return replace(status, state=trainer.state, reason=trainer.reason, alive=True)
    if (
        trainer is not None
        and status.state in (State.STARTING, State.RUNNING)
        and trainer.state in (State.RUNNING, State.STOPPING)
    ):
        return replace(status, state=trainer.state, alive=True)
    return replace(status, alive=True)


def _ended_by(status: Status, trainer: Status) -> Status:
    """Take over the end that the trainer recorded."""
    return replace(
        status,
        state=trainer.state,
        reason=trainer.reason,
        exit_code=trainer.exit_code,
        signal=trainer.signal,
        ended=trainer.ended or trainer.heartbeat,
    )


def _merge(status: Status, trainer: Status) -> Status:
    """Fill in what the trainer knows better: its progress, and its pid if ours is missing."""
    beats = [beat for beat in (status.heartbeat, trainer.heartbeat) if beat is not None]
    merged = replace(status, heartbeat=max(beats, default=None))
    if trainer.progress != Progress() and trainer.state is not State.STARTING:
        merged = replace(merged, progress=trainer.progress)
    if merged.pid is None:
        merged = replace(
            merged,
            pid=trainer.pid,
            pid_start=trainer.pid_start,
            started=merged.started or trainer.started,
        )
    return merged


def _beats(folder: str, status: Status, now: float | None) -> bool:
    """Tell whether a run that cannot be checked by pid has given a sign of life lately."""
    stamps = [status.heartbeat] if status.heartbeat is not None else []
    for name in (STATUS, TRAINER_STATUS):
        try:
            stamps.append(Path(folder, name).stat().st_mtime)
        except OSError:
            continue
    clock = time.time() if now is None else now
    if any(abs(clock - stamp) <= STALE_SECONDS for stamp in stamps):
        return True
    if now is None:
        # Our clock may be the one that is wrong: ask the file system for its own.
        clock = _file_system_time(Path(folder), clock)
    return any(-SKEW_SECONDS <= clock - stamp <= STALE_SECONDS for stamp in stamps)


def _file_system_time(folder: Path, fallback: float) -> float:
    """Read the clock that stamps files in this folder."""
    probe = folder / f".clock.{os.getpid()}.tmp"
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return fallback
    try:
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
        try:
            probe.unlink()
        except OSError:
            pass


def _load(folder: str, name: str) -> tuple[dict[str, Any], str]:
    """Read one status file: its content, and what is wrong with it."""
    try:
        raw = read_json(f"{folder}/{name}")
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"{name} cannot be read: {error.strerror or error}"
    except ValueError:
        return {}, f"{name} is garbled"
    return (raw, "") if known_state(raw.get("state")) else ({}, f"{name} is garbled")


def parse(raw: dict[str, Any]) -> Status:
    """Make a Status of what one status file holds, as it stands; wrong types read as missing."""
    return Status(
        state=known_state(raw.get("state")) or State.LOST,
        writer=text(raw.get("writer")),
        host=text(raw.get("host")),
        boot_id=text(raw.get("boot_id")),
        pid=integer(raw.get("pid")),
        pid_start=text(raw.get("pid_start")) or None,
        supervisor_pid=integer(raw.get("supervisor_pid")),
        supervisor_start=text(raw.get("supervisor_start")) or None,
        started=number(raw.get("started")),
        heartbeat=number(raw.get("heartbeat")),
        ended=number(raw.get("ended")),
        exit_code=integer(raw.get("exit_code")),
        signal=integer(raw.get("signal")),
        reason=text(raw.get("reason"), 2000),
        attempt=max(1, integer(raw.get("attempt")) or 1),
        progress=_progress(raw.get("progress")),
        resume=text(raw.get("resume"), 4096),
        queue=text(raw.get("queue")),
    )


def _progress(raw: object) -> Progress:
    if not isinstance(raw, dict):
        return Progress()
    metrics = raw.get("metrics")
    values = metrics.items() if isinstance(metrics, dict) else ()
    return Progress(
        step=integer(raw.get("step")),
        epoch=integer(raw.get("epoch")),
        total_steps=integer(raw.get("total_steps")),
        total_epochs=integer(raw.get("total_epochs")),
        metrics={
            printable(str(name)): found
            for name, value in values
            if (found := any_number(value)) is not None
        },
        rate=positive(raw.get("rate")),
        phase=text(raw.get("phase"), 200),
    )
