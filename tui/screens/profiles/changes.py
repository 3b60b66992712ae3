"""What a profile changes, key by key, and which file set each new value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style

from trainer.config.diff import Change
from tui.glyphs import UNICODE, Glyphs
from tui.text import cell_len, clean, fit, fit_place, left
from tui.widgets.linelist import LineList, Pieces

_SIGNS = {"changed": "~", "added": "+", "removed": "-"}


class ChangeRows(LineList):
    """A diff of two configs."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "change--changed",
        "change--added",
        "change--removed",
        "change--own",
    }
    DEFAULT_CSS = """
    ChangeRows > .change--changed { color: $text-warning; }
    ChangeRows > .change--added { color: $text-success; }
    ChangeRows > .change--removed { color: $text-error; }
    ChangeRows > .change--own { color: $text-accent; }
    """

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(id="changes")
        self._glyphs = glyphs
        self._changes: Sequence[Change] = ()
        self._own = ""
        self._empty = ""

    def show(self, changes: Sequence[Change], own: str, empty: str) -> None:
        """Show changes.

        Args:
            changes: What differs.
            own: The file in hand, whose changes stand out.
            empty: Said if nothing differs.
        """
        if (changes, own, empty) == (self._changes, self._own, self._empty):
            return
        self._changes, self._own, self._empty = changes, own, empty
        self.show_rows(len(changes) or 1)

    @property
    def change(self) -> Change | None:
        """The change under the cursor."""
        return self._changes[self.cursor] if self.cursor < len(self._changes) else None

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a change: sign, key, old and new value, where from."""
        dim = self.part("linelist--dim")
        if not self._changes:
            return [(fit(f" {self._empty}", width), dim)]
        change = self._changes[index]
        style = self.part(f"change--{change.kind}")
        longest = max(cell_len(clean(each.key)) for each in self._changes)
        keys = max(10, min(longest, width * 40 // 100))
        origin = clean(str(change.origin or change.old_origin or ""))
        room = max(6, width - keys - 5)
        values = fit(self._values(change), max(6, room - min(cell_len(origin) + 2, room // 2)))
        rest = room - cell_len(values) - 2
        is_own = bool(self._own) and origin.startswith(self._own)
        return [
            (f" {_SIGNS[change.kind]} ", style),
            (left(clean(change.key), keys), Style.null()),
            ("  ", dim),
            (values, style),
            ("  ", dim),
            (
                fit_place(origin, rest, self._glyphs.ellipsis) if rest > 3 else "",
                self.part("change--own") if is_own else dim,
            ),
        ]

    def _values(self, change: Change) -> str:
        from trainer.config.values import shown

        if change.kind == "added":
            text = shown(change.new)
        elif change.kind == "removed":
            text = shown(change.old)
        else:
            text = f"{shown(change.old)} {self._glyphs.arrow} {shown(change.new)}"
        return clean(text)
