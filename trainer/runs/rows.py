"""The metrics of a run as one row a step, whatever resumes it had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainer.events import EventReader
from trainer.runs.layout import RunFolder


def merged_rows(run: RunFolder) -> list[dict[str, Any]]:
    """Give one row a step: after a rewind the later value of a step wins.

    A new segment that begins at an earlier step takes back everything after that step.
    """
    rows: dict[int, dict[str, Any]] = {}
    fresh_segment = False
    for event in _events(run):
        if event.get("event") == "run_started":
            fresh_segment = True
            continue
        step, values = event.get("step"), event.get("metrics")
        if event.get("event") != "metrics" or not isinstance(step, int):
            continue
        if not isinstance(values, dict):
            continue
        if fresh_segment:
            fresh_segment = False
            for old in [known for known in rows if known >= step]:
                del rows[old]
        row = rows.setdefault(step, {"step": step, "epoch": None, "ts": None, "metrics": {}})
        row["epoch"], row["ts"] = event.get("epoch", row["epoch"]), event.get("ts")
        row["metrics"].update(values)
    return [rows[step] for step in sorted(rows)]


def _events(run: RunFolder) -> Iterator[Any]:
    reader = EventReader(run.events)
    while True:
        batch = reader.poll()
        yield from batch.events
        if not batch.more:
            return
