"""Repeat the first steps of a run elsewhere, and compare the figures bit for bit."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainer.config.compose import load_run
from trainer.config.onto import compose_onto
from trainer.errors import Problem, RunError
from trainer.runs import launch, manage
from trainer.runs.ending import last_lines
from trainer.runs.layout import RunFolder
from trainer.runs.repro.compare import Outcome, compare_figures
from trainer.runs.rows import merged_rows
from trainer.runs.status import Status, read_status

_POLL = 0.1
#: Nothing of the repetition may reach a service or a folder that the run itself wrote to.
APART = (
    "trainer.ckpt_dir=null",
    "logger.tensorboard.enabled=false",
    "logger.csv.enabled=false",
    "logger.wandb.enabled=false",
    "logger.mlflow.enabled=false",
    "health.enabled=false",  # an alert may run a command
)


@dataclass(frozen=True)
class Verified:
    """What came of a repetition.

    Attributes:
        outcome: How the figures compare, up to the last step that was asked for.
        trouble: Why there is nothing to compare; empty if there is.
        folder: The folder of the repetition; None if it is gone again.
    """

    outcome: Outcome
    trouble: str
    folder: Path | None


def verify(run: RunFolder, steps: int, *, said: Callable[[str], None] = lambda _: None) -> Verified:
    """Train the first steps of a run once more, in a folder of its own that is removed after.

    The config is the run's, so that nothing that counts steps counts otherwise; the repetition is
    asked to stop once it has come far enough. It stands where the run stood.

    Args:
        run: The run, made by traindeck.
        steps: How many optimiser steps to compare.
        said: Told what goes on, in lines for people.

    Raises:
        RunError: The run has no figures, or the folder that it worked in is gone.
        ConfigError: Its config is no longer valid.
    """
    recorded = [row["step"] for row in merged_rows(run)]
    if not recorded:
        raise RunError(Problem(f"run {run.id} has no figures to compare with.", str(run.events)))
    last = min(recorded[0] + steps - 1, recorded[-1])
    identity = run.identity()
    cwd = Path(str(identity.get("cwd") or "."))
    if not cwd.is_dir():
        raise RunError(
            Problem(
                f"run {run.id} worked in a folder that is gone: {cwd}.",
                str(run.path),
                "Make it again, with the code and the data that the run used.",
            )
        )
    env = identity.get("env")
    scratch = Path(tempfile.mkdtemp(prefix="traindeck-verify-"))
    kept = False
    again = None
    try:
        again = launch.create(
            compose_onto(run.path, [*APART, *_beginning(run)]),
            runs_dir=scratch,
            name=f"verify {run.id}",
            command=["traindeck", "check", "repro", run.id, "--verify"],
            parent={"rerun": run.id},
            env=env if isinstance(env, dict) else {},
            cwd=cwd,
        )
        said(f"repeating up to step {last} in {again.path}")
        launch.start(again)
        status = _until(again, last)
        outcome = compare_figures(run, again, up_to=last)
        if outcome.last == last or outcome.parted is not None:
            return Verified(outcome, "", None)
        kept = True
        lines = last_lines(again.output)
        why = status.reason or (lines[-1] if lines else "")
        return Verified(outcome, f"the repetition is {status.state}: {why}", again.path)
    finally:
        if again is not None and not read_status(again).terminal:
            manage.kill_now(again)
        if not kept:
            shutil.rmtree(scratch, ignore_errors=True)


def _beginning(run: RunFolder) -> list[str]:
    """Let the repetition begin where the run did: at the same checkpoint, or anew."""
    begun = str((load_run(run.config).config.get("run") or {}).get("resume") or "never")
    if begun in ("never", "auto"):
        return ["run.resume=never"]
    inside = run.path / begun
    if not inside.is_file():
        return []
    escaped = str(inside).replace("\\", "\\\\").replace('"', '\\"')
    return [f'run.resume="{escaped}"']


def _until(run: RunFolder, last: int) -> Status:
    """Wait until the run has come to a step or is over, and end it."""
    while not (status := read_status(run)).terminal:
        # One further: the figures of a step are written a moment after it.
        if (status.progress.step or 0) > last:
            # It may just have ended by itself.
            with contextlib.suppress(RunError):
                manage.request_stop(run, "now", reason="verified")
            return manage.wait(run)
        time.sleep(_POLL)
    return status
