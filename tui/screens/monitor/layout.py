"""Which panels are shown, in which order, and where; remembered for each recipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from textual.geometry import Region

from tui import memory
from tui.screens.monitor.groups import Group
from tui.widgets.chart.model import XKind

X_KINDS: tuple[XKind, ...] = ("step", "epoch", "time")
#: Strengths of smoothing: over about so many points of a curve.
SMOOTHINGS = (0, 5, 20, 80)

_MOST = 2000
_LEAST_WIDTH, _LEAST_HEIGHT = 38, 6


@dataclass(frozen=True, slots=True)
class Layout:
    """What a person has made of the panels.

    Attributes:
        pins: Panels that stand first; None until something was pinned: the main one then does.
        order: Panels in the person's order; others follow in theirs.
        hidden: Panels that are not shown.
        log: Panels with a logarithmic axis.
        smooth: One of `SMOOTHINGS`.
        x: What the x axes show.
    """

    pins: tuple[str, ...] | None = None
    order: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    log: frozenset[str] = frozenset()
    smooth: int = 0
    x: XKind = "step"

    def arranged(self, groups: Sequence[Group]) -> list[Group]:
        """Give the panels that are shown, in order."""
        place = {key: number for number, key in enumerate(self.order)}
        shown = [found for found in groups if found.key not in self.hidden]
        if place:
            # One that was not there when the order was made follows the one it follows by nature.
            last = -1.0
            places: dict[str, float] = {}
            for found in shown:
                last = place.get(found.key, last + 0.001)
                places[found.key] = last
            shown.sort(key=lambda found: places[found.key])
        return sorted(shown, key=lambda found: not self.pinned(found, groups))

    def pinned(self, panel: Group, groups: Sequence[Group]) -> bool:
        """Tell whether a panel stands first."""
        if self.pins is None:
            return bool(groups) and panel.key == groups[0].key
        return panel.key in self.pins

    def with_pin(self, panel: Group, groups: Sequence[Group]) -> Layout:
        """Pin a panel, or release it."""
        pins = self.pins if self.pins is not None else tuple(found.key for found in groups[:1])
        if panel.key in pins:
            return replace(self, pins=tuple(key for key in pins if key != panel.key))
        return replace(self, pins=(*pins, panel.key), hidden=self.hidden - {panel.key})

    def with_hidden(self, panel: Group) -> Layout:
        """Hide a panel, or show it again."""
        return replace(self, hidden=self.hidden ^ {panel.key})

    def with_log(self, panel: Group) -> Layout:
        """Switch a panel between a linear and a logarithmic axis."""
        return replace(self, log=self.log ^ {panel.key})

    def with_next_smoothing(self) -> Layout:
        """Smooth more strongly, and after the strongest not at all."""
        place = SMOOTHINGS.index(self.smooth) if self.smooth in SMOOTHINGS else -1
        return replace(self, smooth=SMOOTHINGS[(place + 1) % len(SMOOTHINGS)])

    def with_next_x(self) -> Layout:
        """Show the next kind of x axis."""
        return replace(self, x=X_KINDS[(X_KINDS.index(self.x) + 1) % len(X_KINDS)])

    def moved(self, panel: Group, by: int, groups: Sequence[Group]) -> Layout:
        """Move a panel by one place; pinned ones stay before the others."""
        shown = self.arranged(groups)
        keys = [found.key for found in shown]
        at = keys.index(panel.key) if panel.key in keys else -1
        to = at + by
        if at < 0 or not 0 <= to < len(keys):
            return self
        if self.pinned(shown[at], groups) != self.pinned(shown[to], groups):
            return self
        keys[at], keys[to] = keys[to], keys[at]
        return replace(self, order=tuple(keys))


def recall(recipe: str) -> Layout:
    """Give the layout that was remembered for a recipe."""
    found = memory.recall(_name(recipe))
    x, smooth = found.get("x"), found.get("smooth")
    pins = found.get("pins")
    return Layout(
        pins=_keys(pins) if isinstance(pins, list) else None,
        order=_keys(found.get("order")),
        hidden=frozenset(_keys(found.get("hidden"))),
        log=frozenset(_keys(found.get("log"))),
        smooth=smooth if isinstance(smooth, int) and smooth in SMOOTHINGS else 0,
        x=cast("XKind", x) if x in X_KINDS else "step",
    )


def remember(recipe: str, layout: Layout) -> None:
    """Remember the layout for a recipe."""
    kept: dict[str, Any] = {
        "order": list(layout.order[:_MOST]),
        "hidden": sorted(layout.hidden)[:_MOST],
        "log": sorted(layout.log)[:_MOST],
        "smooth": layout.smooth,
        "x": layout.x,
    }
    if layout.pins is not None:
        kept["pins"] = list(layout.pins[:_MOST])
    memory.remember(_name(recipe), kept)


def _name(recipe: str) -> str:
    return f"monitor-{recipe or 'other'}"


def _keys(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(key for key in value[:_MOST] if isinstance(key, str))


def pages(count: int, width: int, height: int) -> list[list[Region]]:
    """Lay panels out: on the first page one large one and small ones, on the others equal ones.

    Args:
        count: How many panels there are.
        width: Columns.
        height: Lines.

    Returns:
        For each page the places of its panels, in their order; together `count` places.
    """
    if count <= 0 or width <= 0 or height <= 0:
        return []
    columns = max(1, min(4, width // (_LEAST_WIDTH + 2)))
    made = [_first_page(count, columns, width, height)]
    left = count - len(made[0])
    rows = max(1, height // (_LEAST_HEIGHT + 2))
    while left > 0:
        made.append(_even(min(left, rows * columns), columns, Region(0, 0, width, height)))
        left -= len(made[-1])
    return made


def _first_page(count: int, columns: int, width: int, height: int) -> list[Region]:
    if height < 2 * _LEAST_HEIGHT + 2 or count == 1:
        return [Region(0, 0, width, height)]
    beside = columns - 2 if columns > 2 else 0
    small = count - 1
    most_rows = max(1, (height - max(9, height // 2)) // _LEAST_HEIGHT)
    stack = min(3, most_rows + 1) * bool(beside)
    rows = min(most_rows, -(-max(0, small - stack) // columns))
    low = min(10, max(_LEAST_HEIGHT, round(height * (0.38 if rows == 1 else 0.46) / max(1, rows))))
    large = height - rows * low
    stack = min(stack, small, large // _LEAST_HEIGHT)
    side = width // columns if stack else 0
    places = [Region(0, 0, width - side, large)]
    places += _even(stack, 1, Region(width - side, 0, side, large))
    below = min(small - stack, rows * columns)
    return places + _even(below, columns, Region(0, large, width, height - large))


def _even(count: int, columns: int, area: Region) -> list[Region]:
    """Part an area into equal places; a last row that is not full is stretched."""
    places: list[Region] = []
    rows = -(-count // columns)
    for row in range(rows):
        there = min(columns, count - row * columns)
        top, bottom = area.height * row // rows, area.height * (row + 1) // rows
        for column in range(there):
            begin, end = area.width * column // there, area.width * (column + 1) // there
            places.append(Region(area.x + begin, area.y + top, end - begin, bottom - top))
    return places


def page_of(place: int, made: Iterable[Sequence[Region]]) -> tuple[int, int]:
    """Tell on which page a panel stands, and where there."""
    number = 0
    for number, regions in enumerate(made):
        if place < len(regions):
            return number, place
        place -= len(regions)
    return number, 0
