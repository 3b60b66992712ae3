"""Options of a group as lines of a table: the columns that there is room for, the rest cut visibly."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from trainer.config.listing import Column, Listed, columns
from tui.text import cell_len, clean, left, right

#: A text column gives way to others down to this width; a name keeps more of itself.
_LEAST, _NAME = 12, 18
_GAP = 2


@dataclass(frozen=True)
class Facts:
    """The options of a group, ready to be laid out.

    Attributes:
        columns: The columns in which anything stands, the option's name first.
        cells: The texts of each option, harmless, by its name; what it inherits in parentheses.
    """

    columns: tuple[Column, ...] = ()
    cells: dict[str, tuple[str, ...]] | None = None

    @classmethod
    def of(cls, group: str, rows: Sequence[Listed], without: Collection[str] = ()) -> Facts:
        """Take what is known of a group, but for some columns by their keys."""
        found = tuple(each for each in columns(group, here=True) if each.key not in without)
        texts = {
            clean(row.option.name): tuple(_cell(row, column.key) for column in found)
            for row in rows
        }
        kept = [at for at in range(len(found)) if any(cells[at] for cells in texts.values())]
        cells = {name: tuple(row[at] for at in kept) for name, row in texts.items()}
        return cls(tuple(found[at] for at in kept), cells)

    def widths(self, room: int) -> tuple[tuple[int, int], ...]:
        """Share a line out.

        Args:
            room: Cells of the line.

        Returns:
            The columns that are shown, as their place and width; those that matter less are left out
            first, and what is left has as much room as it needs as long as there is any.
        """
        rows = list((self.cells or {}).values())
        shown = list(range(len(self.columns)))
        full = {
            at: max(cell_len(self.columns[at].title), *(cell_len(row[at]) for row in rows))
            for at in shown
        }
        least = {
            at: full[at]
            if self.columns[at].right
            else min(full[at], _NAME if self.columns[at].key == "name" else _LEAST)
            for at in shown
        }
        for at in sorted(shown, key=lambda at: (-self.columns[at].need, -at)):
            if sum(least[n] + _GAP for n in shown) - _GAP <= room or len(shown) == 1:
                break
            shown.remove(at)
        spare = room - sum(least[at] + _GAP for at in shown) + _GAP
        for at in sorted(shown, key=lambda at: (self.columns[at].need, at)):
            more = max(0, min(spare, full[at] - least[at]))
            least[at] += more
            spare -= more
        return tuple((at, least[at]) for at in shown)

    def titles(self, widths: Sequence[tuple[int, int]], cut: str) -> str:
        """Write the line of titles."""
        return self._line([column.title for column in self.columns], widths, cut)

    def line(self, name: str, widths: Sequence[tuple[int, int]], cut: str) -> str:
        """Write an option's line; empty if nothing is known of it."""
        cells = (self.cells or {}).get(name)
        return self._line(cells, widths, cut) if cells is not None else ""

    def _line(self, cells: Sequence[str], widths: Sequence[tuple[int, int]], cut: str) -> str:
        parts = [
            (right if self.columns[at].right else left)(cells[at], width, cut)
            for at, width in widths
        ]
        return (" " * _GAP).join(parts)

    def told(self, name: str, most: int = 9) -> tuple[str, ...]:
        """Give what is known of an option, whole: each fact in words, what matters most first.

        Args:
            name: The option.
            most: Facts that are less needed than this are left out.
        """
        cells = (self.cells or {}).get(name, ())
        pairs = [
            (column, text)
            for column, text in zip(self.columns, cells, strict=False)
            if column.key != "name" and text and column.need <= most
        ]
        pairs = [pair for pair in pairs if pair[0].key != "from" or pair[1] != "built-in"]
        told = [column.say(text) for column, text in sorted(pairs, key=lambda pair: pair[0].need)]
        inherited = any(text.startswith("(") for _column, text in pairs)
        return (*told, "(…) inherited from the set default") if inherited else tuple(told)

    def words(self, name: str) -> str:
        """Give everything that is known of an option as one text to search in."""
        return " ".join(self.told(name)).lower()


def _cell(row: Listed, key: str) -> str:
    text = clean(row.cells.get(key, ""))
    return f"({text})" if text and key in row.inherited else text
