"""How the commands write: plain lines, tables, numbers, errors."""

from __future__ import annotations

import math
import shutil
import sys
from typing import TYPE_CHECKING, Any

from trainer.events.text import clean
from trainer.runs.layout import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.errors import TraindeckError


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


def number(value: float) -> str:
    """Write a metric in at most about seven characters: 0.4123, 1.2e-05, 812, nan."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return f"{value:.2e}"
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """Write a duration as 0:42, 12:05 or 3:04:05."""
    total = max(0, round(seconds))
    hours, rest = divmod(total, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def age(seconds: float) -> str:
    """Write how long ago something was, in one unit: 42s, 7m, 3h, 2d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def size(count: float) -> str:
    """Write a number of bytes: 123 B, 4.1 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: 1 run, 2 runs."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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
    for row in cells:
        parts = []
        for i, cell in ((n, row[n]) for n in shown):
            padding = " " * (widths[i] - cell_len(cell))
            parts.append(padding + cell if i in right else cell + padding)
        line("  ".join(parts).rstrip())
