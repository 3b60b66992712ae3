"""The leaderboard of a sweep, as files in its folder: Markdown, CSV and one page of HTML.

All of it is made from the results as they stand, so that it can be written again at any time; the
same results give the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.display import duration, number, plural
from trainer.events.text import clean
from trainer.runs.layout import write_bytes_atomic
from trainer.sweeps import results
from trainer.sweeps.curves import Curve, read
from trainer.sweeps.diagnostics import FOLDER, Plot, plots_of
from trainer.sweeps.effects import Effects, marginal
from trainer.sweeps.kinds import FORMATS
from trainer.sweeps.names import labels, shown
from trainer.sweeps.results import Group, Row, Table
from trainer.sweeps.trials import ENDED, FAILED, INTERRUPTED

if TYPE_CHECKING:
    from trainer.sweeps.folder import Sweep
    from trainer.sweeps.trials import TrialState

NAME = "ablation_leaderboard"
"""The files' name without its ending."""

NONE = "–"
# A spreadsheet takes a text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "&#92;", "|": "&#124;"}


@dataclass(frozen=True)
class Board:
    """What a leaderboard shows.

    Attributes:
        name: The sweep's name.
        id: Its id.
        mode: How its axes were combined.
        table: Its results.
        effects: The marginal effects.
        names: Names of the trials, by number.
        curves: Learning curves, by number of the trial.
        plots: The plots that have been drawn.
    """

    name: str
    id: str
    mode: str
    table: Table
    effects: Effects
    names: Mapping[int, str] = field(default_factory=dict)
    curves: Mapping[int, Curve] = field(default_factory=dict)
    plots: tuple[Plot, ...] = ()

    @property
    def short(self) -> dict[str, str]:
        """Short names of the factors, for people."""
        return {key: clean(name) for key, name in labels(self.table.factors).items()}

    @property
    def missed(self) -> list[Row]:
        """Trials that have ended, and not as planned."""
        return [row for row in self.table.rows if row.state in FAILED | INTERRUPTED]

    @property
    def counted(self) -> str:
        """How many trials are in which state, in words."""
        found: dict[str, int] = {}
        for row in self.table.rows:
            state = str(row.state).replace("_", " ")
            found[state] = found.get(state, 0) + 1
        parts = ", ".join(f"{many} {state}" for state, many in sorted(found.items()))
        return f"{plural(len(self.table.rows), 'trial')}: {parts}"


def gather(
    sweep: Sweep, trials: Sequence[TrialState] | None = None, *, curves: bool = True
) -> Board:
    """Collect what a leaderboard shows, as it stands.

    Args:
        sweep: The sweep.
        trials: Its trials, if they have just been looked at.
        curves: Whether to read the learning curves, which takes a look at all events.
    """
    states = sweep.trials() if trials is None else trials
    found = results.table(sweep, states)
    return Board(
        name=sweep.name,
        id=sweep.id,
        mode=sweep.mode,
        table=found,
        effects=marginal(found, sweep.mode),
        names={state.number: state.name for state in states},
        curves={row.trial: read(row.run, sweep.metric) for row in found.rows} if curves else {},
        plots=plots_of(sweep),
    )


def write(
    sweep: Sweep,
    trials: Sequence[TrialState] | None = None,
    formats: Sequence[str] | None = None,
) -> list[Path]:
    """Write the leaderboard into the sweep's `outputs/`, each file in one step.

    Args:
        sweep: The sweep.
        trials: Its trials, if they have just been looked at.
        formats: "md" and "html"; what `ablation.leaderboard` said when the sweep began if None.
            With any of them comes a CSV of all trials.

    Returns:
        The files.

    Raises:
        OSError: A file cannot be written.
    """
    from trainer.sweeps.page import page

    wanted = sweep.leaderboard if formats is None else formats
    if not wanted:
        return []
    board = gather(sweep, trials, curves="html" in wanted)
    texts = {"csv": table_csv(board)}
    if "md" in wanted:
        texts["md"] = markdown(board)
    if "html" in wanted:
        texts["html"] = page(board)
    sweep.outputs.mkdir(exist_ok=True)
    written = []
    for ending in (*FORMATS, "csv"):
        if ending in texts:
            path = sweep.outputs / f"{NAME}.{ending}"
            # A name from a file system may hold what UTF-8 cannot.
            write_bytes_atomic(path, texts[ending].encode("utf-8", "replace"))
            written.append(path)
    return written


def files_of(sweep: Sweep) -> list[Path]:
    """List the files of a sweep's leaderboard that there are."""
    paths = [sweep.outputs / f"{NAME}.{ending}" for ending in (*FORMATS, "csv")]
    return [path for path in paths if path.is_file()]


def markdown(board: Board) -> str:
    """Write a leaderboard as Markdown with tables as GitHub reads them."""
    table, short = board.table, board.short
    lines = [
        f"# Leaderboard of {_md(board.name)}",
        "",
        f"Sweep {_md(board.id)}, by {_md(table.metric)} ({table.goal}). {board.counted}.",
        "",
    ]
    headers = ["rank", *(short[key] for key in table.factors), table.metric]
    headers += ["n", "best step", "time", "trials"]
    headers += ["clamped"] if table.clamped else []
    headers.append("remarks")
    lines += _table(headers, [group_cells(board, *each) for each in ranked(table)])
    lines += [
        "",
        "Mean ± standard deviation of a sample over the seeds of the trials that have trained to "
        "their end, of the best value of each.",
        "",
        "## Marginal effects",
        "",
    ]
    effects = board.effects
    if effects.rows:
        rows = effect_cells(board)
        lines += [*_table(["factor", "value", "mean", "effect", "combinations"], rows), ""]
        lines += [effects_text(board), ""]
    elif not effects.notes:
        lines += ["No trial has ended with a value yet.", ""]
    lines += [line for note in effects.notes for line in (_md(note), "")]
    if board.missed:
        headers = ["trial", *(short[key] for key in table.factors), "seed", "state", "reason"]
        lines += ["## Trials that did not reach the end", ""]
        lines += [*_table(headers, [missed_cells(board, row) for row in board.missed]), ""]
    if board.plots:
        lines += ["## Plots", ""]
        for plot in board.plots:
            # Names of plots are letters, digits, dots and hyphens.
            place = (FOLDER / plot.file("png", "svg")).as_posix()
            lines += [_md(plot.title), "", f"![{_md(plot.title)}]({place})", ""]
    return "\n".join(lines)


def table_csv(board: Board) -> str:
    """Write all trials as CSV, one a line, each with the mean of its combination.

    Numbers have all their digits. A text that a spreadsheet would take for a formula has an
    apostrophe in front.
    """
    table = board.table
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["rank", "trial", "name", *table.factors, "seed", "metric", "value", "best_step"]
    head += ["seconds", "state", "reason", "run", "mean", "std", "n", "clamped"]
    writer.writerow([_plain(cell) for cell in head])
    for rank, group in ranked(table):
        for row in group.rows:
            cells: list[object] = [rank, row.trial, board.names.get(row.trial, "")]
            cells += [_level(row, key) for key in table.factors]
            cells += [row.seed, table.metric, row.value, row.best_step, row.seconds]
            cells += [str(row.state), row.reason, "" if row.run is None else row.run.name]
            cells += [group.mean, group.spread, group.n, row.clamped]
            writer.writerow([_plain(cell) for cell in cells])
    return out.getvalue()


def ranked(table: Table) -> list[tuple[int | None, Group]]:
    """Number the combinations that have a value, best first."""
    return [(rank if group.n else None, group) for rank, group in enumerate(table.groups, 1)]


def group_cells(board: Board, rank: int | None, group: Group) -> list[str]:
    """Write a combination as texts: rank, factors, value, n, best step, time, trials, remarks.

    Where anything was clamped, that stands before the remarks.
    """
    steps = sorted(
        {row.best_step for row in group.rows if row.counts and row.best_step is not None}
    )
    many = f"{group.n}/{len(group.rows)}" if group.n < len(group.rows) else str(group.n)
    return [
        NONE if rank is None else str(rank),
        *(_shown(group, key) for key in board.table.factors),
        value_text(group.mean, group.spread),
        many,
        "–".join(map(str, dict.fromkeys((steps[0], steps[-1])))) if steps else NONE,
        NONE if group.seconds is None else duration(group.seconds),
        ", ".join(str(row.trial) for row in group.rows),
        *([group.clamped] if board.table.clamped else []),
        remarks(group),
    ]


def remarks(group: Group) -> str:
    """Say why trials of a combination do not count; empty if all do."""
    found = []
    for row in group.rows:
        if row.counts:
            continue
        said = clean(row.reason) if row.state not in ENDED else "no finite value"
        state = str(row.state).replace("_", " ")
        found.append(f"trial {row.trial} {state}{f': {said}' if said else ''}")
    return "; ".join(found)


def missed_cells(board: Board, row: Row) -> list[str]:
    """Write a trial that did not reach its end: number, factors, seed, state and reason."""
    return [
        str(row.trial),
        *(_shown(row, key) for key in board.table.factors),
        NONE if row.seed is None else str(row.seed),
        str(row.state).replace("_", " "),
        clean(row.reason) or "no reason is known",
    ]


def effect_cells(board: Board) -> list[list[str]]:
    """Write the effects as texts: factor, value, mean, effect ± error, combinations."""
    return [
        [
            board.short.get(each.key, clean(each.key)),
            shown(each.value),
            number(each.mean),
            ("+" if each.effect > 0 else "") + value_text(each.effect, each.error),
            str(each.cells),
        ]
        for each in board.effects.rows
    ]


def effects_text(board: Board) -> str:
    """Say what the effects are counted from, and what stands behind ±."""
    effects, better = board.effects, "lower" if board.table.goal == "min" else "higher"
    from_what = "the baseline" if board.mode == "one_at_a_time" else "the mean of all combinations"
    said = f"Effects are differences from {from_what}"
    said += "" if effects.reference is None else f" ({number(effects.reference)})"
    said += f"; {better} is better."
    return f"{said} ± is the standard error, from {effects.source}." if effects.source else said


def value_text(value: float | None, spread: float | None) -> str:
    """Write a number with what it is uncertain by, if that is known."""
    if value is None:
        return NONE
    return number(value) if spread is None else f"{number(value)} ± {number(spread)}"


def _shown(of: Group | Row, key: str) -> str:
    # With one at a time a trial has only what differs from the baseline.
    return shown(of.factors[key]) if key in of.factors else "baseline"


def _level(row: Row, key: str) -> object:
    value = row.factors.get(key, "baseline")
    return value if isinstance(value, str | int | float) else shown(value)


def _plain(cell: object) -> object:
    if isinstance(cell, bool):
        return str(cell).lower()
    if not isinstance(cell, str):
        return cell
    text = clean(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(_md(cell) for cell in headers) + " |",
        "|" + "---|" * len(headers),
        *("| " + " | ".join(_md(cell) for cell in row) + " |" for row in rows),
    ]


def _md(text: str) -> str:
    """Make a text harmless in a cell of a Markdown table: it is shown as it stands."""
    found = "".join(_ENTITIES.get(char, char) for char in clean(text))
    return "".join(f"\\{char}" if char in "`*_[]~" else char for char in found)
