"""What is done to sweeps: the commands that a shell would type, run as processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.events.text import clean

#: A driver has half a minute to come up, and planning thousands of trials takes as long.
_SECONDS = 120.0


@dataclass(frozen=True)
class Done:
    """How a command went.

    Attributes:
        said: The last line that it printed; harmless.
        problem: Why it failed; empty if it did not.
        path: The sweep's folder, if it told of one.
    """

    said: str = ""
    problem: str = ""
    path: Path | None = None


def run(words: Sequence[str], cwd: Path) -> Done:
    """Run a `traindeck` command and wait for it; for a thread.

    Args:
        words: The command, `traindeck` first.
        cwd: Where the person stands.
    """
    try:
        done = subprocess.run(
            # -P: what lies where the person stands must not be taken for modules.
            [sys.executable, "-P", "-m", "trainer.cli", *words[1:]],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            # Ctrl-C in this terminal is not for it.
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return Done(problem=f"no answer within {_SECONDS:.0f} seconds")
    except OSError as error:
        return Done(problem=f"it could not be started: {error.strerror or error}")
    if done.returncode != 0:
        lines = [clean(line) for line in done.stderr.splitlines() if line.strip()]
        told = "\n".join(lines[-4:]) or f"exit code {done.returncode}"
        return Done(problem=told)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    return Done(clean(last), path=_path(last))


def _path(line: str) -> Path | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    path = found.get("path") if isinstance(found, dict) else None
    return Path(path) if isinstance(path, str) else None
