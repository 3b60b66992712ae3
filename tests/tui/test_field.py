"""The form of keys: typed values, choices, switches, and what is wrong as it is typed."""

from __future__ import annotations

from typing import Any

from textual.app import App, ComposeResult

from trainer.config.values import about
from tui.widgets.field import FieldForm, Row

VALUES = {
    "trainer.max_epochs": 30,
    "hardware.device": "cpu",
    "trainer.amp": True,
    "optimizer.config.lr": 0.001,
}


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[str, Any]] = []

    def compose(self) -> ComposeResult:
        yield FieldForm()

    def on_mount(self) -> None:
        form = self.query_one(FieldForm)
        rows = [Row(key, value, about(key)) for key, value in VALUES.items()]
        form.show([Row("all of them", heading=True), *rows])
        form.rows.focus()

    def on_field_form_edited(self, event: FieldForm.Edited) -> None:
        self.got.append((event.key, event.value))

    def text(self) -> str:
        return "\n".join(strip.text for strip in self.screen._compositor.render_strips())


async def test_a_value_is_typed_and_checked_as_it_is_typed() -> None:
    app = Host()
    async with app.run_test(size=(80, 14)) as pilot:
        await pilot.press("down", "enter", "backspace", "backspace", "x")
        await pilot.pause()
        assert "'trainer.max_epochs' cannot be \"x\"" in app.text()
        await pilot.press("enter")
        await pilot.pause()
        assert app.got == []
        await pilot.press("backspace", "4", "enter")
        await pilot.pause()
        assert app.got == [("trainer.max_epochs", 4)]


async def test_escape_leaves_the_value() -> None:
    app = Host()
    async with app.run_test(size=(80, 14)) as pilot:
        await pilot.press("end", "enter", "5", "escape")
        await pilot.pause()
        assert app.got == []
        assert not app.query_one(FieldForm).is_editing


async def test_a_learning_rate_is_a_number_in_every_spelling() -> None:
    app = Host()
    async with app.run_test(size=(80, 14)) as pilot:
        await pilot.press("end", "enter", "ctrl+u", "1", "e", "minus", "4", "enter")
        await pilot.pause()
        assert app.got == [("optimizer.config.lr", 1e-4)]


async def test_choices_are_picked_and_switches_switched() -> None:
    app = Host()
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        await pilot.press("m", "p", "s", "enter")
        await pilot.pause()
        await pilot.press("down", "space")
        await pilot.pause()
        assert app.got == [("hardware.device", "mps"), ("trainer.amp", False)]


async def test_hostile_values_do_no_harm() -> None:
    app = Host()
    async with app.run_test(size=(40, 10)) as pilot:
        evil = "[red]\x1b]52;c;aGk=\x07" + "漢" * 50
        app.query_one(FieldForm).show([Row("run.name", evil, about("run.name"), note=evil)])
        await pilot.pause()
        assert "\x1b" not in app.text()
        assert "52;c" not in app.text()
        assert "[red]" in app.text()
