"""Watches one training process from start to end: `python -m trainer.runs.supervisor RUN_FOLDER`.

It is small (no torch, nothing but the standard library) and belongs to nobody: no terminal,
no parent that matters. It starts the training process in a session of its own, beats,
enforces wall clock and memory, and records the end. If it dies, training goes on and
`trainer.runs.beat` speaks for the run.
"""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from trainer.runs import control, ending, lock, proc
from trainer.runs.child import Child, Start, execute, program_of
from trainer.runs.enforce import Enforcer
from trainer.runs.layout import RunFolder, read_json_or_empty, write_json_atomic
from trainer.runs.limits import Limits
from trainer.runs.queue import DeviceQueue
from trainer.runs.record import new_record
from trainer.runs.status import State, read_status
from trainer.runs.voice import Voice

_TICK = 0.25
_BEAT = 1.0
# A full disk at the end: the last status is tried for this long before we give up.
_LAST_WORD_PATIENCE = 600.0


class Supervisor:
    """The life of one attempt of one run.

    Args:
        run: The run folder.
        queue: Devices to wait for before starting; empty starts at once.
        ready: Descriptor on which the launcher waits for "ok" or a refusal; None for none.
        start: What starts the training process.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        queue: tuple[str, ...] = (),
        ready: int | None = None,
        start: Start = execute,
    ):
        self.run = run
        self._start_process = start
        self._ready = ready
        self._wait_for = queue
        self._identity = run.identity()
        self.limits = Limits.of(self._identity.get("limits"))
        self._argv = program_of(self._identity)
        # Only our own engine is sure to beat; any other program runs as soon as it exists.
        self._engine = "trainer.engine" in self._argv
        self._queue: DeviceQueue | None = None
        self._inbox: control.Inbox | None = None
        self._terms = 0
        self._beat_at = 0.0
        self._published: dict[str, Any] = {}
        self._record: dict[str, Any] = {}
        self._wakeup = _listen(self._on_signal)

    def main(self) -> int:
        """Supervise to the end.

        Returns:
            0 when the run has ended, however it did; 2 if it was refused.
        """
        try:
            self._lock = self._take_folder()
        except OSError as error:
            self._answer(f"cannot use {self.run.path}: {error.strerror or error}")
            return 2
        except RuntimeError as error:
            self._answer(str(error))
            return 2
        for leftover in self.run.path.glob(".status*.tmp"):
            leftover.unlink(missing_ok=True)
        self._begin()
        if not self._answer("ok"):
            # The person has been told that it failed: it must not train behind their back.
            self._finish(_failed("its launcher was gone before the supervisor came up"))
            os.close(self._lock)
            return 2
        if not self._argv:
            self._finish(_failed("run.json names no program to run"))
            return 0
        if self._wait_in_line():
            self._train()
        if self._queue is not None:
            self._queue.leave()
        os.close(self._lock)
        return 0

    def _take_folder(self) -> int:
        """Lock the folder, and make sure that no training process is left in it."""
        deadline = time.monotonic() + 1.0
        while True:
            try:
                held = lock.take(self.run)
                break
            except BlockingIOError:
                # The supervisor before us may just be leaving.
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.run.path} is in use by another process") from None
                time.sleep(0.05)
        status = read_status(self.run)
        elsewhere = not status.local and status.alive and status.writer != "launcher"
        if proc.is_alive(status.pid, status.pid_start) or elsewhere:
            os.close(held)
            raise RuntimeError(
                f"the training process of {self.run.path} still runs (pid {status.pid})"
            )
        return held

    def _begin(self) -> None:
        """Write the first status of this attempt."""
        before = read_json_or_empty(self.run.status)
        attempt = before.get("attempt")
        self._record = new_record(
            "supervisor",
            State.QUEUED if self._wait_for else State.STARTING,
            attempt=attempt if isinstance(attempt, int) and attempt > 0 else 1,
            progress=before.get("progress") or {},
        )
        for key in ("previous", "resume"):
            if before.get(key):
                self._record[key] = before[key]
        if self._wait_for:
            self._record["queue"] = ",".join(self._wait_for)
        control.clear(self.run)
        self.run.control.mkdir(exist_ok=True)
        self.run.logs.mkdir(exist_ok=True)
        self._inbox = control.Inbox(self.run)
        self._publish(sync=True)

    def _wait_in_line(self) -> bool:
        """Wait for the devices; False if the run was cancelled while it waited."""
        devices = self._identity.get("devices")
        names = self._wait_for or tuple(devices if isinstance(devices, list) else ())
        if not names:
            return True
        self._queue = DeviceQueue(self._runs_dir(), [str(name) for name in names], self.run.id)
        if not self._wait_for:
            try:
                self._queue.occupy()
            except OSError:
                # Not queueing, it only misses being waited for.
                pass
            return True
        try:
            while why := self._queue.take_turn():
                self._record["reason"] = f"waits for {', '.join(names)}; {why}"
                self._publish_if_due()
                self._sleep()
                if self._cancelled():
                    self._finish(ending.End(State.STOPPED, None, None, "cancelled in the queue"))
                    return False
        except OSError as error:
            self._finish(_failed(f"the queue cannot be used: {error.strerror or error}"))
            return False
        self._record.update(state=State.STARTING, reason="")
        self._publish(sync=True)
        return True

    def _runs_dir(self) -> Path:
        """Give the folder of runs, unless the run was moved out of the one it was made in."""
        recorded = self._identity.get("runs_dir")
        if isinstance(recorded, str) and self.run.path.is_relative_to(recorded):
            return Path(recorded)
        return self.run.path.parent

    def _cancelled(self) -> bool:
        assert self._inbox is not None
        asked = [each for each in self._inbox.poll() if each.kind in ("stop", "kill")]
        for each in asked:
            control.done(each)
        return bool(asked) or self._terms > 0

    def _train(self) -> None:
        """Start the training process and stay with it to its end."""
        evidence = ending.KernelEvidence()
        try:
            child = self._start()
        except (OSError, ValueError) as error:
            self._finish(_failed(f"the training process could not be started: {error}"))
            return
        force = Enforcer(self.run, self.limits, child.pid)
        voice = Voice(self.run, child.pid, self._record["pid_start"], self._record["attempt"])
        while not child.exited():
            if voice.look() in (State.RUNNING, State.STOPPING) and voice.status:
                self._record.update(state=voice.status.state, reason=voice.status.reason)
            self._record["progress"] = voice.progress or self._record["progress"]
            listens = self._engine or voice.status is not None
            self._answer_requests(force, listens)
            force.tick(listens=listens)
            if force.cause:
                self._record.update(state=State.STOPPING, reason=force.why)
            self._publish_if_due()
            self._sleep(force.due)
        returncode, used = child.reap(force)
        self._record["usage"] = {**used, "supervisor_cpu_s": round(time.process_time(), 3)}
        own = voice.last_word(returncode, child.said())
        self._record["progress"] = voice.progress or self._record["progress"]
        end = ending.conclude(
            returncode,
            own,
            engine=self._engine,
            cause=force.cause,
            why=force.why,
            # What its workers held is not known by itself; the one that names them is believed.
            kernel_evidence=lambda worker: evidence.about(
                worker or child.pid, math.inf if worker else self._record["usage"]["max_rss_bytes"]
            ),
            tail=lambda: ending.last_lines(self.run.output, since=child.output_from),
        )
        evidence.close()
        self._finish(end)

    def _start(self) -> Child:
        """Start the training process and say that there is one."""
        child = Child(
            self.run,
            self._identity,
            supervisor=f"{os.getpid()}:{self._record['supervisor_start']}",
            attempt=self._record["attempt"],
            resume=str(self._record.get("resume") or ""),
            keep_open=self._queue.descriptors if self._queue else (),
            start=self._start_process,
        )
        self._record.update(
            state=State.STARTING if self._engine else State.RUNNING,
            pid=child.pid,
            pid_start=proc.process_start_time(child.pid),
            started=time.time(),
        )
        self._publish(sync=True)
        return child

    def _answer_requests(self, force: Enforcer, listens: bool) -> None:
        """Kill on request; stop programs that know nothing of control files by signal."""
        assert self._inbox is not None
        while self._terms > 0:
            self._terms -= 1
            if force.cause == ending.STOP:
                force.insist()
            force.stop("its supervisor was told to stop")
        for each in self._inbox.poll():
            if each.kind == "kill":
                control.done(each)
                force.kill(each.reason or "killed on request")
            elif each.kind == "stop" and not listens:
                control.done(each)
                force.stop(each.reason or "stopped on request")

    def _finish(self, end: ending.End) -> None:
        """Record the end; a full disk is waited out."""
        self._record.update(
            state=end.state,
            reason=end.reason,
            exit_code=end.exit_code,
            signal=end.signal,
            ended=time.time(),
        )
        deadline = time.monotonic() + _LAST_WORD_PATIENCE
        while not self._publish(sync=True):
            if time.monotonic() > deadline or not self.run.path.is_dir():
                return
            time.sleep(0.5)

    def _publish_if_due(self) -> None:
        """Beat once a second, and at once when something but the progress has changed."""
        changed = any(
            self._published.get(key) != self._record.get(key) for key in ("state", "reason", "pid")
        )
        if changed or time.monotonic() >= self._beat_at:
            self._publish(sync=changed)

    def _publish(self, *, sync: bool) -> bool:
        self._record["heartbeat"] = time.time()
        # Due again in a second even if the disk refuses: the old status stays whole meanwhile.
        self._beat_at = time.monotonic() + _BEAT - _TICK / 2
        try:
            write_json_atomic(self.run.status, self._record, sync=sync)
        except OSError:
            return False
        self._published = dict(self._record)
        return True

    def _sleep(self, due: float = math.inf) -> None:
        """Sleep for a tick, or less if something is due, a signal comes or the child ends."""
        pause = min(_TICK, max(0.0, due - time.monotonic()))
        ready, _, _ = select.select([self._wakeup], [], [], pause)
        if ready:
            os.read(self._wakeup, 4096)

    def _on_signal(self) -> None:
        self._terms += 1

    def _answer(self, text: str) -> bool:
        """Tell the launcher; False if it waits no more."""
        if self._ready is None:
            if text != "ok":
                print(text, file=sys.stderr)
            return True
        try:
            os.write(self._ready, text.encode())
        except OSError:
            return False
        finally:
            os.close(self._ready)
            self._ready = None
        return True


def _failed(reason: str) -> ending.End:
    return ending.End(State.FAILED, None, None, reason)


def _listen(on_stop: Any) -> int:
    """Turn signals into something to select on: HUP ignored, TERM and INT noted."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    # Ignored signals stay ignored in the training process: HUP hurts neither.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: on_stop())
    return reader


def _detach() -> None:
    """Leave the launcher behind: the parent exits, so that nobody has to wait for us."""
    if os.fork() > 0:
        os._exit(0)
    os.setsid()


def main(argv: list[str], *, start: Start = execute) -> int:
    """Run the supervisor: `RUN_FOLDER [--detach] [--ready-fd N] [--queue DEVICE,…]`.

    Args:
        argv: Those words.
        start: What starts the training process.

    Returns:
        The exit code.
    """
    words = list(argv)
    ready: int | None = None
    queue: tuple[str, ...] = ()
    if "--detach" in words:
        words.remove("--detach")
        _detach()
    if "--ready-fd" in words:
        at = words.index("--ready-fd")
        ready = int(words[at + 1])
        os.set_inheritable(ready, False)
        del words[at : at + 2]
    if "--queue" in words:
        at = words.index("--queue")
        queue = tuple(name for name in words[at + 1].split(",") if name)
        del words[at : at + 2]
    if len(words) != 1:
        print("usage: python -m trainer.runs.supervisor RUN_FOLDER", file=sys.stderr)
        return 2
    run = RunFolder(Path(words[0]).absolute())
    # Not the launcher's folder: a file system must not stay busy for our sake.
    os.chdir("/")
    return Supervisor(run, queue=queue, ready=ready, start=start).main()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
