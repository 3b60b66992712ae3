"""The columns of the list of runs: what each says, how wide it is, and which go first for room."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from trainer.display import age as write_age
from trainer.display import count, duration, number
from trainer.events.text import clean
from trainer.runs.summary import RunSummary
from tui.screens.runs import fields

#: What a column sorts by; None stands last in either direction.
Key = Callable[[RunSummary, float], float | str | None]


class Column(NamedTuple):
    """A column.

    Attributes:
        key: Its name for sorting and remembering.
        title: What stands over it.
        what: What it says, for the list of columns.
        width: Cells that it needs.
        most: Cells that it makes use of.
        rank: Columns with a high rank go first when room is short.
        flush_right: Whether its figures stand at the right.
        order: What it sorts by.
        text: Writes it for a run; columns without it are drawn in their own way.
        downwards: Whether sorting by it begins with the greatest.
    """

    key: str
    title: str
    what: str
    width: int
    most: int
    rank: int
    order: Key
    text: Callable[[RunSummary, float], str] | None = None
    flush_right: bool = False
    downwards: bool = False


def compact(value: float) -> str:
    """Write a number in at most five characters: 38, 1.2k, 45M."""
    if not math.isfinite(value):
        return number(value)
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            scaled = value / size
            return f"{scaled:.0f}{unit}" if abs(scaled) >= 9.95 else f"{scaled:.1f}{unit}"
    return f"{value:.0f}" if abs(value) >= 10 or value == 0 else f"{value:.2g}"


def state_word(state: str) -> str:
    """Give the word for a state."""
    return "no memory" if state == "out_of_memory" else state


def age_text(run: RunSummary, now: float) -> str:
    """Write how long ago a run was made."""
    seconds = fields.age(run, now)
    return "" if seconds is None else write_age(seconds)


def _step(run: RunSummary, now: float) -> str:
    step, total = run.progress.step, run.progress.total_steps
    if run.live and run.progress.phase:
        # What it does stands in the Monitor; here is room for the word.
        return clean(run.progress.phase).partition(":")[0][:15]
    if step is None:
        return ""
    if not total:
        return count(step)
    text = f"{count(step)}/{count(total)}"
    return text if len(text) <= 15 else f"{compact(step)}/{compact(total)}"


def _epoch(run: RunSummary, now: float) -> str:
    epoch, total = run.progress.epoch, run.progress.total_epochs
    if epoch is None:
        return ""
    # The last epoch of all stays the last one when it is done.
    shown = epoch + 1 if total is None else min(epoch + 1, total)
    return f"{count(shown)}/{count(total)}" if total else count(shown)


def _metric(name: str) -> Callable[[RunSummary, float], str]:
    def write(run: RunSummary, now: float) -> str:
        value = run.progress.metrics.get(name)
        return "" if value is None else number(value)

    return write


def _rate(run: RunSummary, now: float) -> str:
    value = fields.rate(run)
    if value is None:
        return ""
    # Steps a second are told from samples a second, which the title names.
    unit = "" if fields.SAMPLES in run.progress.metrics else " st"
    return compact(value) + unit


def _eta(run: RunSummary, now: float) -> str:
    seconds = fields.eta(run)
    if seconds is None:
        return ""
    return duration(seconds) if seconds < 360_000 else write_age(seconds)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _words(text: Callable[[RunSummary], str]) -> Key:
    return lambda run, _now: text(run).casefold() or None


_ORDER_OF_STATES = {state: place for place, state in enumerate(fields.STATES)}

#: All columns, from left to right.
COLUMNS: tuple[Column, ...] = (
    Column(
        "state",
        "STATE",
        "how it stands",
        12,
        12,
        0,
        lambda run, _now: float(_ORDER_OF_STATES.get(run.state, 99)),
    ),
    Column("name", "NAME", "its name", 14, 44, 0, _words(lambda run: run.name)),
    Column(
        "preset",
        "PRESET",
        "the preset it was made from",
        12,
        18,
        9,
        _words(lambda run: run.preset),
        lambda run, _now: run.preset,
    ),
    Column(
        "progress",
        "PROGRESS",
        "the share done, or why it waits or ended",
        14,
        28,
        1,
        lambda run, _now: run.progress.fraction,
        None,
        False,
        True,
    ),
    Column(
        "epoch",
        "EPOCH",
        "the epoch at work",
        7,
        9,
        11,
        lambda run, _now: _float(run.progress.epoch),
        _epoch,
        True,
        True,
    ),
    Column(
        "step",
        "STEP",
        "steps done of those planned",
        13,
        15,
        6,
        lambda run, _now: _float(run.progress.step),
        _step,
        True,
        True,
    ),
    Column(
        "train",
        "TRAIN",
        "the last training loss",
        7,
        8,
        3,
        lambda run, _now: run.progress.metrics.get(fields.TRAIN),
        _metric(fields.TRAIN),
        True,
    ),
    Column(
        "val",
        "VAL",
        "the last validation loss",
        7,
        8,
        4,
        lambda run, _now: run.progress.metrics.get(fields.VAL),
        _metric(fields.VAL),
        True,
    ),
    Column(
        "spark",
        "LOSS",
        "the course of the training loss; sorts by its last value",
        12,
        24,
        7,
        lambda run, _now: run.progress.metrics.get(fields.TRAIN),
    ),
    Column(
        "rate",
        "SMP/S",
        "samples a second (st: steps a second)",
        7,
        7,
        8,
        lambda run, _now: fields.rate(run),
        _rate,
        True,
        True,
    ),
    Column("eta", "ETA", "time left", 7, 8, 5, lambda run, _now: fields.eta(run), _eta, True),
    Column("age", "AGE", "time since it was made", 4, 4, 2, fields.age, age_text, True),
    Column(
        "host",
        "HOST",
        "where it runs",
        10,
        18,
        10,
        _words(lambda run: run.host),
        lambda run, _now: run.host,
    ),
    Column(
        "tags",
        "TAGS",
        "its tags",
        10,
        24,
        12,
        _words(lambda run: ",".join(run.tags)),
        lambda run, _now: ",".join(run.tags),
    ),
    Column(
        "recipe",
        "RECIPE",
        "what it trains",
        9,
        16,
        14,
        _words(lambda run: run.recipe),
        lambda run, _now: run.recipe,
    ),
    Column(
        "id",
        "ID",
        "its id on the command line",
        7,
        9,
        13,
        _words(lambda run: run.id),
        lambda run, _now: run.id,
    ),
)
BY_KEY = {column.key: column for column in COLUMNS}

#: The columns that a reason may take when a run has no progress to show.
_REASON = frozenset({"progress", "epoch", "step", "train", "val"})
#: Room for the mark of a chosen row.
MARGIN = 2
_GAP = 1


class Layout(NamedTuple):
    """Which columns a width has room for.

    Attributes:
        cells: (column, its cells), from left to right; a blank stands between two.
        reason: Cells for a reason, from the progress column on.
    """

    cells: tuple[tuple[Column, int], ...] = ()
    reason: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.key for column, _ in self.cells)

    def spanned(self, column: Column) -> bool:
        """Tell whether a reason lies over a column."""
        return column.key in _REASON

    def at(self, x: int) -> Column | None:
        """Give the column at a cell of the line."""
        place = MARGIN
        for column, width in self.cells:
            if place <= x < place + width + _GAP:
                return column
            place += width + _GAP
        return None


def lay_out(width: int, longest: int) -> Layout:
    """Choose the columns for a width.

    Args:
        width: Cells of a line.
        longest: Cells of the longest name.
    """
    room = width - MARGIN
    chosen: list[Column] = []
    for column in sorted(COLUMNS, key=lambda column: column.rank):
        need = column.width + _GAP
        if column.rank and room < need:
            # What comes later matters less, even where it would fit.
            break
        chosen.append(column)
        room -= need
    widths = {column.key: column.width for column in chosen}
    for key, wanted in (("name", 24), ("progress", 20), ("name", longest), *_GROWING):
        if key in widths:
            more = max(0, min(room, min(wanted, BY_KEY[key].most) - widths[key]))
            widths[key] += more
            room -= more
    cells = tuple((column, widths[column.key]) for column in COLUMNS if column.key in widths)
    reason = sum(width + _GAP for column, width in cells if column.key in _REASON) - _GAP
    return Layout(cells, max(0, reason))


_GROWING = tuple(
    (key, 99) for key in ("spark", "preset", "host", "tags", "progress", "recipe", "id", "step")
)


def sparkline(values: Sequence[float], width: int, signs: str, broken: str) -> str:
    """Draw a curve in one line.

    Args:
        values: The curve; what is not finite is drawn as `broken`.
        width: Cells.
        signs: The signs, lowest first.
        broken: The sign for what is not finite.
    """
    if not values or width < 1:
        return ""
    if len(values) > width:
        # The last value of each share, so that the end of the curve is the newest value.
        values = [values[(i + 1) * len(values) // width - 1] for i in range(width)]
    finite = [value for value in values if math.isfinite(value)]
    low = min(finite, default=0.0)
    span = max(finite, default=0.0) - low
    scale = (len(signs) - 1) / span if 0 < span < math.inf else None
    return "".join(
        broken
        if not math.isfinite(value)
        else signs[0 if scale is None else round((value - low) * scale)]
        for value in values
    )
