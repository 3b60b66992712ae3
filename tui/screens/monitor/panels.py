"""The panels: charts with a title line each, in pages, placed by importance."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.geometry import Region, Size
from textual.message import Message

from tui.screens.monitor import layout
from tui.screens.monitor.groups import Group
from tui.screens.monitor.lines import Lines, Piece, Spans
from tui.screens.monitor.titles import title_of
from tui.screens.monitor.view import View, plot_of
from tui.text import cell_len, fit
from tui.widgets.chart import Chart


class Panel(Spans):
    """One chart under its title.

    Args:
        panel: What it shows.
    """

    DEFAULT_CSS = """
    Panel { position: absolute; }
    Panel > Chart { margin: 1 0 0 0; height: 1fr; width: 1fr; }
    """

    class Clicked(Message):
        """A panel was clicked.

        Attributes:
            key: Which one.
        """

        def __init__(self, key: str) -> None:
            self.key = key
            super().__init__()

    def __init__(self, panel: Group) -> None:
        super().__init__()
        self.panel = panel
        self.chart = Chart()
        #: Where it stands in `Panels`.
        self.place = Region()
        self._view: View | None = None
        self._state = (False, False)
        self._drawn = Size()

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self.chart

    def look(self, name: str) -> Style:
        """Give the style of a part of the title; values have the colour of their curve."""
        if name.startswith("curve-"):
            return Style(color=self.chart.get_component_rich_style(f"chart--{name}").color)
        # One palette for all panels: each look that a widget brings costs time when it is made.
        palette = self.parent
        assert isinstance(palette, Panels)
        return palette.look(name)

    def show(self, panel: Group, view: View, *, focused: bool, first: bool) -> None:
        """Show the panel as it is now."""
        self.panel, self._view, self._state = panel, view, (focused, first)
        if self.is_mounted and self.size.width > 0:
            self._draw()

    def on_click(self) -> None:
        """Let keys act on this panel."""
        self.post_message(self.Clicked(self.panel.key))

    def on_resize(self) -> None:
        """Fill the new size; a panel that only came into sight again has its own already."""
        if self.size != self._drawn:
            self._draw()

    def _draw(self) -> None:
        view = self._view
        if view is None or not self.chart.is_mounted:
            return
        self._drawn = self.size
        focused, first = self._state
        title = title_of(self.panel, view, self.size.width, focused=focused, first=first)
        self.show_lines([title])
        self.chart.show(plot_of(self.panel, view))


class Panels(Lines):
    """All panels of a run, of which those of one page are there."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--title", "lines--focus"}
    DEFAULT_CSS = """
    Panels > .lines--title { text-style: bold; }
    Panels > .lines--focus { color: $accent; text-style: bold underline; }
    Panels {
        height: 1fr; width: 1fr; overflow: hidden hidden;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view = View()
        self._panels: dict[str, Panel] = {}
        self._pages: list[list[Region]] = []
        self._arranged: list[Group] = []
        self._told = ""
        self._arranged_for = Size()
        #: The panel that keys act on.
        self.focus_key: str | None = None
        self.maximised = False

    @property
    def arranged(self) -> list[Group]:
        """The panels that are not hidden, in order."""
        return self._arranged

    @property
    def page(self) -> tuple[int, int]:
        """The page in sight, from 0, and how many there are."""
        return layout.page_of(self._place(), self._pages)[0], len(self._pages)

    @property
    def focused(self) -> Group | None:
        """The panel that keys act on."""
        return self._arranged[self._place()] if self._arranged else None

    @property
    def focused_panel(self) -> Panel | None:
        """Its widget."""
        found = self.focused
        return self._panels.get(found.key) if found is not None else None

    @property
    def in_sight(self) -> list[Group]:
        """The panels that are drawn."""
        return [found for found in self._arranged if found.key in self._panels]

    @property
    def columns(self) -> int:
        """Columns of the widest chart in sight."""
        return max((panel.chart.plot_width for panel in self._panels.values()), default=0)

    def show(self, view: View) -> None:
        """Show the run as it is now."""
        self._view = view
        before, reason = bool(self._arranged), self._told
        self._arranged = view.layout.arranged(view.groups)
        self._told = "" if self._arranged else self._reason()
        if bool(self._arranged) != before or self._told != reason:
            self._say()
        self._arrange()

    def _reason(self) -> str:
        picture = self._view.picture
        if picture.problem:
            return picture.problem
        return "reading" if picture.loading else "no metrics yet"

    def on_resize(self) -> None:
        """Place the panels anew."""
        if self.size != self._arranged_for:
            self._arranged_for = self.size
            self._say()
            self._arrange()

    def _say(self) -> None:
        """Say in the middle why there is nothing to see, where there is nothing."""
        width, height = self.size
        above: list[list[Piece]] = [[] for _ in range(height // 2)]
        text = fit(self._told, width - 2)
        gap = " " * ((width - cell_len(text)) // 2)
        self.show_lines([*above, [(gap, ""), (text, "dim")]] if text else [])

    def move_focus(self, by: int) -> None:
        """Go to the next panel, or the one before; other pages follow."""
        if self._arranged:
            place = (self._place() + by) % len(self._arranged)
            self.focus_key = self._arranged[place].key
            self._arrange()

    def turn(self, by: int) -> None:
        """Turn to another page; one panel further while one fills all."""
        if self.maximised:
            self.move_focus(by)
            return
        number, count = self.page
        if not self._arranged or not count:
            return
        wanted = min(max(0, number + by), count - 1)
        if wanted != number:
            place = sum(len(page) for page in self._pages[:wanted])
            self.focus_key = self._arranged[place].key
            self._arrange()

    def maximise(self, maximised: bool) -> None:
        """Let the panel that keys act on fill all, or give the others their room back."""
        self.maximised = maximised
        self._arrange()

    def _place(self) -> int:
        for place, found in enumerate(self._arranged):
            if found.key == self.focus_key:
                return place
        return 0

    def _arrange(self) -> None:
        """Put the panels of the page in sight where they belong."""
        width, height = self.size
        if not self.is_mounted or width <= 0 or height <= 0:
            return
        self._pages = layout.pages(len(self._arranged), width, height)
        wanted: dict[str, tuple[Group, Region]] = {}
        if self.maximised and self.focused is not None:
            wanted[self.focused.key] = (self.focused, Region(0, 0, width, height))
        elif self._pages:
            number, _ = layout.page_of(self._place(), self._pages)
            begin = sum(len(page) for page in self._pages[:number])
            for place, region in enumerate(self._pages[number]):
                found = self._arranged[begin + place]
                wanted[found.key] = (found, region)
        if not self._panels and len(wanted) > 1:
            # The first chart is on the screen before the others are made.
            wanted = dict(list(wanted.items())[:1])
            self.call_after_refresh(self._arrange)
        with self.app.batch_update():
            self._place_panels(wanted)

    def _place_panels(self, wanted: dict[str, tuple[Group, Region]]) -> None:
        for key in [key for key in self._panels if key not in wanted]:
            self._panels.pop(key).remove()
        fresh = []
        focused = self.focused
        for number, (key, (found, region)) in enumerate(wanted.items()):
            panel = self._panels.get(key)
            if panel is None:
                panel = self._panels[key] = Panel(found)
                fresh.append(panel)
            if panel.place != region:
                panel.place = region
                panel.styles.offset = (region.x, region.y)
                panel.styles.width = region.width
                panel.styles.height = region.height
            panel.show(
                found,
                self._view,
                focused=focused is not None and key == focused.key,
                first=number == 0,
            )
        if fresh:
            self.mount(*fresh)
