"""How the screen of profiles is laid out: four panes, beside each other or one at a time."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.glyphs import Glyphs
from tui.screens.profiles.changes import ChangeRows
from tui.screens.profiles.tree import ProfileTree
from tui.screens.profiles.yaml import YamlPane
from tui.text import clean
from tui.widgets.field import Check, FieldForm

PANES = ("profiles", "form", "yaml", "changes")
_TITLES = ("profiles", "form", "yaml", "diff")
#: From this width on the panes stand beside each other.
WIDE = 120

CSS = """
ProfilesView #about { height: 2; padding: 0 1; background: $surface; text-wrap: nowrap; text-overflow: ellipsis; }
ProfilesView #switch { height: 1; padding: 0 1; color: $text-muted; }
ProfilesView #notice { height: auto; max-height: 3; padding: 0 1; display: none; color: $text-warning; }
ProfilesView #problems { height: auto; max-height: 4; padding: 0 1; display: none; color: $text-error; }
ProfilesView #notice.shown, ProfilesView #problems.shown { display: block; }
ProfilesView .head { height: 1; text-wrap: nowrap; text-overflow: ellipsis; padding: 0 1; color: $text-muted; background: $surface; text-style: bold; }
ProfilesView #card { height: auto; max-height: 60%; padding: 0 1; display: none; color: $foreground; background: $boost; }
ProfilesView #card.shown { display: block; }
ProfilesView #search { display: none; border: none; height: 1; padding: 0 1; background: $boost; }
ProfilesView #search.shown { display: block; }
ProfilesView .pane { display: none; height: 1fr; width: 1fr; }
ProfilesView.-profiles #profiles-pane { display: block; }
ProfilesView.-form #form-pane, ProfilesView.-yaml #yaml-pane { display: block; }
ProfilesView.-changes #changes-pane { display: block; }
ProfilesView #right { display: none; height: 1fr; width: 1fr; }
ProfilesView.-form #right, ProfilesView.-yaml #right, ProfilesView.-changes #right { display: block; }
ProfilesView #edit { height: 1fr; }
ProfilesView.-changes #edit { display: none; }
ProfilesView.-wide #switch { display: none; }
ProfilesView.-wide .pane, ProfilesView.-wide #right, ProfilesView.-wide #edit { display: block; }
ProfilesView.-wide #profiles-pane { width: 30; }
ProfilesView.-wide #edit { height: 3fr; }
ProfilesView.-wide #changes-pane { height: 2fr; }
ProfilesView #edit { layout: horizontal; }
"""


class Head(Static):
    """A pane's title line; the pane that has the focus stands out."""

    def show(self, text: str) -> None:
        """Show a text as it is."""
        self.update(Content(clean(text)))


def panes(glyphs: Glyphs, check: Check) -> ComposeResult:
    """Lay the panes out."""
    with Horizontal(id="body"):
        with Vertical(id="profiles-pane", classes="pane"):
            yield Head("profiles", classes="head", markup=False)
            yield Input(placeholder="search", id="search", compact=True)
            yield ProfileTree(glyphs)
        with Vertical(id="right"):
            with Horizontal(id="edit"):
                with Vertical(id="form-pane", classes="pane"):
                    yield Head("form", classes="head", markup=False)
                    yield Static("", id="card", markup=False)
                    yield FieldForm(check, empty="sets no key; a adds one", id="form")
                with Vertical(id="yaml-pane", classes="pane"):
                    yield Head("yaml", classes="head", markup=False)
                    yield YamlPane()
            with Vertical(id="changes-pane", classes="pane"):
                yield Head("diff", classes="head", markup=False)
                yield ChangeRows(glyphs)


def switch_line(pane: str) -> Content:
    """Name the panes with their keys, the one in front bold."""
    parts: list[tuple[str, str] | str] = []
    for number, (name, title) in enumerate(zip(PANES, _TITLES, strict=True), 1):
        style = "bold reverse" if name == pane else ""
        parts += [(f" {number} {title} ", style), " "]
    return Content.assemble(*parts, "  tab next")


def pane_of(widget: Widget | None) -> str:
    """Give the pane that a widget lies in; empty if in none."""
    while widget is not None:
        if widget.id and widget.id.endswith("-pane"):
            return widget.id.removesuffix("-pane")
        parent = widget.parent
        widget = parent if isinstance(parent, Widget) else None
    return ""
