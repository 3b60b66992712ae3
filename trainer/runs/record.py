"""The status of an attempt before anything has happened in it. Standard library only."""

from __future__ import annotations

import os
from typing import Any

from trainer.runs import proc
from trainer.runs.status import State


def new_record(writer: str, state: State, **known: Any) -> dict[str, Any]:
    """Give the fields of a `status.json` whose supervisor, or stand-in for it, is this process.

    Args:
        writer: "supervisor", or "launcher" as long as there is none.
        state: The state to begin with.
        known: Fields that are known already, in place of those here or besides them.
    """
    me = os.getpid()
    return {
        "v": 1,
        "state": state,
        "writer": writer,
        "host": proc.host_name(),
        "boot_id": proc.boot_id(),
        "pid": None,
        "pid_start": None,
        "supervisor_pid": me,
        "supervisor_start": proc.process_start_time(me),
        "started": None,
        "heartbeat": None,
        "ended": None,
        "exit_code": None,
        "signal": None,
        "reason": "",
        "attempt": 1,
        "progress": {},
        **known,
    }
