"""The list of runs: what is going on?"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from trainer.display import plural
from trainer.runs.layout import RunFolder
from trainer.runs.summary import UNREADABLE, RunSummary
from tui.screens.base import TitleBar
from tui.screens.monitor.control import pointless
from tui.screens.runs.actions import RunActions
from tui.screens.runs.columns import COLUMNS
from tui.screens.runs.detail import Detail
from tui.screens.runs.notice import Notice, nothing
from tui.screens.runs.order import ACTIVITY, remember, remembered
from tui.screens.runs.rows import RunRows
from tui.screens.runs.titles import RunTitles
from tui.screens.runs.trash import Trash
from tui.screens.runs.view import RunsView
from tui.sources.runs import RunsPicture, RunsSource
from tui.text import clean
from tui.widgets.keybar import KeyBar, binding
from tui.widgets.linelist import LineList

if TYPE_CHECKING:
    from tui.screens.runs.filter import Filter
    from tui.screens.runs.filterbar import FilterBar

#: What crashes left behind is looked for this long after the start, in seconds.
_SWEEP_SECONDS = 5.0
#: The first list is waited for so long before an empty screen is drawn, in seconds.
_FIRST_SECONDS = 0.4


class RunsScreen(RunActions):
    """The list of runs.

    Args:
        source: What reads the runs, if it was started before the app; the screen stops it.
    """

    NOTHING = "there is no run to act on"
    AUTO_FOCUS = "#runs"
    DEFAULT_CSS = """
    RunsScreen { layout: vertical; overflow: hidden; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("u", "undo", "undo", tip="Bring back what was deleted last"),
        binding("c", "compare", "compare", tip="Show the chosen runs over each other (2 to 8)"),
        binding("s", "stop_step", "stop", tip="Stop after this step, with a checkpoint"),
        binding("K", "kill", "kill", tip="End runs at once, without a checkpoint"),
        binding("R", "resume", "resume", tip="Go on with runs that are over"),
        binding("n", "launch", "launch", tip="Launch a new run"),
        binding("slash", "filter", "filter", tip="Narrow the list: state:running loss<0.5 word"),
        binding(
            "space", "select", "select", tip="Choose the run, or no longer, and go to the next one"
        ),
        binding("d", "delete", "delete", tip="Delete runs that are over; u brings them back"),
        binding("t", "tag", "tag", tip="Edit the tags"),
        binding("o", "sort", "sort", tip="Choose the column to sort by"),
        binding("p", "profiles", "profiles", tip="Look at the profiles and edit them"),
        binding("w", "sweep", "sweeps", tip="The sweep of the run under the cursor, or all sweeps"),
        binding("O", "reverse", "reverse", show=False, tip="Sort the other way round"),
        binding(
            "greater_than_sign", "next(1)", "next column", show=False, tip="Sort by the next column"
        ),
        binding(
            "less_than_sign",
            "next(-1)",
            "column before",
            show=False,
            tip="Sort by the column before",
        ),
        binding(
            "a", "select_all", "select all", show=False, tip="Choose all runs of the list, or none"
        ),
        binding(
            "S",
            "stop_epoch",
            "stop after epoch",
            show=False,
            tip="Stop after this epoch, with a checkpoint",
        ),
        binding("v", "validate", "validate", show=False, tip="Ask for a validation now"),
        binding(
            "f", "open_folder", "folder", show=False, tip="Show where the run lies, and copy it"
        ),
        binding("q", "app.leave", "quit", show=False, tip="Leave the app; runs go on"),
        binding(
            "escape", "back", "back", show=False, tip="Drop the filter, then the choice; go back"
        ),
    ]

    class Fresh(Message, bubble=False):
        """The source has a picture that was waited for."""

        def can_replace(self, message: Message) -> bool:
            """One is as good as many."""
            return isinstance(message, RunsScreen.Fresh)

    def __init__(self, source: RunsSource | None = None) -> None:
        super().__init__()
        self._given = source
        self._view = RunsView()
        self._bar: FilterBar | None = None
        self._pointless = pointless("")

    def compose(self) -> ComposeResult:
        """Lay it out."""
        context = self.context
        self.source = self._given or RunsSource(context.runs_dirs, context.clock)
        if context.live:
            self.source.start()
            self.source.wait(_FIRST_SECONDS)
        self.trash = Trash(self.source.folders)
        self._view.order = remembered()
        self._titlebar = TitleBar("traindeck")
        self._titles = RunTitles(context.glyphs)
        self._problems = Notice(classes="problem")
        self._notice = Notice()
        self._rows = RunRows(context.glyphs, context.clock)
        self._detail = Detail()
        yield self._titlebar
        yield self._problems
        yield self._titles
        yield self._notice
        yield self._rows
        yield self._detail
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to look."""
        if self.context.live:
            self.source.told = self._told
            self.set_timer(_SWEEP_SECONDS, self._sweep)
        else:
            self.source.step()
        self.tick()

    def on_unmount(self) -> None:
        """Stop to look; what was deleted is gone now."""
        self.source.told = None
        self.source.stop()
        self.trash.expire(float("inf"))

    def on_screen_suspend(self) -> None:
        """Rest while another screen hides this one."""
        self.source.pause(not self.in_sight)

    def on_screen_resume(self) -> None:
        """Go on."""
        self.source.pause(False)

    def _told(self) -> None:
        self.post_message(self.Fresh())

    def _sweep(self) -> None:
        self.run_worker(self.trash.sweep, thread=True, group="sweep", exit_on_error=False)

    # ── news ─────────────────────────────────────────────────────────────────────────────────

    @on(Fresh)
    def _fresh(self) -> None:
        self.tick()

    def tick(self) -> None:
        """Draw what is new."""
        if not self.is_mounted:
            return
        clock = self.context.clock
        picture = self.source.picture
        stale = self._view.stale(clock.monotonic())
        if picture is not self._view.picture or stale:
            self._take(picture, again=stale)
        else:
            self._rows.redraw()
        self.trash.expire(clock.monotonic())
        self._show_title()
        self._show_under()
        self.source.look_at(self._rows.in_sight())

    def _take(self, picture: RunsPicture, *, again: bool = False, first: bool = False) -> None:
        """Show a picture; `again` where the filter or the order is another one."""
        view, context = self._view, self.context
        if not view.take(picture) and not again:
            self._rows.show(view.runs, picture.curves)
            return
        view.arrange(context.clock.now(), context.clock.monotonic(), context.glyphs.separator)
        self._choose(view.still_chosen)
        self._rows.show(view.runs, picture.curves, first=first)
        self._problems.show("\n".join(picture.problems))
        self._notice.show(
            "" if view.runs else nothing(picture, view.filter_text, self.source.folders)
        )
        self._show_titles()
        self._show_title()

    def _again(self, *, first: bool = False) -> None:
        self._take(self._view.picture, again=True, first=first)
        self.source.look_at(self._rows.in_sight())

    @on(LineList.Highlighted)
    def _moved(self, event: LineList.Highlighted) -> None:
        event.stop()
        self._show_under()

    def on_resize(self) -> None:
        """See whether there is room for more about the run under the cursor."""
        self.call_after_refresh(self._show_under)

    def _show_under(self) -> None:
        """Say more of the run under the cursor where there is room, and what can be done with it."""
        under = self._rows.under_cursor
        room = self._rows.size.height + self._detail.size.height * self._detail.display
        self._detail.show(
            under,
            room - self._rows.count,
            self.size.width,
            self.context.glyphs,
            str(self.context.cwd),
        )
        found = pointless("")
        for run in self.meant():
            # With several, what makes sense for one of them makes sense.
            found &= pointless(run.state) if run.state != UNREADABLE else found - {"delete"}
        found |= {"compare"} if len(self._view.chosen) < 2 else frozenset()
        found |= frozenset() if self.trash else {"undo"}
        if found != self._pointless:
            self._pointless = found
            self.refresh_bindings()

    def applies(self, action: str) -> bool:
        """Leave out of the foot what cannot be done with the run under the cursor."""
        return action not in self._pointless

    def _show_title(self) -> None:
        facts, narrowed = self._view.title(self.context.glyphs.separator, bool(self.trash))
        self._titlebar.show(facts, narrowed, self.context.clock.now())

    def _show_titles(self) -> None:
        self._titles.show(self._rows.columns, self._view.order[0], self._view.upwards)

    @on(RunRows.Laid)
    def _laid(self) -> None:
        self._show_titles()

    # ── which runs are meant ─────────────────────────────────────────────────────────────────

    def chosen_runs(self) -> list[RunSummary]:
        """Give the runs that are chosen, in the list's order; those filtered out come last."""
        return self._view.chosen_runs()

    def under_cursor(self) -> RunSummary | None:
        """Give the run under the cursor; None in an empty list."""
        return self._rows.under_cursor

    def meant(self) -> list[RunSummary]:
        """Give the runs that are chosen, or else the one under the cursor."""
        under = self._rows.under_cursor
        return self.chosen_runs() or ([under] if under is not None else [])

    def controlled(self) -> list[RunFolder]:
        """Give the folders of the runs that are meant."""
        return [run.folder for run in self.meant() if run.state != UNREADABLE]

    def unchoose(self) -> None:
        """Choose none."""
        self._choose(frozenset())

    def _choose(self, paths: frozenset[str]) -> None:
        if paths != self._view.chosen:
            self._view.chosen = paths
            self._rows.choose(paths)
            self._show_title()
            self._show_under()

    def action_select(self) -> None:
        """Choose the run under the cursor, or choose it no longer; go on to the next."""
        under = self._rows.under_cursor
        if under is not None:
            self._choose(self._view.chosen ^ {under.path})
            self._rows.cursor += 1

    def action_select_all(self) -> None:
        """Choose all runs of the list, or none if all are."""
        self._choose(self._view.all_or_none)

    # ── the ways on ──────────────────────────────────────────────────────────────────────────

    @on(LineList.Chosen)
    def _opened(self, event: LineList.Chosen) -> None:
        event.stop()
        self.action_open()

    def action_launch(self) -> None:
        """Launch a new run."""
        self.deck.open_launch()

    def action_profiles(self) -> None:
        """Look at the profiles."""
        self.deck.open_profiles()

    def action_back(self) -> None:
        """Drop the filter, then the choice; then leave this screen if it is not the first."""
        if self._view.filter:
            self._set_filter(None)
        elif self._view.chosen:
            self.unchoose()
        elif len(self.app.screen_stack) > 1:
            self.deck.back()
        else:
            self.deck.say("q leaves traindeck; runs go on")

    def action_leave(self) -> None:
        """Leave the app, with a word on the runs that go on."""
        live = sum(run.live for run in self._view.picture.runs)
        if live:
            goes = "goes" if live == 1 else "go"
            command = clean(shlex.join(["traindeck", *self.context.places]))
            self.deck.last_words.append(f"{plural(live, 'run')} {goes} on: {command}")
        self.deck.leave_now()

    # ── filter ───────────────────────────────────────────────────────────────────────────────

    def action_filter(self) -> None:
        """Type a filter."""
        if self._bar is not None:
            return
        from tui.screens.runs.filterbar import FilterBar

        self._bar = FilterBar(self._view.filter_text)
        self.mount(self._bar, after=self._rows)

    def on_filter_bar_typed(self, event: FilterBar.Typed) -> None:
        """Narrow the list while the person types; what is not understood changes nothing."""
        event.stop()
        from tui.screens.runs.filter import parse

        found = parse(event.text, self._view.metrics())
        if self._bar is not None:
            self._bar.tell(found.problem)
        if not found.problem:
            self._set_filter(found or None)

    def on_filter_bar_moved(self, event: FilterBar.Moved) -> None:
        """Move the cursor from within the filter."""
        event.stop()
        self._rows.action_move(event.by)

    def on_filter_bar_closed(self, event: FilterBar.Closed) -> None:
        """Go back to the list, with the filter or without."""
        event.stop()
        if self._bar is not None:
            self._bar.remove()
            self._bar = None
        if not event.keep:
            self._set_filter(None)
        self._rows.focus()

    def _set_filter(self, wanted: Filter | None) -> None:
        if (wanted.text if wanted is not None else "") != self._view.filter_text:
            self._view.filter = wanted
            self._again(first=wanted is not None)

    # ── order ────────────────────────────────────────────────────────────────────────────────

    def action_sort(self) -> None:
        """Choose the column to sort by."""
        from tui.widgets.dialogs import Pick

        keys = [ACTIVITY, *(column.key for column in COLUMNS)]
        choices = [
            ("live first", "what lives, then the newest"),
            *((column.title, column.what) for column in COLUMNS),
        ]

        def chosen(place: int | None) -> None:
            if place is not None:
                self._sort(keys[place], False)

        picker = Pick("Sort by", choices, keys.index(self._view.order[0]))
        self.app.push_screen(picker, chosen)

    def action_reverse(self) -> None:
        """Sort the other way round."""
        key, reverse = self._view.order
        self._sort(key, not reverse)

    def action_next(self, by: int) -> None:
        """Sort by the next column in sight, or the one before."""
        keys = [ACTIVITY, *self._rows.columns.keys]
        key, _ = self._view.order
        here = keys.index(key) if key in keys else 0
        self._sort(keys[(here + by) % len(keys)], False)

    @on(RunTitles.Pressed)
    def _pressed(self, event: RunTitles.Pressed) -> None:
        key, reverse = self._view.order
        self._sort(event.key, not reverse if event.key == key else False)

    def _sort(self, key: str, reverse: bool) -> None:
        self._view.order = (key, reverse)
        remember(key, reverse)
        # Who stands at the top wants to see the new top; else the cursor goes with its run.
        self._again(first=self._rows.cursor == 0)
