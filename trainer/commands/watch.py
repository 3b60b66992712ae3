"""`traindeck watch`: a run by name, a folder, an events file, or standard input."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.commands.follow import POLL, Interrupts, JsonLines, Lines, follow_run, telling
from trainer.commands.output import line, note
from trainer.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Problem, RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.events import Batch

FINISHED_OK = ("completed", "stopped")


def watch(
    *, source: str, runs_dir: Path, no_tui: bool, as_json: bool, interval: float | None
) -> int:
    """Follow `source` until it ends; see `traindeck watch --help`."""
    told = telling(as_json, interval)
    if source == "-":
        return _watch_stream(told)
    path = Path(source)
    stream = path / "logs" / "events.jsonl"
    if path.is_dir() and stream.is_file() and not (path / "run.json").exists():
        path = stream
    if path.is_file():
        return _watch_file(path, told)
    from trainer.runs.index import find

    return follow_run(find(runs_dir, source), told, own=False)


def _watch_stream(told: Lines | JsonLines) -> int:
    from trainer.events import StreamReader

    if sys.stdin.isatty():
        raise RunError(
            Problem(
                "standard input is a terminal, not a stream of events.",
                "watch -",
                "Pipe events into it: ssh host cat run/logs/events.jsonl | traindeck watch -",
            )
        )
    reader = StreamReader(sys.stdin.fileno())
    return _watch_batches(lambda: reader.poll(timeout=POLL), told)


def _watch_file(path: Path, told: Lines | JsonLines) -> int:
    from trainer.events import EventReader

    reader = EventReader(path)
    return _watch_batches(reader.poll, told, pause=POLL)


def _watch_batches(poll: Callable[[], Batch], told: Lines | JsonLines, pause: float = 0) -> int:
    """Tell batches until the run in them has ended, the stream closes, or somebody leaves."""
    finished: str | None = None
    garbage = 0
    silent = True
    with Interrupts() as interrupts:
        while True:
            batch = poll()
            if silent and pause and not batch.events and not batch.more:
                unread = f" ({garbage + batch.garbage} lines are none)" if batch.garbage else ""
                note(f"no events so far{unread}; waiting for some, Ctrl-C leaves")
            silent = False
            told.events(batch.events)
            told.tick(time.monotonic())
            garbage += batch.garbage
            for event in batch.events:
                if event.get("event") == "run_finished":
                    finished = str(event.get("status"))
                elif event.get("event") == "run_started":
                    finished = None
            if interrupts.count or interrupts.leave:
                return EXIT_INTERRUPTED
            if batch.closed or (finished is not None and not batch.events and not batch.more):
                if isinstance(told, Lines) and told.narrator.step is not None:
                    line("  " + told.narrator.progress_text(ended=True))
                return _end_code(finished, garbage)
            if pause and not batch.more and not batch.events:
                time.sleep(pause)


def _end_code(finished: str | None, garbage: int) -> int:
    if garbage:
        note(f"{garbage} line(s) could not be read as events and were skipped")
    if finished is None:
        note("the stream ended before the run did")
        return EXIT_FAILED
    return EXIT_OK if finished in FINISHED_OK else EXIT_FAILED
