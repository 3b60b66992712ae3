"""Compare: which of these runs is better, from when on, and what was different about it?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.message import Message

from trainer.display import count, duration, number, plural
from tui import memory
from tui.screens.base import DeckScreen, TitleBar
from tui.screens.compare.charts import ComparePanel
from tui.screens.compare.configs import Configs, Differences, differences
from tui.screens.compare.keys import KEYS
from tui.screens.compare.legend import Legend, LegendHead
from tui.screens.compare.lens import LETTERS, Lens
from tui.screens.compare.table import Table
from tui.screens.monitor.layout import SMOOTHINGS, X_KINDS, Layout
from tui.sources.follow import Source
from tui.text import clean
from tui.widgets.chart.model import XKind
from tui.widgets.dialogs import Pick
from tui.widgets.keybar import KeyBar
from tui.widgets.linelist import LineList

#: From so many columns on, the table or the differences stand beside the curves.
_WIDE = 140
_PANEL_HEIGHT, _PANEL_WIDTH = 9, 60
_MEMORY = "compare"


class CompareScreen(DeckScreen):
    """Runs over each other.

    Args:
        runs: Their folders; of more than eight, the first eight are shown.
    """

    BINDINGS: ClassVar[list[BindingType]] = KEYS
    DEFAULT_CSS = """
    CompareScreen #main { height: 1fr; }
    CompareScreen #panels { width: 3fr; height: 1fr; grid-gutter: 0 2; }
    CompareScreen #side { width: 2fr; height: 1fr; margin: 0 0 0 2; }
    CompareScreen.-narrow #side { width: 1fr; margin: 0; }
    """

    class News(Message):
        """A reader has something new that should not wait for the clock."""

        def can_replace(self, message: Message) -> bool:
            """One is enough."""
            return isinstance(message, CompareScreen.News)

    def __init__(self, runs: Sequence[Path]) -> None:
        super().__init__()
        self._runs = list(dict.fromkeys(runs))
        self._waits = True
        self._lens: Lens | None = None
        self._metrics: list[str] = []
        self._chosen: dict[int, str] = {}
        self._log: set[str] = set()
        self._focus_at = 0
        self._alone = False
        self._pane = ""
        self._compared = False

    @property
    def lens(self) -> Lens:
        """The runs."""
        if self._lens is None:
            known = memory.recall(_MEMORY)
            x = known.get("x") if known.get("x") in X_KINDS else "step"
            strength = known.get("smooth")
            smooth = strength if isinstance(strength, int) and strength in SMOOTHINGS else 0
            self._lens = Lens(
                self._runs[: len(LETTERS)],
                self.context.clock,
                told=self._told,
                quickest=1 / max(0.5, self.context.settings.refresh),
                glyphs=self.context.glyphs,
                layout=Layout(x=cast("XKind", x), smooth=smooth),
            )
        return self._lens

    def compose(self) -> ComposeResult:
        """Lay it out."""
        self._first = ComparePanel()
        yield TitleBar("compare")
        with Horizontal(id="main"):
            with Grid(id="panels"):
                yield self._first
            with Vertical(id="side"):
                yield Table(self._first.chart)
                yield Configs()
        yield LegendHead()
        yield Legend(self._first.chart)
        yield KeyBar()

    # ── its life ─────────────────────────────────────────────────────────────────────────────

    def on_mount(self) -> None:
        """Begin to read."""
        for entry in self.lens.entries:
            if self.context.live:
                entry.follower.start()
            else:
                entry.follower.step()
        self.query_one(Legend).focus()
        if len(self._runs) > len(LETTERS):
            self.deck.say(
                f"of {len(self._runs)} runs the first {len(LETTERS)} are shown", "warning"
            )

    def on_unmount(self) -> None:
        """End the readers."""
        for entry in self.lens.entries:
            entry.follower.stop()

    def on_screen_suspend(self) -> None:
        """Rest while another screen hides this one."""
        for entry in self.lens.entries:
            entry.follower.pause(not self.in_sight)

    def on_screen_resume(self) -> None:
        """Go on, at once."""
        for entry in self.lens.entries:
            entry.follower.pause(False)

    def on_resize(self, event: events.Resize) -> None:
        """Lay out anew: panes beside each other, or one in front."""
        self.set_class(event.size.width < _WIDE, "-narrow")
        self._arrange()

    def _told(self) -> None:
        """Hear of a new picture, in a reader's thread: answers to keys come at once."""
        if self._waits or any(each.picture.loading for each in self.lens.entries):
            self._waits = False
            self.post_message(self.News())

    def on_compare_screen_news(self) -> None:
        """Show it."""
        if self.in_sight:
            self.tick()

    def tick(self) -> None:
        """Draw what is new."""
        if self.lens.take():
            self._metrics = self.lens.metrics()
            self._arrange()
        self._show_title()

    # ── what is shown ────────────────────────────────────────────────────────────────────────

    @property
    def _wide(self) -> bool:
        return not self.has_class("-narrow")

    @property
    def _shown_pane(self) -> str:
        return self._pane or ("table" if self._wide and not self._alone else "")

    @property
    def _panels(self) -> list[ComparePanel]:
        return list(self.query(ComparePanel))

    @property
    def metric(self) -> str:
        """The metric of the panel that keys act on."""
        chosen = self._in_panels(self._focus_at + 1)
        return chosen[self._focus_at] if self._focus_at < len(chosen) else ""

    def _in_panels(self, room: int) -> list[str]:
        """Name the metrics of the first panels: chosen ones, and the most important others."""
        metrics = self._metrics
        chosen = {at: name for at, name in self._chosen.items() if name in metrics}
        others = iter([name for name in metrics if name not in chosen.values()])
        found = []
        for at in range(min(room, len(metrics))):
            name = chosen.get(at) or next(others, None)
            if name is not None:
                found.append(name)
        return found

    def _arrange(self) -> None:
        """Make as many panels as there is room for, and show everything."""
        if not self.is_mounted:
            return
        grid, side = self.query_one("#panels", Grid), self.query_one("#side")
        pane = self._shown_pane
        side.display = bool(pane)
        self.query_one(Table).display = pane == "table"
        self.query_one(Configs).display = pane == "configs"
        grid.display = self._wide or not pane
        width = self.size.width * 3 // 5 if pane else self.size.width
        height = self.size.height - 3 - max(1, len(self.lens.entries))
        across = max(1, min(3, width // _PANEL_WIDTH))
        down = max(1, height // _PANEL_HEIGHT)
        wanted = 1 if self._alone else max(1, min(across * down, len(self._metrics), 6))
        across = min(across, wanted)
        self._focus_at = min(self._focus_at, wanted - 1) if not self._alone else self._focus_at
        panels = self._panels
        if len(panels) != wanted:
            for panel in panels[wanted:]:
                panel.remove()
            if wanted > len(panels):
                grid.mount_all(ComparePanel() for _ in range(wanted - len(panels)))
        grid.styles.grid_size_columns = across
        grid.styles.grid_size_rows = -(-wanted // across)
        self.call_after_refresh(self._show_all)
        if self.context.live:
            return
        self._show_all()

    def _show_all(self) -> None:
        if not self.is_mounted or not self.is_attached:
            return
        lens, metric = self.lens, self.metric
        panels = self._panels
        names = [metric] if self._alone else self._in_panels(len(panels))
        for at, (panel, name) in enumerate(zip(panels, names, strict=False)):
            panel.metric = name
            focused = (self._alone or at == self._focus_at) and len(self._metrics) > 1
            panel.show(lens, log=name in self._log, focused=focused)
        if not self._metrics and panels:
            panels[0].show(lens, log=False, focused=False)
        self.query_one(LegendHead).show(lens, clean(metric), self.size.width)
        self.query_one(Legend).show(lens, metric)
        if self._shown_pane == "table":
            self.query_one(Table).show(lens)
        elif self._shown_pane == "configs":
            self._compare_configs()
        self._show_title()
        columns = max((panel.chart.plot_width for panel in panels), default=1)
        self._waits |= lens.ask(names, columns)

    def _show_title(self) -> None:
        lens = self.lens
        text = plural(len(lens.entries), "run")
        where = ""
        if lens.cursor is not None:
            place = lens.cursor
            said = {"step": count(round(place)), "epoch": number(place), "time": duration(place)}
            where = f"{lens.layout.x} {said[lens.layout.x]}"
        else:
            where = f"by {lens.layout.x}"
        self.query_one(TitleBar).show(text, where, self.context.clock.now())

    def _compare_configs(self) -> None:
        if self._compared:
            return
        self._compared = True
        runs = [(entry.letter, entry.path) for entry in self.lens.entries]

        def work() -> None:
            found = differences(runs)
            self.app.call_from_thread(self._show_differences, found)

        self.run_worker(work, thread=True, group="configs", exit_on_error=False)

    def _show_differences(self, found: Differences) -> None:
        self.query_one(Configs).show(found)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────

    def _change(self, layout: Layout) -> None:
        self.lens.change(layout)
        memory.remember(_MEMORY, {"x": layout.x, "smooth": layout.smooth})
        self._show_all()

    def action_metric(self) -> None:
        """Choose the metric of this panel."""
        metrics = list(self._metrics)
        if not metrics:
            self.deck.say("there are no metrics yet", "warning")
            return
        entries = self.lens.entries
        choices = []
        for name in metrics:
            having = "".join(e.letter for e in entries if name in e.picture.envelopes)
            choices.append((clean(name), "" if len(having) == len(entries) else f"only {having}"))

        def chosen(at: int | None) -> None:
            if at is not None:
                kept = {k: v for k, v in self._chosen.items() if v != metrics[at]}
                self._chosen = {**kept, self._focus_at: metrics[at]}
                self._show_all()

        cursor = metrics.index(self.metric) if self.metric in metrics else 0
        self.app.push_screen(Pick("Metric of this panel", choices, cursor), chosen)

    def action_pane(self, name: str) -> None:
        """Show the table or the differences, or the curves again."""
        self._pane = "" if self._pane == name else name
        self._arrange()
        target = self.query_one(f"#{name}") if self._pane else self.query_one(Legend)
        self.call_after_refresh(target.focus)

    def action_hide(self, at: int) -> None:
        """Hide a run, or show it again."""
        entries = self.lens.entries
        if at < len(entries):
            entries[at].hidden = not entries[at].hidden
            self._show_all()

    def action_hide_here(self) -> None:
        """Hide the run under the cursor, or show it again."""
        self.action_hide(self.query_one(Legend).cursor)

    def action_isolate(self) -> None:
        """Show only the run under the cursor; again for all."""
        here = self.query_one(Legend).cursor
        only = [at for at, entry in enumerate(self.lens.entries) if not entry.hidden] == [here]
        for at, entry in enumerate(self.lens.entries):
            entry.hidden = not only and at != here
        self._show_all()

    def action_zoom(self, direction: int) -> None:
        """Zoom in (1), out (-1), or show the whole history (0)."""
        self.lens.zoom(direction)
        self._show_all()

    def action_pan(self, direction: int) -> None:
        """Move the window by a quarter."""
        self.lens.pan(direction)
        self._show_all()

    def action_cursor(self, columns: int) -> None:
        """Move the cursor."""
        width = max((panel.chart.plot_width for panel in self._panels), default=1)
        self.lens.move_cursor(columns, width)
        self._show_all()

    def action_log(self) -> None:
        """Switch this metric between a linear and a logarithmic axis."""
        self._log ^= {self.metric}
        self._show_all()

    def action_axis(self) -> None:
        """Lay the runs over each other by something else."""
        self._change(self.lens.layout.with_next_x())
        lacking = [
            each.letter
            for each in self.lens.entries
            if each.picture.envelopes and not each.placed(self.lens.layout.x)
        ]
        if lacking:
            kind = self.lens.layout.x
            self.deck.say(f"without {kind}s, and so left out: {', '.join(lacking)}", "warning")

    def action_smooth(self) -> None:
        """Smooth more, and after the strongest not at all."""
        self._change(self.lens.layout.with_next_smoothing())

    def action_panel(self, by: int) -> None:
        """Go to the next panel or the one before."""
        among = len(self._metrics) if self._alone else len(self._panels)
        if among:
            self._focus_at = (self._focus_at + by) % among
            self._show_all()

    def action_maximise(self) -> None:
        """Show this panel alone, or several again."""
        self._alone = not self._alone
        self._arrange()

    def action_escape(self) -> None:
        """Go one step back: from a pane, a panel alone, a cursor; then from the screen."""
        if self._pane:
            self.action_pane(self._pane)
        elif self._alone:
            self.action_maximise()
        elif self.lens.cursor is not None:
            self.lens.set_cursor(None)
            self._show_all()
        else:
            self.action_back()

    @on(LineList.Chosen)
    def _open(self, event: LineList.Chosen) -> None:
        """Open a run."""
        if isinstance(event.rows, Legend):
            self.deck.open_monitor(Source.of_run(self.lens.entries[event.index].path))
