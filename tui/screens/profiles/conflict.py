"""Asks what to do about a file that somebody else changed meanwhile, with both versions in sight."""

from __future__ import annotations

import difflib
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.text import clean
from tui.widgets.dialogs import Dialog


class ConflictDialog(Dialog[str]):
    """Shows how the file on disk differs from the text in hand; nothing is overwritten.

    Answers `take` (the file as it is), `merge` (both, with marks), `save_as`, `write` (only where
    the file is gone), or None.

    Args:
        what: What happened.
        theirs: The file as it is now; None if it was deleted.
        mine: The text in hand.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "answer('take')", "Take the file as it is", show=False),
        Binding("m", "answer('merge')", "Put both together", show=False),
        Binding("w", "answer('write')", "Write it again", show=False),
        Binding("S", "answer('save_as')", "Save under another name", show=False),
    ]
    DEFAULT_CSS = """
    ConflictDialog VerticalScroll { height: auto; max-height: 14; margin-top: 1; }
    """

    def __init__(self, what: str, theirs: str | None, mine: str) -> None:
        super().__init__()
        self._what, self._theirs, self._mine = what, theirs, mine

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Content(self._what), classes="title", markup=False)
            if self._theirs is not None:
                yield Static(Content("- on disk   + yours"), markup=False)
                with VerticalScroll():
                    lines = [
                        clean(line)
                        for line in difflib.ndiff(
                            self._theirs.splitlines(), self._mine.splitlines()
                        )
                        if line[0] in "+-"
                    ]
                    yield Static(Content("\n".join(lines)), markup=False)
            keys = "t take theirs   m put both into the YAML   S save as   esc go on editing"
            if self._theirs is None:
                keys = "w write it again   S save as   t let it go   esc go on editing"
            yield Static(Content(keys), classes="keys", markup=False)

    def action_answer(self, answer: str) -> None:
        """Answer, as far as the answer makes sense."""
        if (answer == "write") == (self._theirs is None) or answer in ("save_as", "take"):
            self.dismiss(answer)
