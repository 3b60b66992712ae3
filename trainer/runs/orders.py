"""What a launcher tells the process that it starts: environment variables, read once.

They mean this process and no other. Left in the environment they would be inherited by whatever
it starts, and a second training among that would take itself for this run. Standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

# The supervisor names the run and itself to the process that it starts.
ENV_RUN = "TRAINDECK_RUN"
ENV_SUPERVISOR = "TRAINDECK_SUPERVISOR"
ENV_ATTEMPT = "TRAINDECK_ATTEMPT"
ENV_RESUME = "TRAINDECK_RESUME"
# A pipe on which the process says how it ended, for when the disk is full: `describe_pipe`.
ENV_END = "TRAINDECK_END"
# How a launcher of one's own may name the run folder.
ENV_RUN_DIR = "TRAINDECK_RUN_DIR"

# What a training process gets where nobody has set it: sets of texts have the same order each time.
TRAINING_ENV = {"PYTHONHASHSEED": "0"}

_NAMES = (ENV_RUN, ENV_SUPERVISOR, ENV_ATTEMPT, ENV_RESUME, ENV_END, ENV_RUN_DIR)

# Whom they were for, since a forked child inherits memory too; and what was said.
_taken: tuple[int, Mapping[str, str]] = (0, {})


def describe_pipe(descriptor: int) -> str:
    """Name an open pipe so that whoever did not inherit it takes no other file for it."""
    found = os.fstat(descriptor)
    return f"{descriptor}:{found.st_dev}:{found.st_ino}"


def pipe_of(told: Mapping[str, str]) -> int | None:
    """Give the descriptor of the pipe that the launcher named; None if this process lacks it."""
    text = told.get(ENV_END, "")
    try:
        descriptor = int(text.partition(":")[0])
        if describe_pipe(descriptor) != text:
            return None
        # It is for this process, not for what it starts.
        os.set_inheritable(descriptor, False)
    except (OSError, ValueError, OverflowError):
        return None
    return descriptor


def take() -> Mapping[str, str]:
    """Give what the launcher has told this process, and take it out of the environment.

    Returns:
        The variables by name, at every call the same; empty in a process that nobody launched,
        children of a launched one among them.
    """
    global _taken
    found = {name: os.environ.pop(name) for name in _NAMES if name in os.environ}
    if found.get(ENV_RUN) or found.get(ENV_RUN_DIR):
        _taken = (os.getpid(), found)
    pid, told = _taken
    return told if pid == os.getpid() else {}
