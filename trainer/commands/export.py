"""`traindeck export`: a run's metrics as a table that other tools read."""

from __future__ import annotations

import csv
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TextIO

from trainer.commands.output import note
from trainer.errors import EXIT_OK, Problem, RunError, nearest
from trainer.runs.layout import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from trainer.runs.layout import RunFolder

FIXED = ("step", "epoch", "ts")


def export(
    *,
    run: str,
    runs_dir: Path,
    kind: str,
    output: Path | None,
    metrics: tuple[str, ...],
) -> int:
    """Write a run's metrics; see `traindeck export --help`."""
    from trainer.runs.index import find

    rows = merged_rows(find(runs_dir, run))
    names = sorted({name for row in rows for name in row["metrics"]})
    for wanted in metrics:
        if wanted not in names:
            hint = nearest(wanted, names) or f"It has: {', '.join(names)}."
            raise RunError(Problem(f"the run has no metric '{wanted}'.", "--metric", hint))
    chosen = list(metrics) or names
    if metrics:
        rows = [row for row in rows if any(name in row["metrics"] for name in chosen)]
    target: AbstractContextManager[TextIO] = (
        nullcontext(sys.stdout)
        if output is None
        else output.open("w", newline="", encoding="utf-8")
    )
    with target as file:
        if kind == "csv":
            _write_csv(file, rows, chosen)
        else:
            _write_jsonl(file, rows, chosen)
    if output is not None:
        note(f"wrote {len(rows)} rows x {len(chosen)} metrics to {output}")
    return EXIT_OK


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
    from trainer.events import EventReader

    reader = EventReader(run.events)
    while True:
        batch = reader.poll()
        yield from batch.events
        if not batch.more:
            return


def _write_csv(file: TextIO, rows: list[dict[str, Any]], names: list[str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*FIXED, *names])
    for row in rows:
        values = row["metrics"]
        writer.writerow([*(row[name] for name in FIXED), *(values.get(name, "") for name in names)])


def _write_jsonl(file: TextIO, rows: list[dict[str, Any]], names: list[str]) -> None:
    for row in rows:
        kept = {name: row["metrics"][name] for name in names if name in row["metrics"]}
        file.write(dumps({**row, "metrics": kept}) + "\n")
