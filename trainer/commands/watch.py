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
    from trainer.commands.terminal import app_fits

    told = telling(as_json, interval)
    plain = no_tui or as_json or interval is not None
    if source == "-":
        return _watch_stream(told, runs_dir, in_app=app_fits(plain=plain, piped=True))
    in_app = app_fits(plain=plain)
    path = Path(source)
    stream = path / "logs" / "events.jsonl"
    if path.is_dir() and stream.is_file() and not (path / "run.json").exists():
        path = stream
    if path.is_file():
        return _open_events(path, runs_dir) if in_app else _watch_file(path, told)
    from trainer.runs.index import find

    run = find(runs_dir, source)
    if in_app:
        from trainer.commands.terminal import screen_on_stderr
        from tui.entry import open_run

        with screen_on_stderr():
            return open_run(run, runs_dir)
    return follow_run(run, told, own=False)


def _open_events(path: Path, runs_dir: Path) -> int:
    from trainer.commands.terminal import screen_on_stderr
    from tui.entry import open_events

    with screen_on_stderr():
        return open_events(path, runs_dir)


def _watch_stream(told: Lines | JsonLines, runs_dir: Path, *, in_app: bool) -> int:
    from trainer.events import StreamReader

    if sys.stdin.isatty():
        raise RunError(
            Problem(
                "standard input is a terminal, not a stream of events.",
                "watch -",
                "Pipe events into it: ssh host cat run/logs/events.jsonl | traindeck watch -",
            )
        )
    if in_app:
        from trainer.commands.terminal import keys_from_terminal, screen_on_stderr
        from tui.entry import open_stream

        stream = keys_from_terminal()
        with screen_on_stderr():
            return open_stream(stream, runs_dir)
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
