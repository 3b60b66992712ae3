"""What the Monitor shows of a run: it reads and draws; what keys do comes on top of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from trainer.runs.status import State
from tui.screens.monitor import layout as layouts
from tui.screens.monitor.control import RunControl, pointless
from tui.screens.monitor.facts import facts
from tui.screens.monitor.factsline import FactsLine
from tui.screens.monitor.groups import Group, group
from tui.screens.monitor.header import Header
from tui.screens.monitor.layout import Layout
from tui.screens.monitor.panels import Panels
from tui.screens.monitor.places import Places
from tui.screens.monitor.sight import Sight
from tui.screens.monitor.view import View
from tui.sources.follow import Follower, Picture, Source
from tui.widgets.keybar import KeyBar

if TYPE_CHECKING:
    from tui.screens.monitor.tail import LogTail


class MonitorFront(RunControl):
    """Follows one run, and shows its charts or one of the tabs.

    Args:
        source: A run folder, an events file or a pipe.
        launched: Whether this command launched the run: leaving it after its end then leaves with
            the run's exit code.
    """

    DEFAULT_CSS = """
    MonitorFront > #charts { height: 1fr; }
    """

    class News(Message):
        """There is a new picture that should not wait for the clock."""

    def __init__(self, source: Source, launched: bool = False) -> None:
        super().__init__()
        self._source, self._launched = source, launched
        self._shown = Picture()
        self._recipe: str | None = None
        self._layout = Layout()
        self._groups: tuple[Group, ...] = ()
        self._sight = Sight()
        self._second = -1
        self._waits = True
        self._resting = False
        self._checkpoint: bool | None = None
        self._follower: Follower | None = None
        self._places: Places | None = None
        self._tail: LogTail | None = None
        self._tail_room = 2
        self._pointless = pointless("")

    @property
    def follower(self) -> Follower:
        """The reader of the run."""
        if self._follower is None:
            quickest = 1 / max(0.5, self.context.settings.refresh)
            self._follower = Follower(self._source, self.context.clock, self._told, quickest)
        return self._follower

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Header()
        with Vertical(id="charts"):
            yield Panels()
            yield FactsLine()
        self._places = Places(self._source)
        yield self._places
        yield KeyBar()

    # ── its life ─────────────────────────────────────────────────────────────────────────────

    def on_mount(self) -> None:
        """Begin to read."""
        if self.context.live:
            self.follower.start()
        else:
            self.follower.step()

    def on_unmount(self) -> None:
        """End the reader."""
        self.follower.stop()

    def on_screen_suspend(self) -> None:
        """Rest while another screen hides this one."""
        self.follower.pause(not self.in_sight)

    def on_screen_resume(self) -> None:
        """Go on, at once."""
        self.follower.pause(False)

    def on_resize(self, event: events.Resize) -> None:
        """Share the lines out: charts first, then the facts, then the log."""
        height = event.size.height
        self.query_one(FactsLine).display = height >= 12
        self._tail_room = 0 if height < 16 else 2 if height < 32 else min(8, height // 8)
        self.call_after_refresh(self._show_all)

    def _told(self) -> None:
        """Hear of a new picture, in the reader's thread."""
        # The clock shows the rest; but the first chart, and answers to keys, come at once.
        loaded = self._shown.loading and not self.follower.picture.loading
        if self._waits or loaded or self._resting:
            self._waits = False
            self.post_message(self.News())

    @on(News)
    def _show_news(self) -> None:
        """Show it."""
        if self.in_sight:
            self.tick()

    def tick(self) -> None:
        """Draw what is new."""
        picture = self.follower.picture
        if picture is not self._shown:
            self._take(picture)
        elif int(self.context.clock.now()) != self._second:
            self._show_head()
        self._rest()

    def _rest(self) -> None:
        """Let the clock stand while nothing can change by time alone; the reader wakes it."""
        if self._ticking is None or not self.in_sight:
            return
        shown = self._shown
        over = shown.status is not None and shown.status.terminal
        if (over or shown.closed or shown.finished) and not shown.loading:
            self._ticking.pause()
            self._resting = True
        elif self._resting:
            self._ticking.resume()
            self._resting = False

    # ── what is shown ────────────────────────────────────────────────────────────────────────

    def _take(self, picture: Picture) -> None:
        before, self._shown = self._shown, picture
        recipe = picture.identity.get("recipe")
        recipe = recipe if isinstance(recipe, str) else ""
        if recipe != self._recipe:
            self._recipe = recipe
            self._layout = layouts.recall(recipe)
        if picture.names is not before.names or picture.goals is not before.goals:
            self._groups = group(picture.names, picture.goals)
        self._look_for_checkpoint(picture)
        self._show_all()

    def _show_all(self) -> None:
        """Hand the picture out to everything in sight."""
        picture = self._shown
        self._show_head()
        places = self.query_one(Places)
        if places.current:
            places.show(picture)
            return
        self._sight.take(picture, self._layout.x)
        self._show_charts()

    def _show_head(self) -> None:
        now = self.context.clock.now()
        self._second = int(now)
        said = facts(self._shown, self._source, now, checkpoint=self._checkpoint)
        self.query_one(Header).show_facts(said, self.context.glyphs)
        self._show_keys()

    def _show_keys(self) -> None:
        """Let the foot name what makes sense for the run as it is now."""
        status = self._shown.status
        steered = self._source.run is not None and status is not None
        found = pointless(status.state if status is not None and steered else "")
        if self._checkpoint is False or self._shown.identity.get("launcher") == "script":
            found |= {"resume"}
        if found != self._pointless:
            self._pointless = found
            self.refresh_bindings()

    def _show_charts(self) -> None:
        panels, sight = self.query_one(Panels), self._sight
        view = View(
            self._shown,
            sight.axis,
            sight.window,
            self._layout,
            self._groups,
            sight.cursor,
            self.context.glyphs,
        )
        panels.show(view)
        hidden = len(self._groups) - len(panels.arranged)
        self.query_one(FactsLine).show(view, panels.page, hidden)
        self._show_tail()
        in_sight = panels.in_sight
        self._waits |= sight.ask(self.follower, self._shown, in_sight, panels.columns)

    def _show_tail(self) -> None:
        """Show the last lines of the log; they come after the first charts, which matter more."""
        if self._tail is None:
            if self._shown.counts:
                self.call_after_refresh(self._add_tail)
            return
        self._tail.show(self._shown, self._tail_room, self.size.width, self.context.glyphs)

    def _add_tail(self) -> None:
        from tui.screens.monitor.tail import LogTail

        if self._tail is None:
            self._tail = LogTail()
            self.query_one("#charts").mount(self._tail)
            self._show_tail()

    def _look_for_checkpoint(self, picture: Picture) -> None:
        """Once a run has ended, look in a thread whether there is something to resume from."""
        status = picture.status
        if status is None or not status.terminal:
            self._checkpoint = None
            return
        run = self._source.run
        if self._checkpoint is not None or run is None or status.state is State.COMPLETED:
            return
        self._checkpoint = bool(picture.checkpoints)

        def look() -> None:
            from trainer.runs.manage import find_checkpoint

            found = find_checkpoint(run) is not None
            self.app.call_from_thread(self._found_checkpoint, found)

        self.run_worker(look, thread=True, group="checkpoint", exit_on_error=False)

    def _found_checkpoint(self, found: bool) -> None:
        self._checkpoint = found
        self._show_head()

    # ── tabs ─────────────────────────────────────────────────────────────────────────────────

    def action_place(self, number: int) -> None:
        """Show the charts (0) or a tab."""
        places = self.query_one(Places)
        if number == places.current:
            return
        self.query_one("#charts").display = number == 0
        places.go(number, self._shown)
        self.refresh_bindings()
        if number == 0:
            self.set_focus(None)
            self.call_after_refresh(self._show_all)

    @property
    def _in_tab(self) -> bool:
        # Asked for every key at every change of the foot: too often to search for it.
        return self._places is not None and self._places.current > 0
