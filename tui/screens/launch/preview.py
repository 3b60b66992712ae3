"""A dry run on the screen: what `traindeck train --dry-run` prints, to scroll through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from tui.screens.base import DeckScreen, TitleBar
from tui.text import cell_len, fit
from tui.widgets.keybar import KeyBar, binding
from tui.widgets.linelist import LineList, Pieces


class PreviewRows(LineList):
    """Lines of text; long ones go on in the next row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"preview--heading"}
    DEFAULT_CSS = "PreviewRows > .preview--heading { color: $accent; text-style: bold; }"

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self._lines = lines
        self._rows: list[str] = []

    def on_resize(self) -> None:
        """Break the lines for the new width."""
        width = max(8, self.scrollable_content_region.width - 2)
        self._rows = [part for line in self._lines for part in broken(line, width)]
        self.show_rows(len(self._rows))

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a row."""
        text = self._rows[index]
        style = self.part("preview--heading") if text.startswith("# ") else self.rich_style
        return [(fit(f" {text}", width), style)]


class PreviewScreen(DeckScreen):
    """Shows a dry run.

    Args:
        lines: What to show; harmless.
        command: What `c` copies.
    """

    KEYS_TITLE: ClassVar[str] = "Dry run"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("c", "copy", "copy command", tip="Copy the command to the clipboard"),
        binding("d,q", "back", "back", tip="Back to the launch screen"),
    ]

    def __init__(self, lines: Sequence[str], command: str) -> None:
        super().__init__()
        self.lines, self.command = lines, command

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield TitleBar("dry run")
        yield PreviewRows(self.lines)
        yield KeyBar()

    def on_mount(self) -> None:
        """Say that nothing was started."""
        self.query_one(TitleBar).show("nothing is started")

    def action_copy(self) -> None:
        """Copy the command."""
        self.copy(self.command)


def broken(line: str, width: int) -> list[str]:
    """Break a line into parts of at most `width` cells; nothing of it is lost."""
    parts, part, used = [], "", 0
    for sign in line:
        cells = cell_len(sign)
        if used + cells > width:
            parts.append(part)
            part, used = "", 0
        part += sign
        used += cells
    return [*parts, part]
