"""Writing events from inside a training process, without ever making it wait or fail."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from trainer.events.encode import encode_event, encode_metrics, plain_metrics
from trainer.events.schema import ALERT, LOG, is_important
from trainer.events.sink import FileSink

#: At most so many rows wait for the background thread. A flood waits for room for a moment; while
#: the disk hangs, what finds none is dropped and counted.
MAX_PENDING = 50_000

_ROOM_WAIT = 0.5
_HUNG_FOR = 30.0

_Row = tuple[float, int, float | None, dict[str, Any]]
_writers: weakref.WeakSet[EventWriter] = weakref.WeakSet()


class EventWriter:
    """Appends events to a JSON lines file.

    Calls only note what happened; a background thread encodes and writes it within
    `flush_interval`, and sleeps while nothing happens. Important events (everything but metrics
    and quiet log lines) are on disk when `emit` returns, unless the disk itself hangs.

    A full disk, an unreachable share or a value that cannot be encoded never raise into training:
    what cannot be written waits in a bounded backlog, what does not fit there is counted in
    `dropped` and named in a `log` event as soon as writing works again.

    Threads may share a writer. A forked child may go on using it: it starts with nothing pending
    and a thread of its own. One process at a time should write to a file.

    Args:
        path: The file; parent folders are made. An unfinished last line (of a crashed process)
            is closed with a newline before anything is appended.
        flush_interval: The longest time an event waits for the disk, in seconds.
        sync: Ask the disk (`fdatasync`) after every write: slower, but other machines that
            read a shared disk see lines sooner, and a power cut loses less.

    Raises:
        OSError: The file cannot be made at all (no permission, a folder of that name). A full
            disk does not count as such.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, flush_interval: float = 0.25, sync: bool = False
    ) -> None:
        self.path = Path(path)
        self.flush_interval = flush_interval
        self._sink = FileSink(self.path, sync=sync)
        self._closed = False
        self._reset_after_fork()
        _writers.add(self)

    def emit(self, event: str, /, *, flush: bool | None = None, **fields: Any) -> None:
        """Write an event of any name; `v` and `ts` are added.

        Args:
            event: What happened, e.g. `checkpoint`.
            flush: Whether to wait until it is on disk; None decides by importance.
            **fields: Whatever belongs to it. Values that JSON lacks become texts.
        """
        fields.setdefault("ts", time.time())
        try:
            important = is_important(event, fields.get("level"))
            self._put((encode_event(event, fields), important))
        except Exception:  # a foreign object may raise anything, and training must not feel it
            self._overflow += 1
            return
        if important if flush is None else flush:
            self.flush(timeout=1.0)

    def metrics(
        self,
        step: int,
        values: Mapping[str, Any],
        *,
        epoch: float | None = None,
        ts: float | None = None,
    ) -> None:
        """Note the metrics of a step; costs a few microseconds.

        Args:
            step: Optimiser steps done so far.
            values: Name to number. Tensors and arrays of one element are read at once (that
                waits for the device they live on; pass floats to avoid it).
            epoch: The epoch, counted from 0.
            ts: Unix seconds; now, if None.
        """
        try:
            self._put((time.time() if ts is None else ts, step, epoch, plain_metrics(values)))
        except Exception:  # as in emit
            self._overflow += 1

    def metrics_rows(
        self, rows: Iterable[tuple[float, int, float | None, Mapping[str, Any]]]
    ) -> None:
        """Note many rows of (ts, step, epoch, values) in one go."""
        try:
            for ts, step, epoch, values in rows:
                self._put((ts, step, epoch, plain_metrics(values)))
        except Exception:  # as in emit
            self._overflow += 1

    def log(self, level: str, message: str) -> None:
        """Write a line of prose; warnings and worse are flushed at once."""
        self.emit(LOG, level=level, message=message)

    def alert(
        self,
        level: str,
        kind: str,
        message: str,
        *,
        step: int | None = None,
        advice: str | None = None,
        **more: Any,
    ) -> None:
        """Write an alert: something a person should look at, what to do about it, evidence."""
        fields: dict[str, Any] = {**more, "level": level, "kind": kind, "message": message}
        if step is not None:
            fields["step"] = step
        if advice is not None:
            fields["advice"] = advice
        self.emit(ALERT, **fields)

    @property
    def dropped(self) -> int:
        """Lines lost so far: to a full disk, or to one too slow for what was sent."""
        return self._sink.dropped + self._overflow

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything noted so far is on disk.

        Returns:
            Whether it is; False on a full or hanging disk, or after `timeout` seconds.
        """
        if self._closed:
            return self._sink.settled
        if not self._ensure_thread():
            self._drain()
            return self._sink.settled
        if threading.current_thread() is self._thread:
            return False
        done = threading.Event()
        self._wake.put(done)
        return done.wait(timeout) and self._sink.settled

    def close(self, timeout: float = 5.0) -> None:
        """Write what is left and close the file; later events are counted as dropped."""
        if self._closed:
            return
        self.flush(timeout)
        self._closed = True
        _writers.discard(self)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._wake.put(_STOP)
            thread.join(timeout)
        if thread is None or not thread.is_alive():
            self._drain()
            self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _reset_after_fork(self) -> None:
        # deque.append and SimpleQueue.put take no lock that a signal handler or a fork could
        # leave behind, so events may be sent from anywhere.
        self._pending: deque[_Row | tuple[bytes, bool]] = deque()
        self._wake: SimpleQueue[Any] = SimpleQueue()
        self._idle = True
        self._overflow = 0  # dropped here and not yet passed on to the sink's count
        self._hung_until = 0.0
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._drain_lock = threading.Lock()

    def _put(self, item: _Row | tuple[bytes, bool]) -> None:
        if self._closed or (len(self._pending) >= MAX_PENDING and not self._make_room()):
            self._overflow += 1
            return
        self._pending.append(item)
        if self._idle:
            self._idle = False
            if self._ensure_thread():
                self._wake.put(None)
            else:
                self._drain()

    def _make_room(self) -> bool:
        now = time.monotonic()
        if now < self._hung_until:
            return False
        self.flush(_ROOM_WAIT)
        if len(self._pending) < MAX_PENDING:
            return True
        self._hung_until = now + _HUNG_FOR
        return False

    def _ensure_thread(self) -> bool:
        if self._thread is not None and self._thread.is_alive():
            return True
        with self._start_lock:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name="traindeck-events", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is shutting down, or is out of threads
                    return False
                self._thread = thread
        return True

    def _run(self) -> None:
        wake, interval = self._wake, self.flush_interval
        while True:
            # Waiting for a retry is the only time the thread looks at the clock while idle.
            tickets = self._collect(wake, self._sink.retry_in)
            if tickets and tickets[-1] is None:
                deadline = time.monotonic() + interval
                while tickets[-1] is None and (left := deadline - time.monotonic()) > 0:
                    tickets += self._collect(wake, left) or [None]
            self._drain()
            stop = False
            for ticket in tickets:
                if ticket is _STOP:
                    stop = True
                elif ticket is not None:
                    ticket.set()
            if stop:
                return

    @staticmethod
    def _collect(wake: SimpleQueue[Any], timeout: float | None) -> list[Any]:
        try:
            return [wake.get(timeout=timeout)]
        except Empty:
            return []

    def _drain(self) -> None:
        with self._drain_lock:
            self._idle = True  # before emptying: what comes after wakes the thread again
            pending = self._pending
            lines: list[tuple[bytes, bool]] = []
            for _ in range(len(pending)):
                item = pending.popleft()
                lines.append(item if len(item) == 2 else (encode_metrics(*item), False))
            if self._overflow:
                self._sink.dropped += self._overflow
                self._overflow = 0
            self._sink.write(lines)


_STOP = object()


def _close_all() -> None:
    for writer in list(_writers):
        writer.close()


def _forked() -> None:
    for writer in list(_writers):
        writer._reset_after_fork()
        writer._sink.reset_after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
