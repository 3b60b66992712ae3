"""Starts what was composed: a run folder, and a supervisor that outlives the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.screens.launch.composer import Outcome

if TYPE_CHECKING:
    from trainer.runs.layout import RunFolder
    from tui.context import Context


def start_run(outcome: Outcome, context: Context) -> RunFolder:
    """Make the run's folder and start it; waits for the supervisor, so for a thread.

    Args:
        outcome: What to launch; there is nothing wrong with it.
        context: Where runs go.

    Raises:
        TraindeckError: It cannot be started here.
    """
    from trainer.runs import launch
    from trainer.runs.again import need_training_packages
    from trainer.runs.plan import default_name

    composed, draft = outcome.composed, outcome.draft
    assert composed is not None
    need_training_packages(composed.config)
    run = launch.create(
        composed,
        runs_dir=context.runs_dirs[0],
        name=draft.name or composed.config["run"]["name"] or default_name(composed),
        tags=draft.tags,
        command=outcome.command,
        cwd=context.cwd,
        queued=draft.queue,
    )
    launch.start(run, queue="auto" if draft.queue else None)
    return run
