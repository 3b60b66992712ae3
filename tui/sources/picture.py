"""What a screen knows of one run: where it comes from, and an immutable picture of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.events.envelope import Envelope
from trainer.events.replay import Point
from trainer.events.text import clean
from trainer.runs.layout import RunFolder
from trainer.runs.status import Status

#: The reason in the status of a run that is not there any more.
GONE = "its folder was moved or deleted"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a run's events come from.

    Attributes:
        run: The run folder; None if there are only events.
        events: The events file; None for a pipe.
        stream: File descriptor of a pipe; None for a file.
        label: What to call it; harmless text.
    """

    run: RunFolder | None
    events: Path | None
    stream: int | None = None
    label: str = ""

    @classmethod
    def of_run(cls, run: RunFolder | Path | str) -> Source:
        """Follow a run folder."""
        folder = run if isinstance(run, RunFolder) else RunFolder(Path(run))
        return cls(folder, folder.events, None, clean(folder.path.name))


@dataclass(frozen=True, slots=True)
class Times:
    """When each bin happened; all curves of a run share the bins of its grid.

    Attributes:
        start: First step of the first bin.
        width: Steps per bin.
        ts_first: Unix seconds of the first line of each bin; NaN where unknown.
        ts_last: Unix seconds of its last line.
        epoch_first: Epoch of its first line.
        epoch_last: Epoch of its last line.
    """

    start: int
    width: int
    ts_first: tuple[float, ...]
    ts_last: tuple[float, ...]
    epoch_first: tuple[float, ...]
    epoch_last: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Zoom:
    """A closer look at a range of steps.

    Attributes:
        names: The metrics asked for.
        start: First step asked for.
        stop: Behind the last step asked for.
        bins: How many bins were asked for, at most.
        envelopes: What was found; unknown metrics are missing. An envelope may begin before
            `start` and end behind `stop` where the bins of the whole history were fine enough.
    """

    names: tuple[str, ...]
    start: int
    stop: int
    bins: int
    envelopes: Mapping[str, Envelope] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Points:
    """The single points of a range of steps.

    Attributes:
        names: The metrics asked for.
        start: First step asked for.
        stop: Behind the last step asked for.
        values: What was found, rising by step; a pipe cannot be read again and has none.
    """

    names: tuple[str, ...]
    start: int
    stop: int
    values: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A run at one moment. Whatever did not change is the same object as in the picture before.

    Attributes:
        version: Counts up whenever anything changed.
        status: Its status; None where there is no run folder.
        identity: What `run.json` says; empty where there is none.
        names: All its metrics, in order of appearance.
        latest: The newest (step, value) of each metric.
        envelopes: The whole history of each metric.
        times: When each bin happened.
        units: Unit of each metric that has one.
        goals: "min" or "max", of each metric that has one.
        step: Step of the last metrics.
        epoch: Epoch of the last metrics.
        total_steps: Steps planned; None if unknown.
        total_epochs: Epochs planned; None if unknown.
        started: The newest `run_started`; empty if there was none.
        finished: The newest `run_finished`; empty while it runs.
        logs: The newest log events, oldest first.
        alerts: The newest alerts.
        checkpoints: The newest checkpoint events.
        starts: The `run_started` events: where segments begin.
        others: Events of kinds that we do not know.
        counts: How many events of each kind there were.
        garbage: Lines that were no events.
        loading: Whether the history is still being read.
        exact: Whether every value counts that should, and no other.
        read: The share of the file that has been read, 0 to 1.
        written: When a file without a run folder was last written, unix seconds; None if unknown.
        problem: Why the events cannot be read; empty if they can.
        closed: Whether the pipe has ended.
        missing: Whether there is no events file (yet, or any more).
        hidden: Names of metrics beyond what is kept.
        zoom: The closer look last asked for; None until it is there.
        points: The single points last asked for; None until they are there.
    """

    version: int = 0
    status: Status | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    latest: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    envelopes: Mapping[str, Envelope] = field(default_factory=dict)
    times: Times | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    goals: Mapping[str, str] = field(default_factory=dict)
    step: int | None = None
    epoch: float | None = None
    total_steps: int | None = None
    total_epochs: int | None = None
    started: Mapping[str, Any] = field(default_factory=dict)
    finished: Mapping[str, Any] = field(default_factory=dict)
    logs: tuple[Mapping[str, Any], ...] = ()
    alerts: tuple[Mapping[str, Any], ...] = ()
    checkpoints: tuple[Mapping[str, Any], ...] = ()
    starts: tuple[Mapping[str, Any], ...] = ()
    others: tuple[Mapping[str, Any], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    garbage: int = 0
    loading: bool = True
    exact: bool = False
    read: float = 0.0
    written: float | None = None
    problem: str = ""
    closed: bool = False
    missing: bool = False
    hidden: int = 0
    zoom: Zoom | None = None
    points: Points | None = None
