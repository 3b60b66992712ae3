"""Two factors against each other: a cell for each pair of values, which fills as the trials train."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import RenderResult
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from trainer.sweeps.folder import Sweep
from trainer.sweeps.names import labels, shown
from trainer.sweeps.trials import TrialState
from tui.glyphs import Glyphs
from tui.screens.sweep.facts import Cell, cell_of
from tui.screens.sweep.live import STATE_CSS, STATE_LOOKS
from tui.text import cell_len, clean, fit, left
from tui.widgets.keybar import binding

#: Cells of a column of the matrix, and of the values at its left.
_LEAST, _MOST, _SIDE = 20, 30, 26
#: Lines of a row where there is room, and where there is little; a blank one follows.
_TALL, _LOW = 3, 2
#: Lines over the rows: the factor across, and its values.
_HEAD = 2


@dataclass(frozen=True)
class Grid:
    """The trials of two factors.

    Attributes:
        down: The factor whose values are the rows, by its key.
        across: The factor whose values are the columns.
        rows: Values of the one.
        columns: Values of the other.
        places: Places of the trials in the list, by row and column.
    """

    down: str
    across: str
    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    places: dict[tuple[int, int], tuple[int, ...]]


def grid_of(sweep: Sweep) -> Grid | None:
    """Lay out a sweep as a matrix; None where it is none: of two factors, all combinations."""
    if sweep.mode != "product" or len(sweep.axes) != 2:
        return None
    down, across = sweep.axes
    if len(across.values) > len(down.values):
        # Rows scroll with less to lose than columns.
        down, across = across, down
    rows = {_name(value): at for at, value in enumerate(down.values)}
    columns = {_name(value): at for at, value in enumerate(across.values)}
    places: dict[tuple[int, int], list[int]] = {}
    for at, trial in enumerate(sweep.planned):
        try:
            row = rows[_name(trial.factors[down.key])]
            column = columns[_name(trial.factors[across.key])]
        except KeyError:
            return None
        places.setdefault((row, column), []).append(at)
    found = {place: tuple(trials) for place, trials in places.items()}
    return Grid(down.key, across.key, down.values, across.values, found)


def _name(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


class Matrix(Widget, can_focus=True):
    """The matrix, with a cursor.

    Args:
        glyphs: The signs to draw with.
    """

    KEYS_TITLE: ClassVar[str] = "In the matrix"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("enter", "choose", "open", tip="Open the trial under the cursor in Monitor"),
        binding("up,k", "move(-1,0)", "Up", show=False, tip="To the value above"),
        binding("down,j", "move(1,0)", "Down", show=False, tip="To the value below"),
        binding("left,h", "move(0,-1)", "Left", show=False, tip="To the value at the left"),
        binding("right", "move(0,1)", "Right", show=False, tip="To the value at the right"),
        binding("home,g", "move(-9999,-9999)", "First", show=False, tip="To the first cell"),
        binding("end,G", "move(9999,9999)", "Last", show=False, tip="To the last cell"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"sweep--{look}" for look in STATE_LOOKS),
        "matrix--dim",
        "matrix--name",
        "matrix--cursor",
    }
    DEFAULT_CSS = (
        STATE_CSS.replace("NAME", "Matrix")
        + """
    Matrix { height: 1fr; background: $background; color: $foreground; }
    Matrix > .matrix--dim { color: $text-muted; }
    Matrix > .matrix--name { color: $accent; text-style: bold; }
    Matrix > .matrix--cursor { background: $surface-lighten-1; }
    Matrix:focus > .matrix--cursor { background: $primary-muted; text-style: bold; }
    Matrix:ansi > .matrix--cursor { background: ansi_default; text-style: bold; }
    Matrix:ansi:focus > .matrix--cursor { background: ansi_default; text-style: reverse; }
    Matrix:nocolor > .matrix--cursor { text-style: bold; }
    Matrix:nocolor:focus > .matrix--cursor { text-style: reverse; }
    """
    )

    class Highlighted(Message):
        """The cursor moved."""

    class Chosen(Message):
        """A cell was opened."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._grid: Grid | None = None
        self._cells: dict[tuple[int, int], Cell] = {}
        self._names = ("", "")
        self._trials: Sequence[TrialState] = ()
        self.cursor = (0, 0)
        self._top = self._first = 0
        self._styles: dict[str, Style] = {}

    def show(
        self, sweep: Sweep, grid: Grid, trials: Sequence[TrialState], best: frozenset[int]
    ) -> None:
        """Show how the trials stand; only cells that look different are drawn.

        Args:
            sweep: The sweep.
            grid: Its layout.
            trials: Its trials.
            best: The numbers of those of the best combination.
        """
        fresh = grid is not self._grid
        self._grid, self._trials = grid, trials
        cells = {
            place: cell_of([trials[at] for at in which], sweep.metric, self._glyphs, best)
            for place, which in grid.places.items()
        }
        before, self._cells = self._cells, cells
        if fresh:
            short = labels(sweep.factors)
            self._names = (clean(short[grid.down]), clean(short[grid.across]))
            self.refresh()
            return
        changed = [place for place, cell in cells.items() if before.get(place) != cell]
        if changed:
            self.refresh(*filter(None, map(self._region, changed)))

    # ── where things lie ─────────────────────────────────────────────────────────────────────

    @property
    def under_cursor(self) -> list[TrialState]:
        """The trials of the cell under the cursor."""
        if self._grid is None:
            return []
        return [self._trials[at] for at in self._grid.places.get(self.cursor, ())]

    @property
    def _side(self) -> int:
        """Cells of the values at the left."""
        if self._grid is None:
            return 0
        texts = [self._names[0], *map(shown, self._grid.rows)]
        return min(_SIDE, max(map(cell_len, texts)) + 3, max(8, self.size.width // 3))

    @property
    def _wide(self) -> int:
        """Cells of a column."""
        if self._grid is None:
            return _LEAST
        room = (self.size.width - self._side) // max(1, len(self._grid.columns))
        return max(min(_LEAST, self.size.width - self._side), min(_MOST, room))

    @property
    def _high(self) -> int:
        """Lines of a row, without the blank one behind it."""
        rows = len(self._grid.rows) if self._grid is not None else 1
        return _TALL if self.size.height - _HEAD >= rows * (_TALL + 1) else _LOW

    @property
    def _gap(self) -> int:
        rows = len(self._grid.rows) if self._grid is not None else 1
        return 1 if self.size.height - _HEAD >= rows * (self._high + 1) - 1 else 0

    @property
    def _shown(self) -> tuple[int, int]:
        """How many rows and columns there is room for."""
        down = max(1, (self.size.height - _HEAD + self._gap) // (self._high + self._gap))
        return down, max(1, (self.size.width - self._side) // self._wide)

    def _region(self, place: tuple[int, int]) -> Region | None:
        row, column = place[0] - self._top, place[1] - self._first
        down, across = self._shown
        if not (0 <= row < down and 0 <= column < across):
            return None
        y = _HEAD + row * (self._high + self._gap)
        return Region(self._side + column * self._wide, y, self._wide, self._high)

    def action_move(self, down: int, across: int) -> None:
        """Move the cursor."""
        if self._grid is None:
            return
        row = max(0, min(self.cursor[0] + down, len(self._grid.rows) - 1))
        column = max(0, min(self.cursor[1] + across, len(self._grid.columns) - 1))
        self.go_to((row, column))

    def go_to(self, place: tuple[int, int]) -> None:
        """Put the cursor on a cell and bring it into sight."""
        if place == self.cursor:
            return
        before, self.cursor = self.cursor, place
        corner = self._top, self._first
        self._bring_into_sight()
        if corner == (self._top, self._first):
            self.refresh(*filter(None, (self._region(before), self._region(place))))
        else:
            self.refresh()
        self.post_message(self.Highlighted())

    def _bring_into_sight(self) -> None:
        down, across = self._shown
        row, column = self.cursor
        self._top = max(min(self._top, row), row - down + 1)
        self._first = max(min(self._first, column), column - across + 1)

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._top = self._first = 0
        self._bring_into_sight()

    def action_choose(self) -> None:
        """Open the cell under the cursor."""
        self.post_message(self.Chosen())

    def on_click(self, event: events.Click) -> None:
        """Move the cursor there; a double click opens."""
        grid = self._grid
        if grid is None or event.y < _HEAD or event.x < self._side:
            return
        row = (event.y - _HEAD) // (self._high + self._gap) + self._top
        column = (event.x - self._side) // self._wide + self._first
        if row < len(grid.rows) and column < len(grid.columns):
            self.go_to((row, column))
            if event.chain > 1:
                self.action_choose()

    # ── how it looks ─────────────────────────────────────────────────────────────────────────

    def notify_style_update(self) -> None:
        """Forget the styles of the theme before."""
        self._styles = {}
        super().notify_style_update()

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.get_component_rich_style(name, partial=True)
        return style

    def render(self) -> RenderResult:
        """Nothing: the lines are drawn by `render_line`."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        base, width = self.rich_style, self.size.width
        segments = [Segment(text, base + style) for text, style in self._pieces(y)]
        return Strip(segments).adjust_cell_length(width, base)

    def _pieces(self, y: int) -> list[tuple[str, Style]]:
        grid = self._grid
        if grid is None:
            return []
        if y < _HEAD:
            return self._head(grid, y)
        at, line = divmod(y - _HEAD, self._high + self._gap)
        row = at + self._top
        if row >= len(grid.rows) or at >= self._shown[0] or line >= self._high:
            return []
        ellipsis = self._glyphs.ellipsis
        side = f" {shown(grid.rows[row])}" if line == 0 else ""
        pieces = [(left(fit(side, self._side - 1, ellipsis), self._side), Style(bold=True))]
        last = min(len(grid.columns), self._first + self._shown[1])
        for column in range(self._first, last):
            pieces += self._cell(row, column, line)
        return pieces

    def _head(self, grid: Grid, y: int) -> list[tuple[str, Style]]:
        name, ellipsis = self._style("matrix--name"), self._glyphs.ellipsis
        down, across = self._names
        if y == 0:
            # More columns than there is room for: which of them these are.
            last = self._first + self._shown[1]
            more = f"  ({self._first + 1} to {last} of {len(grid.columns)})"
            more = more if self._shown[1] < len(grid.columns) else ""
            room = self.size.width - self._side - cell_len(more)
            text = fit(across, room, ellipsis)
            return [
                (" " * self._side, Style.null()),
                (text, name),
                (more, self._style("matrix--dim")),
            ]
        pieces = [(left(f" {fit(down, self._side - 2, ellipsis)}", self._side), name)]
        for column in range(self._first, min(len(grid.columns), self._first + self._shown[1])):
            text = fit(shown(grid.columns[column]), self._wide - 2, ellipsis)
            pieces.append((left(text, self._wide), Style(bold=True)))
        return pieces

    def _cell(self, row: int, column: int, line: int) -> list[tuple[str, Style]]:
        cell, wide = self._cells.get((row, column), Cell()), self._wide
        pieces = self._line_of(cell, line, wide - 2)
        used = sum(cell_len(text) for text, _ in pieces)
        pieces.append((" " * (wide - 1 - used), Style.null()))
        if (row, column) == self.cursor:
            cursor = self._style("matrix--cursor")
            # Reversed, a colour of a piece would become a block.
            flat = bool((self.rich_style + cursor).reverse)
            pieces = [(text, cursor if flat else style + cursor) for text, style in pieces]
        return [*pieces, (" ", Style.null())]

    def _line_of(self, cell: Cell, line: int, room: int) -> list[tuple[str, Style]]:
        """Draw a line of a cell: its state, its progress, its value."""
        ellipsis, look = self._glyphs.ellipsis, self._style(f"sweep--{cell.look}")
        low = self._high == _LOW
        if line == 0:
            share = f" {cell.progress:.0%}" if low and cell.progress not in (None, 1.0) else ""
            text = fit(f"{cell.sign} {cell.word}{share}", room, ellipsis)
            return [(text, look)]
        if line == 1 and not low:
            return self._bar(cell, room)
        if not cell.value:
            return []
        dim = self._style("matrix--dim")
        if cell.best:
            return [(fit(f"* {cell.value}", room, ellipsis), self._style("sweep--best"))]
        text = fit(f"  {cell.value}", room, ellipsis)
        return [(text, dim if cell.so_far else Style.null())]

    def _bar(self, cell: Cell, room: int) -> list[tuple[str, Style]]:
        if cell.progress is None:
            return []
        full, empty = self._glyphs.bar[0], self._glyphs.bar[1]
        cells = max(1, room - 7)
        done = int(cell.progress * cells)
        return [
            (
                "  " + full * done,
                self._style("sweep--bar") if cell.so_far else self._style("matrix--dim"),
            ),
            (empty * (cells - done), self._style("sweep--rest")),
            (f"{int(100 * cell.progress):4d}%", self._style("matrix--dim")),
        ]
