"""The lines of the help: groups of keys, each with its sentence, wrapped to the width."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style

from tui.keys import Group, Key
from tui.text import clean, left
from tui.widgets.linelist import LineList, Pieces

#: The widest column of keys; more go on the next line.
_KEYS = 20


@dataclass(frozen=True, slots=True)
class _Line:
    title: str = ""
    keys: str = ""
    tip: str = ""


class KeyRows(LineList, can_focus=False):
    """Shows groups of keys.

    Args:
        groups: What to show.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keyrows--title", "keyrows--key"}
    DEFAULT_CSS = """
    KeyRows { padding: 0 1; }
    KeyRows > .linelist--cursor, KeyRows:ansi > .linelist--cursor, KeyRows:nocolor > .linelist--cursor {
        background: $background; text-style: none;
    }
    KeyRows > .keyrows--title { text-style: bold; }
    KeyRows > .keyrows--key { color: $accent; text-style: bold; }
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self._groups = groups
        self._query = ""
        self._width = 80
        self._lines: list[_Line] = []

    def narrow(self, query: str) -> None:
        """Show only keys in which every word of the query occurs."""
        self._query = query
        self._fill()

    def wrap(self, width: int) -> None:
        """Take a new width."""
        self._width = width
        self._fill()

    def _fill(self) -> None:
        self._lines = list(self._made())
        if not self._lines:
            self._lines = [_Line(tip="no key does that here; ctrl+p searches everything")]
        self.show_rows(len(self._lines), 0)
        self.scroll_to(y=0, animate=False)

    def _made(self) -> list[_Line]:
        lines: list[_Line] = []
        for group in self._groups:
            kept = [key for key in group.keys if _matches(key, group.title, self._query)]
            if kept:
                lines += [_Line()] if lines else []
                lines.append(_Line(title=group.title))
                for key in kept:
                    lines += self._of_key(key)
        return lines

    def _of_key(self, key: Key) -> list[_Line]:
        column = self._column()
        heads = textwrap.wrap(key.shown, column) or [""]
        # The sentence tells it all where there is one; the name is what the foot line shows.
        tips = textwrap.wrap(clean(key.tip), max(8, self._width - column - 6)) or [""]
        rows = max(len(heads), len(tips))
        heads += [""] * (rows - len(heads))
        tips += [""] * (rows - len(tips))
        return [_Line(keys=head, tip=tip) for head, tip in zip(heads, tips, strict=True)]

    def _column(self) -> int:
        return min(_KEYS, self._width // 3)

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a line."""
        line = self._lines[index]
        if line.title:
            return [(line.title, self.part("keyrows--title"))]
        if not line.keys and not line.tip:
            return [(" ", Style.null())]
        keys = left(line.keys, self._column())
        return [
            ("  ", Style.null()),
            (f"{keys}  ", self.part("keyrows--key")),
            (line.tip, Style.null()),
        ]


def _matches(key: Key, title: str, query: str) -> bool:
    text = f"{title} {key.shown} {key.name} {key.tip}".lower()
    return all(word in text for word in query.lower().split())
