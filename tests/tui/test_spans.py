"""What is sent to the terminal for a change is the change and nothing else."""

from __future__ import annotations

import pyte
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from tui.spans import tighten

STYLE = Style(color="red")


def strip(text: str) -> Strip:
    return Strip([Segment(text[:4], STYLE), Segment(text[4:], STYLE)], len(text))


def test_only_the_span_is_written() -> None:
    screen = pyte.Screen(20, 3)
    stream = pyte.Stream(screen)
    stream.feed("\x1b[2;1Habcdefghijklmnopqrst")
    chops = [{0: None, 10: None}, {0: strip("ABCDEFGHIJ"), 10: strip("KLMNOPQRST")}, {0: None}]
    ends = [[10, 20], [10, 20], [20]]
    update = tighten(ChopsUpdate(chops, [(1, 2, 4), (1, 8, 13)], ends))
    assert isinstance(update, ChopsUpdate)
    sent = update.render_segments(Console(color_system="truecolor"))
    stream.feed(sent)
    assert screen.display[1] == "abCDefghIJKLMnopqrst"
    assert [screen.display[0], screen.display[2]] == [" " * 20] * 2
    assert sum(sign.isupper() for sign in sent if sign not in "HB") == 2 + 5
    assert "\n" not in sent


def test_other_updates_stay_what_they_are() -> None:
    assert tighten(None) is None
    assert tighten("text") == "text"
