"""All sweeps, newest first: how far each is, and what it varies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from trainer.display import age, plural
from tui.glyphs import Glyphs
from tui.screens.base import TitleBar
from tui.screens.monitor.lines import Lines
from tui.screens.sourced import SourcedScreen
from tui.screens.sweep.live import LiveList, look_of
from tui.sources.sweeplist import SweepEntry, SweepsSource
from tui.text import clean, fit, left, right, short_path
from tui.widgets.keybar import KeyBar, binding
from tui.widgets.linelist import LineList, Pieces

_STATE, _NAME, _DONE, _FAILED, _AGE = 13, 24, 9, 6, 4


class SweepRows(LiveList):
    """The sweeps, a line each.

    Args:
        glyphs: The signs to draw with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("enter", "choose", "open", tip="Open the sweep under the cursor"),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="sweeps")
        self._glyphs = glyphs
        self._now = 0.0
        self.entries: Sequence[SweepEntry] = ()

    def show(self, entries: Sequence[SweepEntry], now: float) -> None:
        """Show the sweeps; the cursor stays with its own."""
        under = self.under_cursor
        self.entries, self._now = entries, now
        self.renew(len(entries))
        places = {entry.path: at for at, entry in enumerate(entries)}
        if under is not None and places.get(under.path, self.cursor) != self.cursor:
            self.cursor = places[under.path]

    @property
    def under_cursor(self) -> SweepEntry | None:
        """The sweep under the cursor."""
        return self.entries[self.cursor] if self.cursor < len(self.entries) else None

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a sweep."""
        entry, glyphs = self.entries[index], self._glyphs
        dim, plain = self.part("linelist--dim"), Style.null()
        state = left(f" {glyphs.state(entry.state)} {entry.state}", _STATE, glyphs.ellipsis)
        pieces = [
            (state + " ", self.state_style(look_of(entry.state))),
            (left(entry.name, _NAME, glyphs.ellipsis) + " ", plain),
        ]
        room = width - sum(len(text) for text, _ in pieces)
        if entry.problem:
            return [
                *pieces,
                (fit(entry.problem, room, glyphs.ellipsis), self.state_style("broken")),
            ]
        failed = str(entry.failed) if entry.failed else ""
        ago = age(max(0.0, self._now - entry.created))
        tail = [
            (right(f"{entry.done}/{entry.total}", _DONE) + " ", plain),
            (right(failed, _FAILED) + " ", self.state_style("broken")),
            (right(ago, _AGE) + "  ", dim),
        ]
        room -= sum(len(text) for text, _ in tail)
        return [*pieces, *tail, (fit(entry.varies, room, glyphs.ellipsis), dim)]


class SweepsScreen(SourcedScreen):
    """The list of sweeps."""

    KEYS_TITLE: ClassVar[str] = "Sweeps"
    HZ = 2.0
    AUTO_FOCUS = "#sweeps"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("n", "write", "new sweep", tip="Write a new sweep"),
        binding("q", "back", "back", show=False, tip="Back to where you came from"),
    ]
    DEFAULT_CSS = "SweepsScreen #titles { height: 1; }"

    source: SweepsSource

    def compose(self) -> ComposeResult:
        """Lay it out."""
        self.source = SweepsSource(self.context.runs_dirs)
        yield TitleBar("sweeps")
        yield Lines(id="titles")
        yield SweepRows(self.context.glyphs)
        yield KeyBar()

    def tick(self) -> None:
        """Draw what is new."""
        if not self.is_mounted:
            return
        picture, now = self.source.picture, self.context.clock.now()
        self.query_one(SweepRows).show(picture.entries, now)
        places = ", ".join(
            short_path(str(each), str(self.context.cwd)) for each in self.source.folders
        )
        running = sum(entry.state == "running" for entry in picture.entries)
        text = plural(len(picture.entries), "sweep")
        text += f" {self.context.glyphs.separator} {running} running" if running else ""
        if picture.loading:
            text = "looking for sweeps"
        elif not picture.entries:
            text = clean(f"no sweeps in {places}: n writes one")
        self.query_one(TitleBar).show(text, "", now)
        words = [left(" STATE", _STATE), left("NAME", _NAME), right("DONE", _DONE)]
        words += [right("FAILED", _FAILED), right("AGE", _AGE), " VARIES"]
        self.query_one("#titles", Lines).show_lines([[(" ".join(words), "dim")]])

    @on(LineList.Chosen)
    def action_open(self) -> None:
        """Open the sweep under the cursor."""
        entry = self.query_one(SweepRows).under_cursor
        if entry is None:
            return
        if entry.problem:
            self.deck.say(entry.problem, "warning")
            return
        self.deck.open_sweep(entry.path)

    def action_write(self) -> None:
        """Write a new sweep."""
        self.deck.open_sweep_writer()
