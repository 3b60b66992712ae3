"""What the signs of the charts mean, for the help and the documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.keys import Group, Key
from tui.widgets.chart.signs import PLAIN, UNICODE, Signs

if TYPE_CHECKING:
    from tui.screens.base import DeckScreen


def meanings(signs: Signs) -> list[tuple[str, str]]:
    """Give each sign and what it says."""
    checkpoint, best, restart, alert = tuple(signs.marks)
    nan, up, down = tuple(signs.bad)
    return [
        (checkpoint, "a checkpoint; of many side by side some stand for all"),
        (best, "the newest best checkpoint"),
        (restart, "the run was resumed here"),
        (alert, "an alert; 6 lists them"),
        (signs.point, "a single value, with none near it"),
        (nan, "a value that is NaN"),
        (f"{up} {down}", "infinite, or (down) 0 and less on a logarithmic axis"),
        (signs.level, "a threshold, such as the one that gradients are clipped at"),
        (signs.upright, "where the run was resumed, or was best"),
        ("colours", "as the names in the title over the chart: first training, then validation"),
    ]


def legend(screen: DeckScreen) -> Group:
    """Explain the signs as this terminal shows them."""
    signs = PLAIN if screen.context.glyphs.plain else UNICODE
    return Group(
        "Signs in the charts",
        tuple(Key((sign,), sign, said, "", screen, True) for sign, said in meanings(signs)),
    )
