"""Colours: chosen by the terminal or the person, and legible in every theme."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from textual.app import ComposeResult
from textual.color import Color
from textual.screen import Screen
from tuilab import context

from tui import theme
from tui.app import Deck
from tui.memory import recall
from tui.screens.base import TitleBar
from tui.settings import Settings
from tui.widgets.keybar import KeyBar
from tui.widgets.linelist import LineList, Pieces


class Rows(LineList):
    def pieces(self, index: int, width: int) -> Pieces:
        return [(f" row {index} ", self.rich_style), ("dim", self.part("linelist--dim"))]


class Lab(Screen[None]):
    def compose(self) -> ComposeResult:
        yield TitleBar("lab")
        yield Rows()
        yield KeyBar()

    def on_mount(self) -> None:
        rows = self.query_one(Rows)
        rows.show_rows(5, 2)
        rows.focus()
        self.query_one(TitleBar).show("what there is")


def lab(runs_dir: Path, **more: Any) -> Deck:
    return Deck(context(runs_dir, **more), Lab)


def bytes_of(app: Deck) -> str:
    """What one frame sends to the terminal."""
    return app.screen._compositor.render_update(full=True).render_segments(app.console)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("colors", "environ", "no_color", "name"),
    [
        ("truecolor", {}, False, "traindeck"),
        ("256", {}, False, "traindeck"),
        ("standard", {}, False, "ansi-dark"),
        (None, {}, False, "ansi-dark"),
        ("standard", {"COLORFGBG": "0;15"}, False, "ansi-light"),
        ("truecolor", {"COLORFGBG": "0;default;15"}, False, "traindeck-light"),
        ("truecolor", {"COLORFGBG": "15;0"}, False, "traindeck"),
        ("truecolor", {"COLORFGBG": "nonsense"}, False, "traindeck"),
        ("truecolor", {}, True, "ansi-dark"),
    ],
)
def test_automatic(colors: str | None, environ: dict[str, str], no_color: bool, name: str) -> None:
    assert theme.automatic(colors, environ, no_color=no_color) == name


@pytest.mark.parametrize(
    ("term", "colorterm", "name"),
    [("xterm", "", "ansi-dark"), ("linux", "", "ansi-dark"), ("xterm-256color", "", "traindeck")],
)
async def test_the_terminal_decides(
    term: str, colorterm: str, name: str, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLORTERM", colorterm)
    assert lab(runs_dir).theme == name


async def test_sixteen_colours_get_only_their_own(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLORTERM", "")
    app = lab(runs_dir)
    async with app.run_test() as pilot:
        await pilot.pause()
        sent = bytes_of(app)
        assert "[38;" not in sent
        assert "[48;" not in sent
        assert "row 2" in sent


@pytest.mark.parametrize("name", ["auto", "nord", "ansi-light", "textual-light"])
async def test_no_color_sends_none(
    name: str, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = lab(runs_dir, settings=Settings(theme=name), settings_given=frozenset({"theme"}))
    async with app.run_test() as pilot:
        await pilot.pause()
        codes = {
            code
            for group in re.findall(r"\x1b\[([\d;]*)m", bytes_of(app))
            for code in group.split(";")
        }
        assert codes <= {"", "0", "1", "2", "3", "4", "7", "39", "49"}
        assert "7" in codes, "the cursor is seen without a colour"


@pytest.mark.parametrize("name", [name for name in theme.names() if "ansi" not in name])
async def test_every_theme_is_legible(name: str, runs_dir: Path) -> None:
    app = lab(runs_dir, settings=Settings(theme=name), settings_given=frozenset({"theme"}))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == name
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                style = segment.style
                if not segment.text.strip() or style is None or not style.color:
                    continue
                assert style.bgcolor is not None
                ink, paper = (
                    Color.from_rich_color(style.color),
                    Color.from_rich_color(style.bgcolor),
                )
                least = 3.5 if name.startswith("traindeck") else 2.5
                assert theme.contrast(ink, paper) >= least, (segment.text, ink.hex, paper.hex)


async def test_a_choice_is_seen_at_once_and_remembered(runs_dir: Path) -> None:
    app = lab(runs_dir)
    async with app.run_test() as pilot:
        assert app.theme == "traindeck"
        await pilot.press("ctrl+t", "down", "down")
        await pilot.pause()
        assert app.theme == "traindeck-light", "seen before it is chosen"
        await pilot.press("enter")
        await pilot.pause()
        assert recall("look") == {"theme": "traindeck-light"}
    assert lab(runs_dir).theme == "traindeck-light"


async def test_escape_takes_the_theme_back(runs_dir: Path) -> None:
    app = lab(runs_dir)
    async with app.run_test() as pilot:
        await pilot.press("ctrl+t", *"nord")
        await pilot.pause()
        assert app.theme == "nord"
        await pilot.press("escape")
        await pilot.pause()
        assert app.theme == "traindeck"
        assert recall("look") == {}


async def test_settings_win_over_memory_and_say_so(runs_dir: Path) -> None:
    made = {"settings": Settings(theme="nord"), "settings_given": frozenset({"theme"})}
    app = lab(runs_dir, **made)
    async with app.run_test() as pilot:
        theme.choose(app, "dracula")
        await pilot.pause()
        assert app.theme == "dracula"
        assert any("theme: nord" in said.message for said in app._notifications)
    assert lab(runs_dir, **made).theme == "nord"
    assert lab(runs_dir).theme == "dracula"


async def test_a_remembered_theme_that_is_gone_is_forgotten(runs_dir: Path) -> None:
    theme.remember("look", {"theme": "no-such"})
    assert lab(runs_dir).theme == "traindeck"
