"""Follow a run folder, an events file or a stream, and tell it in lines until it ends."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainer.commands.narrator import Narrator
from trainer.commands.output import duration, json_line, line, note, number
from trainer.errors import EXIT_INTERRUPTED, EXIT_OK
from trainer.events.text import clean
from trainer.runs.status import TERMINAL, State, exit_code_for, read_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import FrameType

    from trainer.events import EventReader
    from trainer.runs.layout import RunFolder
    from trainer.runs.status import Status

POLL = 0.2
"""Seconds between looks at the events file; the files are the truth, so no wake-up is needed."""
INTERVAL_TERMINAL = 2.0
INTERVAL_FILE = 10.0


@dataclass
class Lines:
    """Tells a run in plain lines.

    Args:
        interval: Seconds between progress lines; by default longer where no terminal is.
    """

    interval: float | None = None
    narrator: Narrator = field(init=False)

    def __post_init__(self) -> None:
        if sys.stdout.isatty():
            width = shutil.get_terminal_size().columns
            self.narrator = Narrator(self.interval or INTERVAL_TERMINAL, width)
        else:
            self.narrator = Narrator(self.interval or INTERVAL_FILE)

    def events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Tell these events."""
        for event in events:
            for text in self.narrator.feed(event):
                line(text)

    def tick(self, now: float) -> None:
        """Tell the progress if it is due."""
        text = self.narrator.progress(now)
        if text:
            line(text)


@dataclass
class JsonLines:
    """Hands the events on as they are, one JSON document a line."""

    def events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Hand these events on."""
        for event in events:
            json_line(event)

    def tick(self, now: float) -> None:
        """Add nothing: a program that reads JSON has its own clock."""


class Interrupts:
    """Counts Ctrl-C and notices HUP and TERM, so that the loop decides what they mean."""

    def __init__(self) -> None:
        self.count = 0
        self.leave: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        # Signals reach the main thread alone; elsewhere, as in a notebook's pool, none is noticed.
        if threading.current_thread() is not threading.main_thread():
            return self
        self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
        for sig in (signal.SIGHUP, signal.SIGTERM):
            self._before[sig] = signal.signal(sig, self._leave)
        return self

    def __exit__(self, *exc: object) -> None:
        for sig, handler in self._before.items():
            signal.signal(sig, handler)

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1

    def _leave(self, signum: int, frame: FrameType | None) -> None:
        self.leave = signal.Signals(signum).name


def telling(as_json: bool, interval: float | None) -> Lines | JsonLines:
    """Choose how to tell a run."""
    return JsonLines() if as_json else Lines(interval)


def follow_run(
    run: RunFolder,
    told: Lines | JsonLines,
    *,
    own: bool,
    reader: EventReader | None = None,
    interrupts: Interrupts | None = None,
) -> int:
    """Tell a run until it ends, and give the exit code that its end means.

    Args:
        run: The run's folder.
        told: How to tell it.
        own: Whether Ctrl-C here means the run (it was launched here) or only the watching.
        reader: Where to go on reading; from the beginning if None.
        interrupts: What has been pressed since before the run was started.

    Returns:
        The exit code; 130 after a Ctrl-C that stopped the run, 0 after leaving a running one.
    """
    from trainer.events import EventReader

    if interrupts is None:
        with Interrupts() as fresh:
            return follow_run(run, told, own=own, reader=reader, interrupts=fresh)
    reader = reader or EventReader(run.events)
    asked = 0
    try:
        while True:
            status = read_status(run)
            batch = reader.poll()
            told.events(batch.events)
            told.tick(time.monotonic())
            if status.state in TERMINAL and not batch.events:
                break
            if interrupts.leave:
                again = f"traindeck watch {run.called()}"
                note(f"{interrupts.leave}: leaving; the run goes on: {again}")
                return EXIT_OK
            if interrupts.count > asked:
                asked = interrupts.count
                if not own:
                    note(f"left; the run goes on: traindeck watch {run.called()}")
                    return EXIT_INTERRUPTED
                _stop(run, asked)
            if not batch.events:
                time.sleep(POLL)
    except BrokenPipeError:
        # Whoever read our lines has gone; the run does not depend on that.
        note(f"output closed; the run goes on: traindeck watch {run.called()}")
        raise
    _tell_end(run, status, told)
    return EXIT_INTERRUPTED if asked else exit_code_for(status)


def past(run: RunFolder, told: Lines | JsonLines) -> EventReader:
    """Read what a run has already told, without telling it again, and give the reader."""
    from trainer.events import EventReader

    reader = EventReader(run.events)
    more = True
    while more:
        batch = reader.poll()
        more = batch.more
        if isinstance(told, Lines):
            for event in batch.events:
                for _ in told.narrator.feed(event):
                    pass
    return reader


def _stop(run: RunFolder, presses: int) -> None:
    from trainer.commands.output import print_error
    from trainer.errors import RunError
    from trainer.runs.manage import kill_now, request_stop

    try:
        if presses == 1:
            note("stopping after this step, with a checkpoint; Ctrl-C again kills")
            request_stop(run, after="step", reason="interrupted with Ctrl-C")
        else:
            note("killing")
            kill_now(run, patience=1.0)
    except RunError as error:
        # If it has ended meanwhile, that is what was asked for; anything else must be known.
        if read_status(run).state not in TERMINAL:
            print_error(error)


def _tell_end(run: RunFolder, status: Status, told: Lines | JsonLines) -> None:
    """Say how it ended first, then what to do."""
    if isinstance(told, JsonLines):
        json_line(
            {
                "v": 1,
                "ts": time.time(),
                "event": "ended",
                "run_id": run.id,
                "state": str(status.state),
                "reason": status.reason,
                "exit_code": status.exit_code,
                "path": str(run.path),
            }
        )
        return
    from trainer.runs.ending import last_lines

    narrator = told.narrator
    took = ""
    if status.started and status.ended:
        took = f" after {duration(status.ended - status.started)}"
    reason = f": {clean(status.reason)}" if status.reason else ""
    line("")
    line(f"{status.state}{took}{reason}")
    if narrator.step is not None:
        line("  " + narrator.progress_text(ended=True))
    monitor, most = _monitored(run)
    for name in dict.fromkeys((monitor, "val/loss", "val/bits_per_byte")):
        best = narrator.highest if most and name == monitor else narrator.best
        if name in best:
            value, step = best[name]
            line(f"  best {clean(name)} {number(value)} at step {step}")
    if status.state in (State.FAILED, State.LOST, State.KILLED, State.OUT_OF_MEMORY):
        for text in last_lines(run.output)[-8:]:
            if not (reason and text.endswith(reason.removeprefix(": "))):  # said above
                line(f"  | {text}")
    line(f"  folder  {run.path}")
    line(f"  next    {_advice(run, status.state)}")


def _monitored(run: RunFolder) -> tuple[str, bool]:
    """Give the metric that chooses the run's best checkpoint, and whether more of it is better."""
    import yaml

    try:
        written = yaml.load(run.config.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        trainer = written["trainer"]
        return str(trainer.get("monitor") or ""), trainer.get("monitor_mode") == "max"
    except (OSError, yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError):
        return "", False  # a folder of somebody's own script has none


def _advice(run: RunFolder, state: State) -> str:
    from trainer.runs.manage import find_checkpoint

    has_checkpoint = find_checkpoint(run) is not None
    if state == State.OUT_OF_MEMORY and (words := smaller(run, has_checkpoint)):
        return words
    if state == State.COMPLETED:
        return f"traindeck show {run.called()}"
    if run.identity().get("launcher") == "script":
        return "start the script again"
    if has_checkpoint:
        return f"traindeck resume {run.called()}"
    if state == State.FAILED:
        return f"traindeck logs {run.called()}"
    return f"traindeck rerun {run.called()}"


def smaller(run: RunFolder, has_checkpoint: bool) -> str:
    """Give the command that goes on with less memory; empty where nothing is known to turn down."""
    import shlex

    from trainer.config.aliases import about
    from trainer.config.hardware_advice import less_memory, words_of
    from trainer.runs.again import config_of

    config = config_of(run)
    settings = less_memory(config)[0] if config is not None else {}
    command = run.identity().get("command")
    if not settings or not isinstance(command, list):
        return ""
    if has_checkpoint:
        return f"traindeck resume {run.called()} {shlex.join(words_of(settings))}"
    if command[:2] != ["traindeck", "train"] or any("***" in str(word) for word in command):
        return ""
    # Another spelling of the same key in one command would be a contradiction.
    kept = [str(word) for word in command if about(str(word)) not in settings]
    return shlex.join([*kept, *words_of(settings)])
