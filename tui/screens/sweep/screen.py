"""Watch a sweep: the matrix fills, the leaderboard follows, and each trial opens in Monitor."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.widget import Widget

from trainer.runs.layout import RunFolder
from trainer.sweeps.trials import TrialState
from tui.screens.base import TitleBar
from tui.screens.launch.foot import PaneBar
from tui.screens.monitor.lines import Lines
from tui.screens.runs.actions import MOST_COMPARED
from tui.screens.sweep.board import BoardRows
from tui.screens.sweep.control import SweepControl
from tui.screens.sweep.facts import about, best_numbers
from tui.screens.sweep.head import Head
from tui.screens.sweep.matrix import Grid, Matrix, grid_of
from tui.screens.sweep.trials import TrialRows
from tui.sources.sweeps import SweepPicture, SweepSource
from tui.text import clean, fit
from tui.widgets.dialogs import Pick
from tui.widgets.keybar import KeyBar, binding
from tui.widgets.linelist import LineList

_WIDE, _TALL = 150, 34
#: Lines at most that tell of what is under the cursor.
_ABOUT = 3
TRIALS, BOARD = range(2)


class SweepScreen(SweepControl):
    """One sweep.

    Args:
        path: Its folder.
    """

    KEYS_TITLE: ClassVar[str] = "Sweep"
    HZ = 2.0
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("s", "stop", "stop", tip="Stop the sweep: its trials write a checkpoint and end"),
        binding("R", "resume", "resume", tip="Finish what is missing, and repeat nothing"),
        binding("F", "retry", "retry failed", tip="Resume, and try again what failed"),
        binding("m", "matrix", "matrix/list", tip="Show two factors as a matrix, or all trials"),
        binding(
            "v", "compare", "compare", tip="Show the curves of the best trials over each other"
        ),
        binding("b", "write_board", "write board", tip="Write the leaderboard's files"),
        binding("n", "again", "new like it", tip="Write a new sweep, beginning with this one"),
        binding("c", "copy", "copy command", show=False, tip="Copy the command that sweeps so"),
        binding("f", "open_folder", "folder", show=False, tip="Show where it lies, and copy it"),
        binding("tab", "next_part", "next part", show=False, tip="To the other part of the screen"),
        binding("1", "part(0)", "trials", show=False, tip="The trials"),
        binding("2", "part(1)", "leaderboard", show=False, tip="Leaderboard and marginal effects"),
        binding("w", "sweeps", "all sweeps", show=False, tip="The list of all sweeps"),
        binding("q", "back", "back", show=False, tip="Leave; the sweep goes on"),
    ]
    DEFAULT_CSS = """
    SweepScreen .body { height: 1fr; }
    SweepScreen .left { width: 1fr; height: 1fr; }
    SweepScreen BoardRows { height: 1fr; }
    SweepScreen #titles { height: 1; }
    SweepScreen #about { height: 1; background: $surface; }
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = SweepSource(path)
        self.picture = SweepPicture()
        self._grid: Grid | None = None
        self._as_list = False
        self._front = TRIALS

    # ── layout ───────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Lay it out."""
        glyphs = self.context.glyphs
        yield TitleBar("sweep")
        yield Head()
        yield PaneBar()
        with Horizontal(classes="body"):
            with Vertical(classes="left"):
                yield Matrix(glyphs)
                yield Lines(id="titles")
                yield TrialRows(glyphs)
                yield Lines(id="about")
            yield BoardRows(glyphs)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin in the list of trials; a matrix is shown once it is known to be one."""
        self.query_one(Matrix).display = False
        self.query_one(TrialRows).focus()

    def on_resize(self, event: events.Resize) -> None:
        """Show what there is room for."""
        self._arrange(event.size)
        self.call_after_refresh(self._draw)

    def _arrange(self, size: Size) -> None:
        """Show matrix or list, and the leaderboard beside or below it where there is room."""
        wide, tall = size.width >= _WIDE, size.height >= _TALL
        both = wide or tall
        board, left = self.query_one(BoardRows), self.query_one(".left")
        body = self.query_one(".body")
        body.styles.layout = "horizontal" if wide or not both else "vertical"
        left.styles.width = "1.2fr" if wide else "1fr"
        board.styles.width = "1fr"
        left.display = both or self._front == TRIALS
        board.display = both or self._front == BOARD
        matrix = self._grid is not None and not self._as_list
        self.query_one(Matrix).display = matrix
        self.query_one(TrialRows).display = not matrix
        self.query_one("#titles").display = not matrix
        seeds = len(self.picture.sweep.seeds) if self.picture.sweep is not None else 1
        several = matrix or self._front == BOARD
        self.query_one("#about").styles.height = min(_ABOUT, max(1, seeds)) if several else 1
        self._tell_parts()

    def _tell_parts(self) -> None:
        matrix = self._grid is not None and not self._as_list
        names = ("matrix" if matrix else "trials", "leaderboard")
        self.query_one(PaneBar).show(names, self._front)

    @property
    def _main(self) -> Widget:
        matrix = self.query_one(Matrix)
        return matrix if matrix.display else self.query_one(TrialRows)

    @on(PaneBar.Wanted)
    def _wanted(self, event: PaneBar.Wanted) -> None:
        self.action_part(event.index)

    def action_part(self, index: int) -> None:
        """Bring a part to the front."""
        self._front = index
        self._arrange(self.app.size)
        (self._main if index == TRIALS else self.query_one(BoardRows)).focus()
        self.call_after_refresh(self._draw)

    def action_next_part(self) -> None:
        """Go to the other part."""
        self.action_part(BOARD if self._front == TRIALS else TRIALS)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The part that has the focus is in front."""
        front = BOARD if isinstance(event.widget, BoardRows) else TRIALS
        if front != self._front:
            self._front = front
            self._arrange(self.app.size)
            self._tell_about()

    def action_matrix(self) -> None:
        """Switch between the matrix and the list."""
        if self._grid is None:
            self.deck.say("a matrix shows all combinations of two factors; this sweep has others")
            return
        self._as_list = not self._as_list
        self._front = TRIALS
        self._arrange(self.app.size)
        self._main.focus()
        self.call_after_refresh(self._draw)

    # ── news ─────────────────────────────────────────────────────────────────────────────────

    def look_anew(self) -> None:
        """Look at the sweep now: something was done to it."""
        if self.context.live:
            self.source.wake()
        else:
            self.source.step()
            self.tick()

    def tick(self) -> None:
        """Draw what is new."""
        if not self.is_mounted:
            return
        picture = self.source.picture
        if picture is not self.picture:
            before, self.picture = self.picture, picture
            if before.sweep is None and picture.sweep is not None:
                self._begin()
            self._draw()
            if before.state != picture.state:
                self.refresh_bindings()
        self._tell_title()

    def _begin(self) -> None:
        """Lay out for a sweep that has just been read."""
        assert self.picture.sweep is not None
        self._grid = grid_of(self.picture.sweep)
        self._arrange(self.app.size)
        if self._front == TRIALS:
            self._main.focus()
        # Sizes are known only after the next layout.
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        picture, glyphs = self.picture, self.context.glyphs
        self.query_one(Head).show(picture, glyphs)
        sweep = picture.sweep
        if sweep is None:
            return
        best, trials = best_numbers(picture), self.query_one(TrialRows)
        if self._grid is not None and not self._as_list:
            self.query_one(Matrix).show(sweep, self._grid, picture.trials, best)
        else:
            trials.show(sweep, picture.trials, best)
            self.query_one("#titles", Lines).show_lines([[(trials.titles, "dim")]])
        if self.query_one(BoardRows).display:
            self.query_one(BoardRows).show(picture)
        self._tell_about()

    def _tell_title(self) -> None:
        sweep = self.picture.sweep
        text = f"{sweep.name}  {sweep.id}" if sweep is not None else clean(self.source.path.name)
        right = f"{sweep.metric} ({sweep.goal})" if sweep is not None else ""
        self.query_one(TitleBar).show(text, right, self.context.clock.now())

    @on(LineList.Highlighted, "TrialRows")
    @on(Matrix.Highlighted)
    def _tell_about(self) -> None:
        """Say more of the trials under the cursor."""
        sweep, under = self.picture.sweep, self.under_cursor
        if sweep is None:
            return
        widget, ellipsis = self.query_one("#about", Lines), self.context.glyphs.ellipsis
        separator, width = f" {self.context.glyphs.separator} ", max(1, widget.size.width - 2)
        texts = [
            (f"seed {trial.seed}: " if len(under) > 1 else "")
            + separator.join(about(trial, sweep.metric))
            for trial in under[:_ABOUT]
        ]
        if len(under) > _ABOUT:
            texts[-1] += f"  and {len(under) - _ABOUT} more"
        widget.show_lines([[(f" {fit(text, width, ellipsis)}", "")] for text in texts])

    # ── trials ───────────────────────────────────────────────────────────────────────────────

    @property
    def under_cursor(self) -> list[TrialState]:
        """The trials under the cursor of the part in front: one, or those of several seeds."""
        if self._front == BOARD:
            group = self.query_one(BoardRows).group
            numbers = {row.trial for row in group.rows} if group is not None else set()
            return [trial for trial in self.picture.trials if trial.number in numbers]
        matrix = self.query_one(Matrix)
        if matrix.display:
            return matrix.under_cursor
        trial = self.query_one(TrialRows).under_cursor
        return [trial] if trial is not None else []

    @on(LineList.Chosen)
    @on(Matrix.Chosen)
    def action_open(self) -> None:
        """Open the trial under the cursor; of several seeds, ask which."""
        trials = self.under_cursor
        begun = [trial for trial in trials if trial.run is not None]
        if not trials:
            return
        if not begun:
            self.deck.say(f"trial {trials[0].number} has not begun: there is nothing to watch yet")
        elif len(trials) == 1:
            self._open(begun[0])
        else:
            self._pick(begun)

    def _pick(self, trials: Sequence[TrialState]) -> None:
        assert self.picture.sweep is not None
        metric = self.picture.sweep.metric
        choices = [
            (
                f"seed {trial.seed}" if trial.seed is not None else f"trial {trial.number}",
                "  ".join(about(trial, metric)),
            )
            for trial in trials
        ]

        def picked(at: int | None) -> None:
            if at is not None:
                self._open(trials[at])

        self.app.push_screen(Pick("which trial?", choices), picked)

    def _open(self, trial: TrialState) -> None:
        from tui.sources.follow import Source

        if trial.run is not None:
            self.deck.open_monitor(Source.of_run(RunFolder(trial.run)))

    def action_compare(self) -> None:
        """Show the curves of the best combinations' trials over each other."""
        found: list[Path] = []
        for group in self.picture.groups:
            found += [row.run for row in group.rows if row.run is not None]
        if len(found) < 2:
            self.deck.say("two trials must have begun to be compared", "warning")
            return
        self.deck.open_compare(found[:MOST_COMPARED])

    # ── the ways on ──────────────────────────────────────────────────────────────────────────

    def applies(self, action: str) -> bool:
        """Leave out of the foot what cannot be done with the sweep now."""
        return action not in self.pointless()

    def action_copy(self) -> None:
        """Copy the command."""
        sweep = self.picture.sweep
        if sweep is not None:
            self.copy(clean(shlex.join(sweep.command)))

    def action_again(self) -> None:
        """Write a new sweep that begins with what this one varied."""
        from tui.screens.sweep.write import WriteSweepScreen, like

        if self.picture.sweep is not None:
            self.app.push_screen(WriteSweepScreen(design=like(self.picture.sweep)))

    def action_sweeps(self) -> None:
        """Show the list of all sweeps."""
        self.deck.open_sweeps()
