"""The profiles by group, with a fuzzy search over them."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.fuzzy import Matcher

from tui.glyphs import UNICODE, Glyphs
from tui.sources.profiles import Catalogue, Entry
from tui.text import clean, fit, left
from tui.widgets.factsrow import Facts
from tui.widgets.linelist import LineList, Pieces

#: From this width on a row has room for what the profile is for.
_ROOMY = 50
_NAME = 22
#: Cells of a row before its facts: the mark, the name and whose it is.
_BESIDE = _NAME + 15
#: Facts that are less needed than this do not stand beside the sentence of a profile.
_NEEDED = 5
_WORDS = {"built-in": "", "user": "yours", "project": "project"}


class ProfileTree(LineList):
    """Groups that open and close, and the profiles in them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "fold(False)", "Open the group", show=False),
        Binding("left,h", "fold(True)", "Close the group", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"tree--group", "tree--kind", "tree--problem"}
    DEFAULT_CSS = """
    ProfileTree > .tree--group { text-style: bold; }
    ProfileTree > .tree--kind { color: $text-accent; }
    ProfileTree > .tree--problem { color: $text-error; }
    """

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(id="profiles")
        self._glyphs = glyphs
        self._catalogue = Catalogue()
        self._facts: dict[str, Facts] = {}
        self._open: set[str] = set()
        self._changed: frozenset[str] = frozenset()
        self._query = ""
        self._rows: list[str | Entry] = []

    @property
    def entry(self) -> Entry | None:
        """The profile under the cursor."""
        row = self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None
        return row if isinstance(row, Entry) else None

    @property
    def group(self) -> str:
        """The group under the cursor, or of the profile there."""
        row = self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else ""
        return row.group if isinstance(row, Entry) else row

    def show(self, catalogue: Catalogue) -> None:
        """Show these profiles; the cursor stays on its row as long as it is there."""
        self._catalogue = catalogue
        self._facts = {
            group: Facts.of(group, rows, ("name", "from"))
            for group, rows in catalogue.facts.items()
        }
        self._lay()

    def told(self, entry: Entry) -> tuple[str, ...]:
        """Give the facts by which a profile is chosen; nothing in groups that have none."""
        facts = self._facts.get(entry.group)
        return facts.told(clean(entry.name), _NEEDED) if facts is not None else ()

    def mark(self, changed: Collection[str]) -> None:
        """Mark the profiles that hold changes which are not saved."""
        if self._changed != frozenset(changed):
            self._changed = frozenset(changed)
            self.refresh()

    def search(self, query: str) -> None:
        """Show what matches; everything if the query is empty."""
        self._query = query.strip()
        self._lay()
        scores = self._scores()
        if scores:
            best = max(scores, key=lambda full: scores[full])
            names = [row.full if isinstance(row, Entry) else "" for row in self._rows]
            self.cursor = names.index(best)

    def go_to(self, full: str) -> bool:
        """Move the cursor to a profile and open its group; false if there is none."""
        entry = self._catalogue.find(full)
        if entry is None:
            return False
        self._open.add(entry.group)
        self._query = ""
        self._lay()
        self.cursor = self._rows.index(entry)
        return True

    def _scores(self) -> dict[str, float] | None:
        """Give how well profiles match: by name, else by what their comment says."""
        if not self._query:
            return None
        matcher = Matcher(self._query)
        everything = [entry for _group, entries in self._catalogue.groups for entry in entries]
        scores = {entry.full: matcher.match(entry.full) for entry in everything}
        found = {full: score for full, score in scores.items() if score > 0}
        words = self._query.lower().split()
        return found or {
            entry.full: 1.0
            for entry in everything
            if all(word in self._words(entry) for word in words)
        }

    def _words(self, entry: Entry) -> str:
        facts = self._facts.get(entry.group)
        known = facts.words(clean(entry.name)) if facts is not None else ""
        return f"{entry.doc.lower()} {known}"

    def _lay(self) -> None:
        here = self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None
        key = here.full if isinstance(here, Entry) else here
        rows: list[str | Entry] = []
        scores = self._scores()
        for group, entries in self._catalogue.groups:
            if scores is not None:
                found = [entry for entry in entries if entry.full in scores]
                rows += [group, *found] if found else []
                continue
            rows.append(group)
            if group in self._open:
                rows += entries
        self._rows = rows
        names = [row.full if isinstance(row, Entry) else row for row in rows]
        self.show_rows(len(rows), names.index(key) if key in names else None)

    def pieces(self, index: int, width: int) -> Pieces:
        """Draw a group or a profile."""
        row = self._rows[index]
        dim = self.part("linelist--dim")
        if isinstance(row, str):
            is_open = bool(self._query) or row in self._open
            sign = self._glyphs.opened if is_open else self._glyphs.closed
            count = len(self._catalogue.names(row))
            facts = self._facts.get(row)
            titles = ""
            if is_open and facts is not None and width >= _ROOMY:
                titles = facts.titles(facts.widths(width - _BESIDE), self._glyphs.ellipsis)
            broken = any(e.problem for g, es in self._catalogue.groups if g == row for e in es)
            if titles:
                return [
                    (f" {sign} ", dim),
                    (left(clean(row), _BESIDE - 3), self.part("tree--group")),
                    (titles, dim),
                ]
            return [
                (f" {sign} ", dim),
                (clean(row), self.part("tree--group")),
                ("" if is_open else f" ({count})", dim),
                (" !" if broken and not is_open else "", self.part("tree--problem")),
            ]
        return self._profile(row, width)

    def _profile(self, row: Entry, width: int) -> Pieces:
        mark = self._glyphs.mark if row.full in self._changed else " "
        dim = self.part("linelist--dim")
        word = "broken" if row.problem else _WORDS.get(row.kind, row.kind)
        style = self.part("tree--problem" if row.problem else "tree--kind")
        begin = (f"   {mark} ", self.part("tree--kind"))
        if width < _ROOMY:
            name = fit(clean(row.name), max(4, width - 6 - len(word)))
            return [begin, (name, Style.null()), (f" {word}", style)]
        cut = self._glyphs.ellipsis
        first = [
            begin,
            (left(clean(row.name), _NAME, cut), Style.null()),
            (f" {word or row.kind:<9}", style if word else dim),
        ]
        facts = self._facts.get(row.group)
        if facts is not None and not row.problem:
            widths = facts.widths(width - _BESIDE)
            return [*first, (facts.line(clean(row.name), widths, cut), Style.null())]
        said = row.problem or row.doc
        return [
            *first,
            (fit(clean(said), width - _NAME - 15), style if row.problem else dim),
        ]

    def action_choose(self) -> None:
        """Open a profile, or open or close a group."""
        if self.entry is not None:
            super().action_choose()
        elif self.group:
            self.action_fold(self.group in self._open)

    def action_fold(self, close: bool) -> None:
        """Open or close the group under the cursor."""
        group = self.group
        if not group or self._query:
            return
        if close:
            self._open.discard(group)
            self.cursor = self._rows.index(group)
        else:
            self._open.add(group)
        self._lay()
