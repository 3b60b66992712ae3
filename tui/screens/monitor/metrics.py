"""The list of all metrics: find one by its name, pin its panel, hide it, go to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from tui.screens.monitor.groups import Group
from tui.screens.monitor.layout import Layout
from tui.screens.monitor.values import latest, written
from tui.sources.follow import Picture
from tui.text import clean
from tui.widgets.dialogs import Pick

#: Acts on a panel and gives the layout afterwards.
Deed = Callable[[Group], Layout]


def rows(picture: Picture, groups: Sequence[Group]) -> list[tuple[str, Group]]:
    """Give each metric with its panel, in the order of the panels."""
    return [(series.metric, panel) for panel in groups for series in panel.series]


def described(
    metric: str, panel: Group, picture: Picture, layout: Layout, groups: Sequence[Group]
) -> tuple[str, str]:
    """Give what the list says of a metric: its name, and its value, panel and state."""
    value = latest(picture, metric)
    words = []
    if value is not None:
        words.append(written(value, picture.units.get(metric, ""), metric))
    if panel.title != metric:
        words.append(f"on {panel.title}")
    if panel.key in layout.hidden:
        words.append("hidden")
    elif layout.pinned(panel, groups):
        words.append("pinned")
    return clean(metric), ", ".join(words)


class MetricsDialog(Pick):
    """Finds a metric; answers its place in `found`.

    Args:
        picture: The run.
        groups: All panels.
        layout: What is pinned and hidden now.
        pin: Pins the panel of a metric, or releases it.
        hide: Hides it, or shows it again.
        cursor: The panel where the cursor stands at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "mark('pin')", "Pin", show=False, priority=True),
        Binding("shift+tab", "mark('hide')", "Hide", show=False, priority=True),
    ]

    def __init__(
        self,
        picture: Picture,
        groups: Sequence[Group],
        layout: Layout,
        *,
        pin: Deed,
        hide: Deed,
        cursor: Group | None = None,
    ) -> None:
        self._picture, self._groups, self._layout = picture, groups, layout
        self._deeds = {"pin": pin, "hide": hide}
        self.found = rows(picture, groups)
        # One list for the dialog and its rows: what is marked is seen at once.
        self._written: list[tuple[str, str]] = []
        self._write()
        at = next((i for i, (_, panel) in enumerate(self.found) if panel is cursor), 0)
        super().__init__(f"{len(self.found)} metrics", self._written, at)

    def _write(self) -> None:
        self._written[:] = [
            described(metric, panel, self._picture, self._layout, self._groups)
            for metric, panel in self.found
        ]

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Content(f"{len(self.found)} metrics"), classes="title", markup=False)
            field = Input(placeholder="search")
            field.cursor_blink = False
            yield field
            yield self._rows
            keys = "enter go to   tab pin   shift+tab hide   esc close"
            yield Static(Content(keys), classes="keys", markup=False)

    def action_mark(self, what: str) -> None:
        """Pin or hide the panel of the metric under the cursor."""
        if not self._rows.matches:
            return
        _, panel = self.found[self._rows.matches[self._rows.cursor]]
        self._layout = self._deeds[what](panel)
        self._write()
        self._rows.refresh()
