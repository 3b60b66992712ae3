"""What a supervisor believes of what is said in its run's name. Standard library only.

The training process writes `status.trainer.json` and, at its end, says the same once more on a
pipe. Anything else that finds the folder may write the file too: a helper that beats must not
turn a training that crashed into one that completed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainer.runs import proc
from trainer.runs.layout import RunFolder, read_json_or_empty
from trainer.runs.status import TERMINAL, State, Status, known_state, parse


class Voice:
    """The words of one training process, or of what it has started to train in its place.

    The process itself is believed. A descendant or member of its session (where the process is
    a wrapper around the training) is believed as long as the process has said nothing itself,
    and its end only if the process then ends well.

    Args:
        run: The run folder.
        pid: The training process that the supervisor started, the leader of its session.
        start: Its start time.
        attempt: Words of another attempt are left over and count for nothing.

    Attributes:
        status: The last words that are believed; None before there are any.
        progress: How far it has come, as written; empty if it did not say.
    """

    def __init__(self, run: RunFolder, pid: int, start: str | None, attempt: int) -> None:
        self.status: Status | None = None
        self.progress: dict[str, Any] = {}
        self._run = run
        self._pid = pid
        self._start = start
        self._attempt = attempt
        self._stamp = 0
        self._itself = False
        self._members: set[tuple[object, object]] = set()

    def look(self) -> State | None:
        """Read the file if it has changed, and give the state that it tells of; None if none."""
        try:
            stamp = self._run.trainer_status.stat().st_mtime_ns
        except OSError:
            return None
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        return self._hear(read_json_or_empty(self._run.trainer_status))

    def last_word(self, returncode: int, said: bytes) -> Status | None:
        """Settle, after its exit, what the process has said of its end.

        Args:
            returncode: As `subprocess` gives it.
            said: What came by the pipe.

        Returns:
            Its own end; or its last words before, if it told none that counts.
        """
        # Unconditionally: a file replaced twice within one tick of the clock has one stamp.
        self._hear(read_json_or_empty(self._run.trainer_status))
        for line in said.splitlines():
            if self.status is not None and self.status.state in TERMINAL and self._itself:
                break
            self._hear(_object(line))
        status = self.status
        if status is None or status.state not in TERMINAL or self._itself or returncode == 0:
            return status
        return None

    def _hear(self, raw: Mapping[str, Any]) -> State | None:
        if raw.get("attempt") != self._attempt or not known_state(raw.get("state")):
            return None
        # A process that was gone before its start time could be read is known by its pid alone.
        itself = raw.get("pid") == self._pid and self._start in (None, raw.get("pid_start"))
        if not itself and (self._itself or not self._is_member(raw)):
            return None
        self._itself = itself
        self.status = parse(dict(raw))
        progress = raw.get("progress")
        if isinstance(progress, dict) and progress:
            self.progress = progress
        return self.status.state

    def _is_member(self, raw: Mapping[str, Any]) -> bool:
        pid, start = raw.get("pid"), raw.get("pid_start")
        if raw.get("sid") == self._pid or (pid, start) in self._members:
            return True
        # Launchers such as torchrun give each worker a session of its own.
        if isinstance(pid, int) and pid in proc.tree(self._pid) and proc.is_alive(pid, start):
            self._members.add((pid, start))
            return True
        return False


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
