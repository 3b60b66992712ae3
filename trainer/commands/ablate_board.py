"""The leaderboard and the plots of a sweep, written when it ends and when somebody asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.commands.output import json_line, line, note
from trainer.errors import EXIT_OK, Problem, RunError
from trainer.sweeps.diagnostics import Drawn, draw, files_of, lacking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainer.sweeps.drive import Outcome
    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.publish import Published


def show(sweep: Sweep, as_json: bool) -> int:
    """Write the leaderboard of a sweep as it stands, and print where it is.

    Raises:
        RunError: It cannot be written.
    """
    files = _board(sweep)
    if as_json:
        json_line({"sweep_id": sweep.id, "leaderboard": [str(path) for path in files]})
        return EXIT_OK
    for path in files:
        line(str(path))
    return EXIT_OK


def show_plots(sweep: Sweep, as_json: bool) -> int:
    """Draw the plots of a sweep as it stands, write its leaderboard anew, and print where all is.

    Raises:
        RunError: matplotlib is missing, nothing could be drawn, or nothing can be written.
    """
    from trainer.sweeps.kinds import PICTURES

    if lack := lacking():
        what, _, remedy = lack.partition(": ")
        raise RunError(Problem(f"{what}.", "", f"Install it: {remedy}"))
    # Who asks for them gets them, also where the sweep was told to draw none by itself.
    drawn = draw(sweep, sweep.diagnostics or PICTURES)
    for each in drawn.notes:
        note(f"traindeck: {each}")
    if not drawn.plots:
        why = drawn.notes[0] if drawn.notes else "no trial has told of anything yet"
        raise RunError(Problem(f"there is nothing to draw: {why}", str(sweep.path)))
    board = _board(sweep)
    files = files_of(sweep)
    if as_json:
        texts = {"diagnostics": [str(p) for p in files], "leaderboard": [str(p) for p in board]}
        json_line({"sweep_id": sweep.id, **texts, "notes": list(drawn.notes)})
        return EXIT_OK
    for path in (*files, *board):
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


def plots_at_end(sweep: Sweep, outcome: Outcome, given_up: Callable[[], bool]) -> Drawn:
    """Draw the plots of a sweep that has ended by itself, and let the leaderboard show them.

    Args:
        sweep: The sweep.
        outcome: How it ended; whoever stopped it does not wait for plots.
        given_up: Whether somebody wants to leave now.
    """
    if outcome.asked or not any(trial.run for trial in outcome.trials):
        return Drawn()
    drawn = draw(sweep, given_up=given_up)
    if not drawn.plots:
        return drawn
    _, refused = at_end(sweep, outcome)
    return Drawn(drawn.plots, (*drawn.notes, *([refused] if refused else [])))


def show_model(sweep: Sweep, as_json: bool) -> int:
    """Publish the model of the best trial as the sweep stands, and print where it is.

    Raises:
        RunError: There is none, or the disk refuses.
    """
    from trainer.sweeps.publish import best_trial, publish

    found = publish(sweep)
    if found is None:
        best = best_trial(sweep)
        why = (
            f"no trial has ended with a value of {sweep.metric} yet"
            if best is None
            else f"trial {best.trial}, the best by {sweep.metric}, has left no model"
        )
        remedy = "" if best is None else "Only trainings that end with a model do, such as LoRA's."
        raise RunError(Problem(f"there is nothing to publish: {why}.", str(sweep.path), remedy))
    if as_json:
        json_line({"sweep_id": sweep.id, "model": str(found.folder), "trial": found.trial})
        return EXIT_OK
    line(str(found.folder))
    return EXIT_OK


def publish_at_end(sweep: Sweep, outcome: Outcome) -> Published | None:
    """Publish the model of the best trial of a sweep that has ended by itself, if it says so."""
    from trainer.sweeps.publish import publish

    if outcome.asked or sweep.publish != "best":
        return None
    try:
        return publish(sweep, outcome.trials)
    except RunError as error:
        # No reason to lose the results.
        note(f"traindeck: {error}")
        return None


def _board(sweep: Sweep) -> list[Path]:
    from trainer.sweeps.kinds import FORMATS
    from trainer.sweeps.leaderboard import write

    try:
        # Who asks for it gets it, also where the sweep was told to write none by itself.
        return write(sweep, formats=sweep.leaderboard or FORMATS)
    except OSError as error:
        remedy = "Check the disk and the rights of that folder."
        raise RunError(Problem(_refused(error), str(sweep.outputs), remedy)) from error


def _refused(error: OSError) -> str:
    return f"the leaderboard could not be written: {error.strerror or error}"
