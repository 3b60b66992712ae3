"""What the keys do to the charts: zoom, cursor, axes, and which panels there are."""

from __future__ import annotations

from textual import on

from trainer.display import count
from tui.screens.monitor import layout as layouts
from tui.screens.monitor.front import MonitorFront
from tui.screens.monitor.groups import Group
from tui.screens.monitor.layout import Layout
from tui.screens.monitor.panels import Panel, Panels
from tui.screens.monitor.places import Places


def step_in(text: str) -> int | None:
    """Read the number of a step as people write it and as it is shown: 1200, 1 200, 1,200."""
    digits = "".join(letter for letter in text if letter not in " ,_\u00a0\u202f")
    return int(digits[:18]) if digits.isascii() and digits.isdigit() else None


class ChartKeys(MonitorFront):
    """The part of the Monitor that acts on its charts."""

    def _change(self, layout: Layout) -> Layout:
        """Take another layout, and remember it."""
        if layout != self._layout:
            self._layout = layout
            layouts.remember(self._recipe or "", layout)
            self._sight.take(self._shown, layout.x)
            self._show_charts()
        return layout

    @property
    def _panel(self) -> Group | None:
        return self.query_one(Panels).focused

    def action_zoom(self, direction: int) -> None:
        """Zoom in (1), out (-1), or show the whole history (0)."""
        self._sight.zoom(direction)
        self._show_charts()

    def action_pan(self, direction: int) -> None:
        """Move the window by a quarter."""
        self._sight.pan(direction)
        self._show_charts()

    def action_cursor(self, columns: int) -> None:
        """Move the cursor."""
        panels = self.query_one(Panels)
        shown = panels.focused_panel
        width = shown.chart.plot_width if shown is not None else 1
        self._sight.move_cursor(columns, width, self._shown, panels.focused)
        self._show_charts()

    def action_cursor_edge(self, last: int) -> None:
        """Move the cursor to an end of the history."""
        self._sight.cursor_to_edge(bool(last), self._shown, self._panel)
        self._show_charts()

    def action_goto(self) -> None:
        """Ask for a step, and set the cursor there."""
        from tui.widgets.dialogs import Ask

        if not self._groups:
            self.deck.say("there are no metrics yet", "warning")
            return
        axis = self._sight.axis
        first, last = count(axis.start), count(max(axis.start, axis.end - 1))

        def problem(text: str) -> str:
            return "" if not text.strip() or step_in(text) is not None else "not a number of a step"

        def go(text: str | None) -> None:
            step = step_in(text or "")
            if step is not None:
                self._sight.go_to(step)
                self._show_charts()

        lines = [f"There are steps {first} to {last}."]
        self.app.push_screen(Ask("Go to step", lines=lines, check=problem), go)

    def action_log(self) -> None:
        """Switch the panel between a linear and a logarithmic axis."""
        if self._panel is not None:
            self._change(self._layout.with_log(self._panel))

    def action_axis(self) -> None:
        """Show another kind of x axis, on all panels."""
        self._change(self._layout.with_next_x())
        if self._sight.axis.kind != self._layout.x and self._groups:
            self.deck.say(f"the run tells no {self._layout.x}: steps are shown", "warning")

    def action_smooth(self) -> None:
        """Smooth more, and after the strongest not at all."""
        self._change(self._layout.with_next_smoothing())

    def action_panel(self, by: int) -> None:
        """Go to the next panel or the one before; in a tab, to the next field."""
        if self.query_one(Places).current:
            if by > 0:
                self.focus_next()
            else:
                self.focus_previous()
            return
        self.query_one(Panels).move_focus(by)
        self._show_charts()

    @on(Panel.Clicked)
    def _clicked(self, event: Panel.Clicked) -> None:
        self.query_one(Panels).focus_key = event.key
        self._show_charts()

    def action_page(self, by: int) -> None:
        """Turn to another page of panels."""
        self.query_one(Panels).turn(by)
        self._show_charts()

    def action_maximise(self) -> None:
        """Show this panel alone, or all of them again."""
        panels = self.query_one(Panels)
        panels.maximise(not panels.maximised)
        self._show_charts()

    def action_reorder(self, by: int) -> None:
        """Move this panel by one place."""
        panels = self.query_one(Panels)
        if panels.focused is not None:
            panels.focus_key = panels.focused.key
            self._change(self._layout.moved(panels.focused, by, self._groups))

    def action_hide(self) -> None:
        """Hide this panel."""
        panels = self.query_one(Panels)
        panel = panels.focused
        if panel is None:
            return
        if len(panels.arranged) == 1:
            self.deck.say("the last panel stays; m brings others back", "warning")
            return
        panels.move_focus(1)
        self._change(self._layout.with_hidden(panel))
        self.deck.say(f"{panel.title} is hidden; m brings it back")

    def action_metrics(self) -> None:
        """Find a metric; pin its panel, hide it, go to it."""
        from tui.screens.monitor.metrics import MetricsDialog

        if not self._groups:
            self.deck.say("there are no metrics yet", "warning")
            return
        dialog = MetricsDialog(
            self._shown,
            self._groups,
            self._layout,
            pin=lambda panel: self._change(self._layout.with_pin(panel, self._groups)),
            hide=lambda panel: self._change(self._layout.with_hidden(panel)),
            cursor=self._panel,
        )

        def go(place: int | None) -> None:
            if place is None:
                return
            panel = dialog.found[place][1]
            self.query_one(Panels).focus_key = panel.key
            self.action_place(0)
            if panel.key in self._layout.hidden:
                self._change(self._layout.with_hidden(panel))
            self._show_charts()

        self.app.push_screen(dialog, go)
