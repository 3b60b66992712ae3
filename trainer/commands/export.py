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
    from contextlib import AbstractContextManager
    from pathlib import Path

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
    from trainer.runs.rows import merged_rows

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
