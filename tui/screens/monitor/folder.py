"""Where a run lies, to read and to copy."""

from __future__ import annotations

import shlex
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from trainer.runs.layout import RunFolder
from tui.screens.monitor import deeds
from tui.text import clean
from tui.widgets.dialogs import Dialog


class FolderDialog(Dialog[bool]):
    """Says where a run lies; what is copied is copied on a key, never by itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy(False)", "Copy the path", show=False),
        Binding("c", "copy(True)", "Copy the command", show=False),
        Binding("enter", "cancel", "Close", show=False),
    ]

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self._path = str(deeds.folder(run))
        self._line = f"cd {shlex.quote(self._path)}"

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static("Folder of the run", classes="title", markup=False)
            yield Static(Content(clean(self._path)), markup=False)
            yield Static(Content(f"\n{clean(self._line)}"), markup=False)
            yield Static(
                Content("y copy the path   c copy the cd line   esc close"),
                classes="keys",
                markup=False,
            )

    def action_copy(self, command: bool) -> None:
        """Copy the path or the command."""
        if not self._path.isprintable():
            # Pasted into a shell, a line break in it would run what follows.
            self.notify("the path has control characters and is not copied", markup=False)
            return
        self.app.copy_to_clipboard(self._line if command else self._path)
        self.notify("copied, if this terminal allows it", markup=False)
        self.dismiss(True)
