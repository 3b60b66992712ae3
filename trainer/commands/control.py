"""`traindeck stop`, `checkpoint` and `validate-now`: requests to a live run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from trainer.commands.output import line
from trainer.errors import EXIT_FAILED, EXIT_OK, Problem, RunError
from trainer.runs.status import TERMINAL, State, read_status

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.runs.layout import RunFolder

PATIENCE = 300.0
"""Seconds to wait for a live run to answer; a long step or validation may be in the way."""


def live(runs_dir: Path, name: str) -> RunFolder:
    """Find a run that can still be asked for something."""
    from trainer.runs.index import find

    run = find(runs_dir, name)
    status = read_status(run)
    if status.state in TERMINAL:
        completed = status.state == State.COMPLETED
        raise RunError(
            Problem(
                f"run {run.id} is not running: {status.state}.",
                remedy="" if completed else f"Go on with it: traindeck resume {run.called()}",
            )
        )
    return run


def stop(*, run: str, runs_dir: Path, after: str, now: bool, no_wait: bool) -> int:
    """Stop a run; see `traindeck stop --help`."""
    from trainer.runs.manage import kill_now, request_stop, wait

    folder = live(runs_dir, run)
    if now:
        kill_now(folder)
    else:
        request_stop(folder, after=after, reason="asked for with traindeck stop")
    if no_wait:
        line(f"asked {folder.id} to stop")
        return EXIT_OK
    status = wait(folder, timeout=PATIENCE)
    line(f"{folder.id} {status.state}" + (f": {status.reason}" if status.reason else ""))
    if status.state not in TERMINAL:
        raise RunError(
            Problem(
                f"run {folder.id} has not stopped within {PATIENCE:.0f} s.",
                str(folder.path),
                f"Kill it without a checkpoint: traindeck stop {folder.id} --now",
            )
        )
    return EXIT_OK if now or status.state != State.FAILED else EXIT_FAILED


def ask(*, kind: str, run: str, runs_dir: Path, no_wait: bool) -> int:
    """Ask for a checkpoint or a validation, and wait until it is there."""
    from trainer.events import EventReader
    from trainer.runs import manage

    folder = live(runs_dir, run)
    if read_status(folder).state == State.QUEUED:
        raise RunError(
            Problem(
                f"run {folder.id} waits in the queue and has nothing to answer with yet.",
                remedy=f"See when it starts: traindeck watch {folder.called()}",
            )
        )
    reader = EventReader(folder.events)
    while reader.poll().more:
        pass
    manage.ask(folder, kind, reason=f"asked for with traindeck {kind}")
    if no_wait:
        line(f"asked {folder.id} for a {_noun(kind)}")
        return EXIT_OK
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for event in reader.poll().events:
            answer = _answer(kind, event)
            if answer:
                line(answer)
                return EXIT_OK
        if read_status(folder).state in TERMINAL:
            raise RunError(Problem(f"run {folder.id} ended first.", str(folder.path)))
        time.sleep(0.1)
    raise RunError(Problem(f"no answer within {PATIENCE:.0f} s.", str(folder.path)))


def _noun(kind: str) -> str:
    return "validation" if kind == "validate" else kind


def _answer(kind: str, event: Any) -> str | None:
    from trainer.commands.narrator import Narrator

    wanted = event.get("event") == "checkpoint" if kind == "checkpoint" else False
    if kind == "validate" and event.get("event") == "metrics":
        wanted = any(name.startswith("val/") for name in event.get("metrics") or ())
    if not wanted:
        return None
    return next(iter(Narrator(interval=1).feed(event)), None)
