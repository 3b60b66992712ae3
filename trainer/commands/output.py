"""How the commands write: plain lines, tables, numbers, errors."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

from trainer.display import age, aligned, duration, number, plural, size
from trainer.events.text import clean
from trainer.runs.layout import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.errors import TraindeckError


__all__ = [
    "age",
    "duration",
    "json_line",
    "line",
    "note",
    "number",
    "plural",
    "print_error",
    "size",
    "table",
]


def line(text: str = "") -> None:
    """Write text to stdout at once, so that a pipe sees it when it happens; harmless, whatever it is."""
    sys.stdout.write(clean(text, keep_newlines=True) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Write one line for the person, beside the output, to stderr."""
    sys.stderr.write(clean(text, keep_newlines=True) + "\n")
    sys.stderr.flush()


def json_line(value: Any) -> None:
    """Write one JSON document on one line; control characters and NaN leave as texts."""
    line(dumps(value))


def print_error(error: TraindeckError) -> None:
    """Tell on stderr what is wrong, where, and how to mend it."""
    problems = [clean(str(p)) for p in error.problems]
    if len(problems) == 1:
        note(f"traindeck: {problems[0]}")
        return
    note(f"traindeck: {len(problems)} problems")
    for problem in problems:
        note(f"  {problem}")


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    expendable: Sequence[int] = (),
) -> None:
    """Print rows in columns; text from files is shown harmlessly and never wrapped or cut.

    Args:
        headers: One title a column.
        rows: The cells.
        right: Indexes of the columns to align at the right.
        expendable: Indexes of the columns that a terminal too narrow for all does without, the
            least needed first. Away from a terminal every column is printed.
    """
    from rich.cells import cell_len

    cells = [list(headers), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(headers))]
    shown = list(range(len(headers)))
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
        for i in expendable:
            if sum(widths[n] + 2 for n in shown) - 2 > columns:
                shown.remove(i)
    kept = [[row[n] for n in shown] for row in cells]
    for text in aligned(kept, [at for at, n in enumerate(shown) if n in right]):
        line(text)
