"""The leaderboard of a sweep, written when it ends and when somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.commands.output import json_line, line
from trainer.errors import EXIT_OK, Problem, RunError

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.sweeps.drive import Outcome
    from trainer.sweeps.folder import Sweep


def show(sweep: Sweep, as_json: bool) -> int:
    """Write the leaderboard of a sweep as it stands, and print where it is.

    Raises:
        RunError: It cannot be written.
    """
    from trainer.sweeps.leaderboard import write
    from trainer.sweeps.plan import FORMATS

    try:
        # Who asks for it gets it, also where the sweep was told to write none by itself.
        files = write(sweep, formats=sweep.leaderboard or FORMATS)
    except OSError as error:
        remedy = "Check the disk and the rights of that folder."
        raise RunError(Problem(_refused(error), str(sweep.outputs), remedy)) from error
    if as_json:
        json_line({"sweep_id": sweep.id, "leaderboard": [str(path) for path in files]})
        return EXIT_OK
    for path in files:
        line(str(path))
    return EXIT_OK


def at_end(sweep: Sweep, outcome: Outcome) -> tuple[list[Path], str]:
    """Write the leaderboard of a sweep that has ended.

    Returns:
        The files, and why there are none: that is no reason to lose the results.
    """
    from trainer.sweeps.leaderboard import write

    try:
        return write(sweep, outcome.trials), ""
    except OSError as error:
        return [], _refused(error)


def _refused(error: OSError) -> str:
    return f"the leaderboard could not be written: {error.strerror or error}"
