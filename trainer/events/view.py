"""What a run says besides its metrics: bounded lists of events, and counts of all of them."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from trainer.events.schema import ALERT, CHECKPOINT, LOG, RUN_FINISHED, RUN_STARTED

#: How many of each kind are kept, the newest; older ones are only counted.
KEPT = {CHECKPOINT: 256, ALERT: 512, LOG: 1000, RUN_STARTED: 64, RUN_FINISHED: 64}
KEPT_OTHERS = 256
_MAX_KINDS = 256
_MAX_CHECKPOINT_KINDS = 16
_LARGE_BYTES = 32 << 10
_MAX_TEXT = 4096


@dataclass(slots=True)
class MetricInfo:
    """What `run_started` says of a metric."""

    unit: str = ""
    goal: str = ""


@dataclass(slots=True)
class RunView:
    """The events of a run, bounded whatever their number.

    Attributes:
        events: By name, the newest events in file order; unknown names share one list under "".
        last_of_kind: By kind, the newest checkpoint event: a long run has many since its best one.
        counts: By name, how many there were.
        started: The newest `run_started`, if any.
        finished: The newest `run_finished` of the current segment, if any.
        segments: How often the run was started.
        total_steps: Steps the run is to make, if it says so.
        total_epochs: Epochs the run is to make, if it says so.
        metrics: Units and goals, by name of the metric.
        step: Step of the last metrics line.
        epoch: Epoch of the last metrics line that has one.
        ts: Unix seconds of the last line that has them.
    """

    events: dict[str, deque[dict[str, Any]]] = field(default_factory=dict)
    last_of_kind: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    started: dict[str, Any] | None = None
    finished: dict[str, Any] | None = None
    segments: int = 0
    total_steps: int | None = None
    total_epochs: int | None = None
    metrics: dict[str, MetricInfo] = field(default_factory=dict)
    step: int | None = None
    epoch: float | None = None
    ts: float | None = None

    def of(self, name: str) -> list[dict[str, Any]]:
        """Give the events of a known name that are kept, oldest first."""
        kept = list(self.events.get(name, ()))
        if name != CHECKPOINT or len(kept) < KEPT[CHECKPOINT]:
            return kept
        there = set(map(id, kept))
        return [event for event in self.last_of_kind.values() if id(event) not in there] + kept

    def add(self, event: dict[str, Any], size: int = 0) -> None:
        """Note an event (as `parse_line` gives it) that is not metrics; `size` of its line."""
        name = event["event"]
        if size > _LARGE_BYTES:
            event = _shortened(event)
        if name in self.counts or len(self.counts) < _MAX_KINDS:
            self.counts[name] += 1
        kind = name if name in KEPT else ""
        kept = self.events.get(kind)
        if kept is None:
            kept = self.events[kind] = deque(maxlen=KEPT.get(kind, KEPT_OTHERS))
        kept.append(event)
        said = event.get("kind")
        if name == CHECKPOINT and isinstance(said, str):
            # Taken out first, so that they stand in file order.
            self.last_of_kind.pop(said, None)
            if len(self.last_of_kind) < _MAX_CHECKPOINT_KINDS:
                self.last_of_kind[said] = event
        if isinstance(event.get("ts"), float):
            self.ts = event["ts"]
        if name == RUN_STARTED:
            self._start(event)
        elif name == RUN_FINISHED:
            self.finished = event

    def _start(self, event: dict[str, Any]) -> None:
        self.started = event
        self.finished = None
        self.segments += 1
        for name in ("total_steps", "total_epochs"):
            total = event.get(name)
            if isinstance(total, int) and not isinstance(total, bool):
                setattr(self, name, total)
        metrics = event.get("metrics")
        for name, info in metrics.items() if isinstance(metrics, dict) else ():
            if isinstance(info, dict) and len(self.metrics) < 10_000:
                unit, goal = info.get("unit"), info.get("goal")
                self.metrics[name] = MetricInfo(
                    unit if isinstance(unit, str) else "", goal if goal in ("min", "max") else ""
                )


def _shortened(event: dict[str, Any]) -> dict[str, Any]:
    """Keep of an oversized event what is short; a thousand of them must fit into memory."""
    short: dict[str, Any] = {}
    for key, value in list(event.items())[:64]:
        if isinstance(value, str):
            short[key[:_MAX_TEXT]] = value[:_MAX_TEXT]
        elif not isinstance(value, (dict, list)):
            short[key[:_MAX_TEXT]] = value
    return short
