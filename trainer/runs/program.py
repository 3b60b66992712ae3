"""The command line and variables of a training process: made here, not believed from a folder.

A run folder may come from anybody. Going on with it means to run our engine in it, never what
its `run.json` says.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.errors import Problem, RunError
from trainer.runs.layout import RunFolder, write_json_atomic
from trainer.secrets import has_password, is_secret_name

ENGINE = "trainer.engine"
# These choose which code a process loads; on resuming they come from the person's own shell.
_LOADS_CODE = re.compile(r"(?:LD_|DYLD_|PYTHON|BASH_|GCONV_|TRAINDECK_)|(?:PATH|HOME|ENV|IFS)\Z")


def command_line(argv: Sequence[str] | None, run: RunFolder, cwd: Path) -> list[str]:
    """Give the training process's command line.

    Args:
        argv: The program to run, with `{run}` for the run folder; our engine if None.
        run: The run folder.
        cwd: Where it will run.
    """
    folder = str(run.path)
    if argv is not None:
        return [word.replace("{run}", folder) for word in argv]
    return [*python(cwd), "-m", ENGINE, folder]


def python(cwd: Path) -> list[str]:
    """Give the words that start a Python which finds the person's own classes, and ours.

    Args:
        cwd: Where it will run.
    """
    ours = Path(__file__).parent.parent
    shadowed = [path for path in (cwd / "trainer", cwd / "trainer.py") if path.exists()]
    # Normally Python puts the working directory first, which the person's own classes need;
    # where something there would be taken for this package it must not.
    safe = ["-P"] if any(not path.samefile(ours) for path in shadowed) else []
    return [sys.executable, *safe]


def secrets_in(variables: Mapping[str, str]) -> list[str]:
    """Name the variables that look like secrets, which are not written down."""
    return [key for key, value in variables.items() if is_secret_name(key) or has_password(value)]


def settle(run: RunFolder, argv: Sequence[str] | None = None) -> None:
    """Write anew into `run.json` what resuming the run will execute.

    Args:
        run: The run.
        argv: The program as for `command_line`, from somebody who knows what it is; our engine
            if None.

    Raises:
        RunError: The run is of another program, and none was given.
        OSError: `run.json` cannot be written.
    """
    identity = run.identity()
    if argv is None and not _is_of_our_engine(identity):
        raise RunError(
            Problem(
                f"{run.path.name} was not made by `traindeck train`: its run.json names another "
                "program, which is not executed on its word",
                remedy="Start that program yourself, in the way it was started before.",
            )
        )
    cwd, extra = identity.get("cwd"), identity.get("env")
    place = Path(cwd) if isinstance(cwd, str) and "\0" not in cwd else Path.cwd()
    given = {str(k): str(v) for k, v in extra.items()} if isinstance(extra, dict) else {}
    refused = secrets_in(given)
    kept = {k: v for k, v in given.items() if k not in refused and not _LOADS_CODE.match(k)}
    settled = {
        **identity,
        "argv": command_line(argv, RunFolder(run.path.absolute()), place),
        "env": kept,
        "cwd": str(place),
    }
    if settled != identity:
        write_json_atomic(run.run_json, settled)


def _is_of_our_engine(identity: Mapping[str, Any]) -> bool:
    argv = identity.get("argv")
    if identity.get("launcher") != "local" or not isinstance(argv, list):
        return False
    words = [word for word in argv[1:] if word != "-P"]
    return len(words) == 3 and words[:2] == ["-m", ENGINE]
