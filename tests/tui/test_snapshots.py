"""Every screen at three sizes, and on terminals without colours, with sixteen, and without braille.

`pytest tests/tui/test_snapshots.py --snapshot-update` takes what the screens show now for right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from screenshots.render import First, studio
from screenshots.scenes import compare, launch, monitor, press, profiles, sweep, sweep_writer
from tui.app import Deck
from tui.glyphs import ASCII, UNICODE

#: Makes the first screen, and the keys to press on it.
SCREENS: dict[str, tuple[First | None, tuple[str, ...]]] = {
    "runs": (None, ()),
    "monitor": (monitor("baseline"), ()),
    "profiles": (profiles, ()),
    "launch": (launch, ()),
    "compare": (compare, ()),
    "sweep": (sweep, ()),
    "sweep-writer": (sweep_writer, ()),
    "help": (None, ("question_mark",)),
}
SIZES = ((80, 24), (120, 40), (200, 60))
#: What is different about a terminal.
TERMINALS: dict[str, dict[str, Any]] = {
    "no-color": {"NO_COLOR": "1"},
    "16-colors": {"TERM": "xterm-16color", "COLORTERM": ""},
    "ascii": {"glyphs": ASCII},
}
THEMES = {"no-color": "ansi-dark", "16-colors": "ansi-dark", "ascii": "traindeck"}

Compare = Callable[..., bool]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, size: tuple[int, int], snap_compare: Compare) -> None:
    look(name, size, snap_compare)


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("name", ["runs", "monitor", "launch", "compare", "sweep"])
def test_terminal(name: str, terminal: str, snap_compare: Compare) -> None:
    look(name, (80, 24), snap_compare, terminal)


def look(name: str, size: tuple[int, int], snap_compare: Compare, terminal: str = "") -> None:
    first, keys = SCREENS[name]

    async def play(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, Deck)
        assert app.theme == THEMES.get(terminal, "traindeck")
        await press(keys)(app, pilot)

    environment = dict(TERMINALS.get(terminal, {}))
    with studio(environment.pop("glyphs", UNICODE), **environment) as place:
        assert snap_compare(place.app(first), terminal_size=size, run_before=play)
