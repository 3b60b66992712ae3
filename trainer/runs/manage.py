"""What can be done with a run from outside: stop, kill, wait, resume, remove."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from trainer.errors import Problem, RunError
from trainer.runs import control, lock, proc, program, signals
from trainer.runs.folders import new_id
from trainer.runs.layout import RunFolder, open_regular, read_json_or_empty, write_json_atomic
from trainer.runs.record import new_record
from trainer.runs.status import State, Status, read_status

_MOST_ATTEMPTS_KEPT = 100
_KILLED = "killed on request"
# How `trainer.runs.folders` names the day's folder and the run's in it.
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d\d-\d\d-\d\d-.")


def request_stop(run: RunFolder, after: str = "step", *, reason: str = "") -> Path | None:
    """Ask for a stop with a checkpoint.

    Args:
        run: A live run, on this machine or another one that shares the folder.
        after: "step", "epoch" or "now".
        reason: Why, for people.

    Returns:
        The request's file; None if the disk took none and it was asked for by signal.

    Raises:
        RunError: The run is over, or the folder cannot be written.
    """
    return ask(run, "stop", after=after, **({"reason": reason} if reason else {}))


def ask(run: RunFolder, kind: str, **fields: object) -> Path | None:
    """Ask a live run for something; see `trainer.runs.control.request`.

    Returns:
        The request's file; None if the disk took none and a stop was asked for by signal.

    Raises:
        RunError: The run is over, or the folder cannot be written.
    """
    status = _live(run)
    try:
        return control.request(run, kind, **fields)
    except OSError as error:
        if kind == "stop" and status.local and _stop_by_signal(run, status):
            return None
        raise _unwritten(error) from error


def _stop_by_signal(run: RunFolder, status: Status) -> bool:
    """Ask for a stop without the disk; False if there is nobody to ask."""
    if status.state is State.STOPPING:
        # Asking a second time would mean to insist.
        return True
    if status.writer == "supervisor":
        # It passes the signal on, and knows then why the process ended.
        told = signals.send(run, status.supervisor_pid, status.supervisor_start, signal.SIGTERM)
        if told:
            return True
    return signals.send(run, status.pid, status.pid_start, signal.SIGTERM)


def _live(run: RunFolder) -> Status:
    status = read_status(run)
    if status.terminal:
        raise RunError(f"{run.path.name} is not running: {status.state}")
    return status


def _unwritten(error: OSError) -> RunError:
    return RunError(f"the request cannot be written: {error.strerror or error}")


def kill_now(run: RunFolder, *, patience: float = 5.0) -> Status:
    """End a run at once: TERM, then KILL for its whole process group.

    The supervisor does it where it lives (also on another machine); without one, or where the
    disk takes no request, this process does, after making sure that it is the right one.

    Args:
        run: The run.
        patience: Seconds between TERM and KILL.

    Returns:
        The status afterwards.

    Raises:
        RunError: The run is over already, it runs elsewhere and the request cannot be written,
            or its recorded process is not of this run.
    """
    status = _live(run)
    try:
        asked = control.request(run, "kill", reason=_KILLED)
    except OSError as error:
        if not status.local:
            raise _unwritten(error) from error
        return _kill_by_signal(run, status, patience)
    supervised = proc.is_alive(status.supervisor_pid, status.supervisor_start)
    if status.writer != "launcher" and (supervised or not status.local):
        # It allows its own few seconds before it kills.
        after = wait(run, timeout=patience + 10.0)
        if after.terminal or not status.local:
            return after
    with suppress(OSError):
        asked.unlink(missing_ok=True)
    return _kill_by_signal(run, read_status(run), patience)


def _kill_by_signal(run: RunFolder, status: Status, patience: float) -> Status:
    """End a run on this machine by our own hand."""
    pid, start = status.pid, status.pid_start
    if not signals.send(run, pid, start, signal.SIGTERM):
        if status.writer == "supervisor":
            # It waits in a queue, or has yet to start the process.
            signals.send(run, status.supervisor_pid, status.supervisor_start, signal.SIGTERM)
            return wait(run, timeout=patience)
        return read_status(run)
    deadline = time.monotonic() + patience
    while proc.is_alive(pid, start) and time.monotonic() < deadline:
        time.sleep(0.05)
    signals.send(run, pid, start, signal.SIGKILL, group=True)
    _record_kill(run, status)
    after = wait(run, timeout=5.0)
    if not after.terminal and not proc.is_alive(pid, start):
        # Its supervisor waits for a disk that is full.
        return replace(after, state=State.KILLED, reason=f"{_KILLED}; not written down yet")
    return after


def _record_kill(run: RunFolder, status: Status) -> None:
    """Write down the end of a run that has nobody else to do so."""
    deadline = time.monotonic() + 5.0
    while proc.is_alive(status.pid, status.pid_start) and time.monotonic() < deadline:
        time.sleep(0.02)
    if read_status(run).state is not State.LOST:
        return
    record = read_json_or_empty(run.status)
    record.update(
        state=State.KILLED,
        reason=_KILLED,
        signal=int(signal.SIGKILL),
        ended=time.time(),
    )
    try:
        write_json_atomic(run.status, record)
    except OSError:
        return


def wait(run: RunFolder, timeout: float | None = None) -> Status:
    """Wait until a run is over.

    Args:
        run: The run.
        timeout: Seconds to wait at most; None for no limit.

    Returns:
        Its status; not terminal if the time was up.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = 0.02
    while True:
        status = read_status(run)
        if status.terminal:
            return status
        left = pause if deadline is None else min(pause, deadline - time.monotonic())
        if left <= 0:
            return status
        time.sleep(left)
        pause = min(pause * 1.5, 0.5)


def prepare_resume(
    run: RunFolder, *, checkpoint: Path | None = None, argv: Sequence[str] | None = None
) -> Path:
    """Make a run that is over ready to go on in the same folder; `launch.start` does the rest.

    Control files of before are removed, the attempt is counted up, and how the last one ended
    is kept in `previous`. What will be executed is settled anew (`trainer.runs.program`):
    whatever `run.json` may name, only our own engine goes on by itself.

    Args:
        run: The run.
        checkpoint: What to start from; the last whole checkpoint if None.
        argv: The program of a run that is not our engine's, with `{run}` for the run folder.

    Returns:
        The checkpoint.

    Raises:
        RunError: The run is running, has no checkpoint that is whole, or is of another program.
    """
    with while_over(run, "written") as status:
        chosen = checkpoint or find_checkpoint(run)
        if chosen is None:
            raise RunError(
                Problem(
                    f"{run.path.name} has no whole checkpoint in {checkpoint_folder(run)}",
                    remedy="Start it again from the beginning with `traindeck rerun`.",
                )
            )
        if not is_whole(chosen):
            raise RunError(f"{chosen} is not a whole checkpoint")
        program.settle(run, argv)
        control.clear(run)
        _count_up(run, status, chosen)
    return chosen


@contextmanager
def while_over(run: RunFolder, done: str) -> Iterator[Status]:
    """Hold a run that is over, so that nobody takes it up meanwhile.

    Args:
        run: The run.
        done: What cannot be done to it if the disk refuses: "written", "removed".

    Raises:
        RunError: It is live, or the disk refuses.
    """
    try:
        held = lock.take(run)
    except BlockingIOError:
        raise _is_running(run) from None
    except OSError as error:
        raise RunError(f"{run.path} cannot be {done}: {error.strerror or error}") from error
    try:
        status = read_status(run)
        if not status.terminal or proc.is_alive(status.pid, status.pid_start):
            raise _is_running(run)
        yield status
    except OSError as error:
        raise RunError(f"{run.path} cannot be {done}: {error.strerror or error}") from error
    finally:
        os.close(held)


def _count_up(run: RunFolder, status: Status, checkpoint: Path) -> None:
    """Write the status that the next attempt begins with."""
    before = read_json_or_empty(run.status)
    previous = before.get("previous")
    ended = {
        "attempt": status.attempt,
        "state": status.state,
        "reason": status.reason,
        "started": status.started,
        "ended": status.ended,
        "exit_code": status.exit_code,
        "signal": status.signal,
    }
    absolute = checkpoint.absolute()
    inside = absolute.is_relative_to(run.path.absolute())
    kept = [*(previous if isinstance(previous, list) else []), ended][-_MOST_ATTEMPTS_KEPT:]
    record = new_record(
        "launcher",
        State.STARTING,
        heartbeat=time.time(),
        attempt=status.attempt + 1,
        resume=str(absolute.relative_to(run.path.absolute()) if inside else absolute),
        progress=before.get("progress") or {},
        previous=kept,
    )
    write_json_atomic(run.status, record)


def _is_running(run: RunFolder) -> RunError:
    return RunError(
        Problem(
            f"{run.path.name} is running",
            remedy="Stop it first: `traindeck stop`.",
        )
    )


def find_checkpoint(run: RunFolder, *, folder: Path | None = None) -> Path | None:
    """Find what to resume from: `last.ckpt` if it is whole, else the newest one that is.

    Args:
        run: The run.
        folder: Where the checkpoints lie; where the run's config has them if None.
    """
    place = folder or checkpoint_folder(run)
    last = place / "last.ckpt"
    if is_whole(last):
        return last
    stamped = []
    for path in place.glob("*.ckpt"):
        try:
            stamped.append((path.stat().st_mtime_ns, path.name, path))
        except OSError:
            # A link whose target is gone.
            continue
    for _, _, path in sorted(stamped, reverse=True):
        if is_whole(path):
            return path
    return None


def checkpoint_folder(run: RunFolder) -> Path:
    """Give the folder of a run's checkpoints, which `trainer.ckpt_dir` may have put elsewhere."""
    recorded = run.identity().get("checkpoint_dir")
    if not isinstance(recorded, str) or not recorded or "\0" in recorded:
        return run.checkpoints
    return Path(recorded)


def is_whole(checkpoint: Path) -> bool:
    """Tell whether a checkpoint file is complete.

    torch writes ZIP files, whose table of contents comes last: what was cut off has none.
    """
    try:
        with os.fdopen(open_regular(checkpoint), "rb") as file, zipfile.ZipFile(file) as archive:
            return bool(archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def remove(run: RunFolder) -> None:
    """Remove a run that is over, with everything in its folder.

    Raises:
        RunError: The run is live, the folder may not be a run's at all, or cannot be removed.
    """
    if run.path.is_symlink():
        run.path.unlink()
        return
    if not is_ours(run):
        raise RunError(
            Problem(
                f"{run.path} holds no run.json of a run; it may be no run's folder, and is kept",
                remedy="Look into it, and remove it by hand if nothing in it is needed.",
            )
        )
    with while_over(run, "removed"):
        # Gone from every list in one step, however long removing takes.
        hidden = run.path.parent / f".removing-{new_id()}"
        run.path.rename(hidden)
        shutil.rmtree(hidden)


def is_ours(run: RunFolder) -> bool:
    """Tell whether a folder is surely a run's: by its `run.json`, or else by where it lies."""
    identity = run.identity()
    known = identity.get("id")
    if identity.get("v") == 1 and isinstance(known, str) and known:
        return True
    # Broken runs must go too, but a status.json alone may lie in anybody's folder.
    place = run.path.absolute()
    return bool(_DAY.fullmatch(place.parent.name) and _TIME.match(place.name))
