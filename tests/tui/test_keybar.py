"""The foot of a screen, and what a change of the focus costs the terminal."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Region
from textual.widgets import Input

from tui.app import Deck
from tui.context import Context
from tui.screens.base import DeckScreen
from tui.widgets.keybar import KeyBar, binding


class Two(DeckScreen):
    BINDINGS: ClassVar[list[BindingType]] = [binding("f2", "one", "the one thing")]
    able = True

    def compose(self) -> ComposeResult:
        yield Input(id="a")
        yield Input(id="b")
        yield KeyBar()

    def action_one(self) -> None: ...

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.able if action == "one" else super().check_action(action, parameters)


def _painted(app: Deck, monkeypatch: pytest.MonkeyPatch) -> set[Region]:
    """Collect the regions that are painted from now on."""
    found: set[Region] = set()
    compositor = app.screen._compositor
    render = compositor.render_update

    def note(*args: Any, **named: Any) -> Any:
        found.update(compositor._dirty_regions)
        return render(*args, **named)

    monkeypatch.setattr(compositor, "render_update", note)
    return found


async def test_a_change_of_the_focus_paints_no_more_than_the_two_widgets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Deck(Context(live=False), Two)
    async with app.run_test(size=(80, 24)) as pilot:
        app.screen.query_one("#a").focus()
        await pilot.pause(0.1)
        painted = _painted(app, monkeypatch)
        app.screen.query_one("#b").focus()
        await pilot.pause(0.1)
        both = [app.screen.query_one("#a").region, app.screen.query_one("#b").region]
        assert painted
        assert all(any(widget.contains_region(region) for widget in both) for region in painted)


async def test_the_foot_is_painted_when_its_keys_change_and_only_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Deck(Context(live=False), Two)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.screen
        assert isinstance(screen, Two)
        await pilot.pause(0.1)
        foot = screen.query_one(KeyBar)
        assert "the one thing" in foot.render_line(0).text
        painted = _painted(app, monkeypatch)
        screen.refresh_bindings()
        await pilot.pause(0.1)
        assert not painted
        screen.able = False
        screen.refresh_bindings()
        screen.refresh_bindings()
        await pilot.pause(0.1)
        assert painted == {foot.region}
        assert "the one thing" not in foot.render_line(0).text


async def test_a_line_of_keys_that_has_gone_looks_no_more() -> None:
    """Launching takes its screen away in the moment in which the keys changed."""
    app = Deck(Context(live=False), first=DeckScreen)
    async with app.run_test() as pilot:
        screen = Two()
        app.push_screen(screen)
        await pilot.pause()
        bar = screen.query_one(KeyBar)
        await bar.remove()
        bar._look()
