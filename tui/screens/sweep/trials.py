"""The trials as a list: state, factors, progress, the best value so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.style import Style
from textual.binding import BindingType

from trainer.display import duration, number
from trainer.sweeps.folder import Sweep
from trainer.sweeps.names import labels, shown
from trainer.sweeps.trials import TrialState
from tui.glyphs import Glyphs
from tui.screens.sweep.live import LiveList, look_of, word_of
from tui.text import cell_len, clean, left, right
from tui.widgets.keybar import binding
from tui.widgets.linelist import Pieces

#: A factor's column has at least and at most so many cells.
_FACTOR = 5, 18


class Column(NamedTuple):
    """A column: what it shows, its title and cells, and whether figures stand at the right."""

    key: str
    title: str
    cells: int
    flush_right: bool = False


def lay_out(sweep: Sweep, width: int) -> list[Column]:
    """Choose the columns for a width: the factors first, then what there is room for."""
    digits = max(2, len(str(len(sweep.planned))))
    room = width - digits - 3
    short = labels(sweep.factors)
    state = Column("state", "STATE", 12)
    factors = [
        Column(f"={axis.key}", clean(short[axis.key]).upper(), _cells(short[axis.key], axis.values))
        for axis in sweep.axes
    ]
    metric = Column("value", clean(sweep.metric).upper(), max(8, min(14, len(sweep.metric))), True)
    wanted = [
        state,
        metric,
        Column("progress", "PROGRESS", 12),
        *([Column("seed", "SEED", 5, True)] if sweep.seeds else []),
        *factors,
        Column("seconds", "TIME", 8, True),
        Column("step", "STEP", 8, True),
        Column("run", "RUN", 9),
    ]
    chosen: list[Column] = [Column("number", "#", digits, True)]
    for column in wanted:
        if room < column.cells + 1:
            # A factor that has no room whole is better than none.
            if column.key.startswith("=") and room > _FACTOR[0]:
                chosen.append(column._replace(cells=room - 1))
            break
        chosen.append(column)
        room -= column.cells + 1
    order = ["number", "state", *(column.key for column in factors)]
    order += ["seed", "progress", "value", "step", "seconds", "run"]
    return sorted(chosen, key=lambda column: order.index(column.key))


def _cells(label: str, values: Sequence[object]) -> int:
    longest = max((cell_len(shown(value)) for value in values), default=0)
    return max(_FACTOR[0], min(_FACTOR[1], max(longest, cell_len(clean(label)))))


class TrialRows(LiveList):
    """The trials, a line each.

    Args:
        glyphs: The signs to draw with.
    """

    KEYS_TITLE: ClassVar[str] = "In the list of trials"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("enter", "choose", "open", tip="Open the trial under the cursor in Monitor"),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="trials")
        self._glyphs = glyphs
        self.sweep: Sweep | None = None
        self.trials: Sequence[TrialState] = ()
        self.best: frozenset[int] = frozenset()
        self.columns: list[Column] = []

    def show(self, sweep: Sweep, trials: Sequence[TrialState], best: frozenset[int]) -> None:
        """Show how the trials stand.

        Args:
            sweep: Their sweep.
            trials: In order of their numbers.
            best: The numbers of those of the best combination.
        """
        self.sweep, self.trials, self.best = sweep, trials, best
        if not self.columns:
            self._choose_columns()
        self.renew(len(trials))

    def on_resize(self) -> None:
        """Choose the columns for the new width."""
        self._choose_columns()

    def _choose_columns(self) -> None:
        width = self.scrollable_content_region.width
        if self.sweep is not None and width:
            self.columns = lay_out(self.sweep, width)
            self.refresh()

    @property
    def under_cursor(self) -> TrialState | None:
        """The trial under the cursor."""
        return self.trials[self.cursor] if self.cursor < len(self.trials) else None

    @property
    def titles(self) -> str:
        """What stands over the columns."""
        words = [
            (right if column.flush_right else left)(
                column.title, column.cells, self._glyphs.ellipsis
            )
            for column in self.columns
        ]
        return "  " + " ".join(words)

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a trial."""
        trial = self.trials[index]
        mark = "* " if trial.number in self.best else "  "
        pieces: list[tuple[str, Style]] = [(mark, self.state_style("best"))]
        used = 2
        for place, column in enumerate(self.columns):
            # Why it ended matters more than how far it came.
            if column.key == "progress" and trial.reason and trial.over and not trial.done:
                text = left(trial.reason, max(0, width - used), self._glyphs.ellipsis)
                return [*pieces, (text, self.state_style(look_of(str(trial.state))))]
            pieces += self._cell(trial, column)
            used += column.cells + 1
            if place < len(self.columns) - 1:
                pieces.append((" ", Style.null()))
        return pieces

    def _cell(self, trial: TrialState, column: Column) -> list[tuple[str, Style]]:
        glyphs, dim = self._glyphs, self.part("linelist--dim")
        if column.key == "state":
            state = str(trial.state)
            text = left(f"{glyphs.state(state)} {word_of(state)}", column.cells, glyphs.ellipsis)
            return [(text, self.state_style(look_of(state)))]
        if column.key == "progress":
            return self._bar(trial, column.cells)
        text, style = self._text(trial, column.key), Style.null()
        if not text:
            text, style = glyphs.dash, dim
        if column.key in ("seconds", "run", "number", "seed"):
            style = dim
        if column.key == "value" and trial.number in self.best:
            style = self.state_style("best")
        write = right if column.flush_right else left
        return [(write(text, column.cells, glyphs.ellipsis), style)]

    def _text(self, trial: TrialState, key: str) -> str:
        if key.startswith("="):
            factor = key[1:]
            return shown(trial.factors[factor]) if factor in trial.factors else ""
        if key == "number":
            return str(trial.number)
        if key == "seed":
            return "" if trial.seed is None else str(trial.seed)
        if key == "step":
            return "" if trial.step is None else str(trial.step)
        if key == "seconds":
            return "" if trial.seconds is None else duration(trial.seconds)
        if key == "run":
            return trial.run_id
        value = trial.metrics_best.get(self.sweep.metric) if self.sweep is not None else None
        return "" if value is None else number(value)

    def _bar(self, trial: TrialState, cells: int) -> list[tuple[str, Style]]:
        if trial.run is None:
            return [(left("", cells), Style.null())]
        dim, live = self.part("linelist--dim"), trial.live
        full, empty = self._glyphs.bar[0], self._glyphs.bar[1]
        room = cells - 5
        done = int(trial.progress * room)
        return [
            (full * done, self.state_style("bar") if live else dim),
            (empty * (room - done), self.state_style("rest")),
            (f"{int(100 * trial.progress):4d}%", Style.null() if live else dim),
        ]
