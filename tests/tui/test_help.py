"""The help: made from the bindings of the moment, searchable, whole at 80x24."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input
from tuilab import context, shown

from tui import keys
from tui.app import Deck
from tui.screens.base import DeckScreen, TitleBar
from tui.screens.help import HelpScreen
from tui.screens.help.rows import KeyRows
from tui.widgets.keybar import KeyBar, binding
from tui.widgets.linelist import LineList, Pieces


class Rows(LineList):
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("x,less_than_sign", "mark", "mark", tip="Mark the [row]; " + "very " * 20)
    ]

    def pieces(self, index: int, width: int) -> Pieces:
        return []

    def action_mark(self) -> None: ...


class LabScreen(DeckScreen):
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("slash", "filter", "filter", tip="Show only some"),
        binding("G", "end", "end"),
        binding("z", "never", "never", tip="Cannot be done now"),
    ]

    def compose(self) -> ComposeResult:
        yield TitleBar("lab")
        yield Rows()
        yield KeyBar()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "never"


@pytest.mark.parametrize(
    ("key", "sign"),
    [
        ("question_mark", "?"), ("slash", "/"), ("G", "G"), ("upper_g", "G"), ("plus", "+"),
        ("minus", "-"), ("shift+tab", "shift+tab"), ("pagedown", "page down"), ("escape", "esc"),
        ("left_square_bracket", "["), ("up", "up"), ("ctrl+p", "ctrl+p"), ("space", "space"),
        ("enter", "enter"), ("full_stop", "."), ("+", "+"), ("f1", "f1"), ("1", "1"),
    ],
)  # fmt: skip
def test_keys_are_readable(key: str, sign: str) -> None:
    assert keys.readable(key) == sign


async def test_keys_are_grouped_by_where_they_come_from(runs_dir: Path) -> None:
    app = Deck(context(runs_dir), LabScreen)
    async with app.run_test() as pilot:
        await pilot.pause()
        groups = keys.groups(app.screen)
        assert [group.title for group in groups] == ["Lab", "In the list", "Everywhere"]
        lab, rows, everywhere = ({key.name: key for key in group.keys} for group in groups)
        assert lab["filter"].shown == "/"
        assert lab["filter"].tip == "Show only some"
        assert "never" not in lab, "what cannot be done now is left out"
        assert rows["mark"].shown == "x <"
        assert rows["Up"].shown == "up k"
        assert "Scroll Left" not in rows
        assert {"next part", "palette", "theme", "quit"} <= everywhere.keys()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 10)])
async def test_every_sentence_can_be_read(size: tuple[int, int], runs_dir: Path) -> None:
    app = Deck(context(runs_dir), LabScreen)
    async with app.run_test(size=size) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        seen = shown(app.screen)
        rows = app.screen.query_one(KeyRows)
        for _ in range(40):
            await pilot.press("pagedown")
            seen += "\n" + shown(app.screen)
            if rows.scroll_offset.y == rows.max_scroll_y:
                break
        words = " ".join(seen.split())
        assert "Mark the [row]; very" in words
        assert words.count("very") >= 20
        assert "Show only some" in words
        assert "ctrl+q" in words


async def test_the_search_narrows_and_escape_clears_it_first(runs_dir: Path) -> None:
    app = Deck(context(runs_dir), LabScreen)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark", *"only")
        await pilot.pause()
        text = shown(app.screen)
        assert "Show only some" in text
        assert "Mark the" not in text
        await pilot.press(*"zzz")
        await pilot.pause()
        assert "no key does that here" in shown(app.screen)
        await pilot.press("escape")
        await pilot.pause()
        assert not app.screen.query_one(Input).value
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, LabScreen)


async def test_the_same_key_closes_it(runs_dir: Path) -> None:
    app = Deck(context(runs_dir), LabScreen)
    async with app.run_test() as pilot:
        await pilot.press("question_mark", "a", "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, LabScreen)


async def test_no_color(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Deck(context(runs_dir), LabScreen)
    async with app.run_test() as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert "Show only some" in shown(app.screen)
