"""What Textual calls, it calls for every class of a widget: nothing is begun twice."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from tuilab import context

import tui
from tui.app import Deck
from tui.screens.base import DeckScreen
from tui.screens.launch import LaunchScreen
from tui.screens.sweep.listing import SweepsScreen

_TUI = Path(tui.__file__).parent


def _calls_its_base(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr.startswith("on_")
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "super"
    )


def test_no_handler_calls_its_base() -> None:
    found = [
        f"{path.relative_to(_TUI)}: {ast.unparse(node)}"
        for path in _TUI.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if _calls_its_base(node)
    ]
    assert not found


@pytest.mark.parametrize("screen", [LaunchScreen, SweepsScreen])
async def test_a_screen_has_one_clock(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, screen: type[DeckScreen]
) -> None:
    begun: list[str] = []
    real = DeckScreen.set_interval

    def counted(self: DeckScreen, every: float, *more: Any, **named: Any) -> Any:
        begun.append(getattr(more[0], "__name__", "") if more else "")
        return real(self, every, *more, **named)

    monkeypatch.setattr(DeckScreen, "set_interval", counted)
    app = Deck(context(runs_dir, live=True), first=screen)
    async with app.run_test() as pilot:
        await pilot.pause()
    assert begun.count("tick") == 1
