"""The list of runs itself: rows drawn for the runs in sight, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from trainer.runs.summary import RunSummary
from tui.screens.runs.columns import (
    Column,
    Layout,
    age_text,
    lay_out,
    sparkline,
    state_word,
)
from tui.text import cell_len, left, right
from tui.widgets.keybar import binding
from tui.widgets.linelist import LineList, Pieces

if TYPE_CHECKING:
    from tui.clock import Clock
    from tui.glyphs import Glyphs

#: Which look a state of a run or a sweep has; states that are not named look like text.
LOOKS = {
    "running": "live",
    "stopping": "live",
    "starting": "live",
    "queued": "waiting",
    "requeued": "waiting",
    "preempted": "waiting",
    "failed": "broken",
    "out_of_memory": "broken",
    "killed": "broken",
    "lost": "broken",
    "unreadable": "broken",
    "timeout": "waiting",
    "completed": "done",
    "undriven": "waiting",
    "unfinished": "waiting",
}
#: In these a reason, if there is one, says more than how far the run came.
_REASONED = frozenset(
    {
        "queued",
        "requeued",
        "preempted",
        "failed",
        "out_of_memory",
        "killed",
        "lost",
        "unreadable",
    }
)

#: Ends that read as good ones unless the reason says what was wrong.
ENDED_WELL = ("completed", "stopped", "timeout")


def reason_of(run: RunSummary) -> str:
    """Say why a run waits or how it ended, where that matters more than its progress."""
    if run.problem and run.state == "unreadable":
        return run.problem
    if run.state not in _REASONED:
        # What was wrong at its end comes after the usual reason, and matters more than its bar.
        return run.reason.partition("; ")[2] if run.state in ENDED_WELL else ""
    text = run.reason or run.problem
    if run.state in ("queued", "requeued") and text:
        return text if text.startswith("wait") else f"waiting: {text}"
    return text


class RunRows(LineList):
    """The runs, a line each.

    Args:
        glyphs: The signs to draw with.
        clock: Tells the time, for ages.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("enter", "choose", "open", tip="Open the run under the cursor"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "runs--live",
        "runs--waiting",
        "runs--broken",
        "runs--done",
        "runs--bar",
        "runs--rest",
        "runs--curve",
        "runs--mark",
    }
    DEFAULT_CSS = """
    RunRows > .runs--live { color: $text-accent; text-style: bold; }
    RunRows > .runs--waiting { color: $text-warning; }
    RunRows > .runs--broken { color: $text-error; }
    RunRows > .runs--done { color: $text-success; }
    RunRows > .runs--bar { color: $accent; }
    RunRows > .runs--rest { color: $text-disabled; }
    RunRows > .runs--curve { color: $accent; }
    RunRows > .runs--mark { color: $text-warning; text-style: bold; }
    """

    def __init__(self, glyphs: Glyphs, clock: Clock) -> None:
        super().__init__(id="runs")
        self._glyphs, self._clock = glyphs, clock
        self.runs: Sequence[RunSummary] = ()
        self.chosen: frozenset[str] = frozenset()
        self.columns = Layout()
        self._curves: Mapping[str, tuple[float, ...]] = {}
        self._longest = 0
        #: What each line in sight was drawn from, and its pieces.
        self._drawn: dict[int, tuple[tuple[Any, ...], Pieces]] = {}
        self._latest: Pieces = ()

    # ── what there is ────────────────────────────────────────────────────────────────────────

    def show(
        self,
        runs: Sequence[RunSummary],
        curves: Mapping[str, tuple[float, ...]],
        *,
        first: bool = False,
    ) -> None:
        """Take a new list; only lines that look different are drawn again.

        Args:
            runs: The runs, in the order to show.
            curves: The course of the loss, by run folder.
            first: Put the cursor on the first run; else it stays with its run.
        """
        under, place = self.under_cursor, self.cursor
        self._curves = curves
        if runs is not self.runs:
            self.runs = runs
            self._longest = max((len(run.name) for run in runs), default=0)
            if first:
                place = 0
            elif under is not None and not (place < len(runs) and runs[place].path == under.path):
                place = next((i for i, r in enumerate(runs) if r.path == under.path), place)
            if len(runs) != self._count:
                self._count = len(runs)
                self.virtual_size = Size(0, len(runs))
            self.cursor = self.validate_cursor(place)
            self._choose_columns()
        self.redraw()

    def choose(self, paths: frozenset[str]) -> None:
        """Mark these runs as chosen."""
        self.chosen = paths
        self.redraw()

    @property
    def under_cursor(self) -> RunSummary | None:
        """The run under the cursor."""
        return self.runs[self.cursor] if self.cursor < len(self.runs) else None

    def in_sight(self) -> tuple[str, ...]:
        """Give the folders of the runs in sight."""
        top = self.scroll_offset.y
        return tuple(run.path for run in self.runs[top : top + max(0, self.size.height)])

    def redraw(self) -> None:
        """Draw again what looks different by now: news, ages, marks; and no cell besides."""
        top, now = self.scroll_offset.y, self._clock.now()
        changed: list[Region] = []
        for y in range(self.size.height):
            look = self._look(top + y, now)
            before = self._drawn.get(y)
            if before is None or before[0] != look:
                changed += self._changes(y, before[1] if before else ())
        if changed:
            self.refresh(*changed)

    def _changes(self, y: int, before: Pieces) -> list[Region]:
        """Give the parts of a line that are drawn otherwise than before."""
        index = y + self.scroll_offset.y
        after = self._draw(index) if index < self._count else ()
        whole = [Region(0, y, self.size.width, 1)]
        if len(before) != len(after):
            return whole
        found: list[Region] = []
        x = 0
        for (old, old_style), (new, style) in zip(before, after, strict=True):
            cells = cell_len(new)
            if (old, old_style) != (new, style):
                if cell_len(old) != cells:
                    return whole
                found.append(Region(x, y, cells, 1))
            x += cells
        return found

    def _look(self, index: int, now: float) -> tuple[Any, ...]:
        """Give all that a line is drawn from, but for the cursor, which draws by itself."""
        if index >= len(self.runs):
            return ()
        run = self.runs[index]
        return run, run.path in self.chosen, age_text(run, now), self._curves.get(run.path)

    # ── how it looks ─────────────────────────────────────────────────────────────────────────

    def on_resize(self) -> None:
        """Choose the columns anew."""
        self._choose_columns()

    def _choose_columns(self) -> None:
        columns = lay_out(self.scrollable_content_region.width, self._longest)
        if columns != self.columns:
            self.columns = columns
            self.refresh()
            self.post_message(self.Laid(columns))

    class Laid(Message):
        """The columns are other ones, or have other widths."""

        def __init__(self, columns: Layout) -> None:
            self.columns = columns
            super().__init__()

    def render_line(self, y: int) -> Strip:
        """Draw a line, and remember what it was drawn from and how."""
        look = self._look(y + self.scroll_offset.y, self._clock.now())
        self._latest = ()
        strip = super().render_line(y)
        self._drawn[y] = (look, self._latest)
        return strip

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a run."""
        self._latest = drawn = self._draw(index)
        return drawn

    def _draw(self, index: int) -> Pieces:
        run, now = self.runs[index], self._clock.now()
        plain = Style.null()
        mark = self._glyphs.mark if run.path in self.chosen else " "
        pieces: list[tuple[str, Style]] = [(f"{mark} ", self.part("runs--mark"))]
        reason, spanned = reason_of(run), False
        for column, cells in self.columns.cells:
            if reason and self.columns.spanned(column):
                if not spanned:
                    spanned = True
                    text = left(reason, self.columns.reason, self._glyphs.ellipsis)
                    pieces += [(text, self.part(self._look_of(run))), (" ", plain)]
                continue
            pieces += self._cell(run, column, cells, now)
            pieces.append((" ", plain))
        return pieces

    def _look_of(self, run: RunSummary) -> str:
        look = LOOKS.get(run.state)
        return f"runs--{look}" if look else "linelist--dim"

    def _cell(self, run: RunSummary, column: Column, cells: int, now: float) -> Pieces:
        glyphs = self._glyphs
        plain, dim = Style.null(), self.part("linelist--dim")
        if column.text is not None:
            text = column.text(run, now)
            style = plain if column.key in ("train", "val", "step") else dim
            if not text and column.flush_right:
                text, style = glyphs.dash, dim
            write = right if column.flush_right else left
            return [(write(text, cells, glyphs.ellipsis), style)]
        if column.key == "state":
            word = f"{glyphs.state(run.state)} {state_word(run.state)}"
            return [(left(word, cells, glyphs.ellipsis), self.part(self._look_of(run)))]
        if column.key == "name":
            return [(left(run.name, cells, glyphs.ellipsis), plain)]
        if column.key == "spark":
            values = self._curves.get(run.path, ())
            broken = "x" if glyphs.plain else "×"
            text = sparkline(values, cells, glyphs.spark, broken)
            return [(left(text, cells), self.part("runs--curve") if run.live else dim)]
        return self._bar(run, cells)

    def _bar(self, run: RunSummary, cells: int) -> Pieces:
        """Draw how far a run came."""
        fraction = run.progress.fraction
        if fraction is None:
            return [(left(self._glyphs.dash, cells), self.part("linelist--dim"))]
        full, empty = self._glyphs.bar[0], self._glyphs.bar[1]
        room = cells - 5
        # A bar is full, and 100 % are said, when all is done and not before.
        done = int(fraction * room)
        style = "runs--bar" if run.live else "linelist--dim"
        return [
            (full * done, self.part(style)),
            (empty * (room - done), self.part("runs--rest")),
            (f"{int(100 * fraction):4d}%", Style.null() if run.live else self.part(style)),
        ]
