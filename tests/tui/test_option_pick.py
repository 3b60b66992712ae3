"""Options of a group are chosen by their facts: on any width, and found by any of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App
from textual.widgets import Input, Static

from trainer.config.listing import Listed, listed
from trainer.config.sources import search_path
from tui.text import cell_len
from tui.widgets.factsrow import Facts
from tui.widgets.optionpick import OptionPick, option_pick

TEXT = """\
[hyperparameters.long]
num_epochs = 9

[experts.odd]
role = "[bold]x[/bold]\\u001b]52;c;aGk=\\u0007"
base_model = "models/a-very-long-name-of-a-base-model-that-no-terminal-has-room-for"
context_window = 512
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "training.toml").write_text(TEXT)
    return tmp_path


def known(project: Path, group: str) -> tuple[Listed, ...]:
    return listed(search_path(cwd=project), group)


@pytest.mark.parametrize(
    "group", ["preset", "expert", "hardware", "lora", "hyperparameters", "data"]
)
@pytest.mark.parametrize("room", [200, 110, 66, 40, 20])
def test_a_line_is_never_wider_than_its_room_and_loses_what_matters_least(
    project: Path, group: str, room: int
) -> None:
    facts = Facts.of(group, known(project, group))
    widths = facts.widths(room)
    assert widths[0][0] == 0, "the name always stands"
    for name in facts.cells or {}:
        assert cell_len(facts.line(name, widths, "…")) <= max(room, 30)
    shown = {facts.columns[at].need for at, _ in widths}
    left_out = [column.need for at, column in enumerate(facts.columns) if at not in dict(widths)]
    assert all(need >= max(shown) for need in left_out)


def test_what_is_inherited_and_what_is_cut_can_be_seen(project: Path) -> None:
    facts = Facts.of("hyperparameters", known(project, "hyperparameters"))
    line = facts.line("long", facts.widths(120), "…")
    assert "  9  (0.0002)" in line
    assert "inherited" in " ".join(facts.told("long"))
    assert "inherited" not in " ".join(facts.told("default"))
    experts = Facts.of("expert", known(project, "expert"))
    assert "…" in experts.line("odd", experts.widths(60), "…")
    assert "\x1b" not in experts.words("odd")


class _Lab(App[None]):
    def __init__(self, dialog: OptionPick) -> None:
        super().__init__()
        self.dialog, self.picked = dialog, -1

    def on_mount(self) -> None:
        def picked(at: int | None) -> None:
            self.picked = -2 if at is None else at

        self.push_screen(self.dialog, picked)

    def text(self) -> str:
        return "\n".join(strip.text for strip in self.screen._compositor.render_strips())


@pytest.mark.parametrize("size", [(80, 24), (130, 45)])
async def test_typing_finds_an_option_by_any_of_its_facts(
    project: Path, size: tuple[int, int]
) -> None:
    rows = known(project, "expert")
    choices = [(row.option.name, row.option.doc) for row in rows]
    dialog = option_pick("expert", choices, rows)
    assert isinstance(dialog, OptionPick)
    app = _Lab(dialog)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert "BASE MODEL" in app.text()
        assert "[bold]x[/bold]" in app.text(), "no markup"
        assert "esc cancel" in app.text()
        dialog.query_one(Input).value = "crash triage"
        await pilot.pause()
        assert "assembler" not in app.text()
        await pilot.press("enter")
        await pilot.pause()
        assert choices[app.picked][0] == "oracle-sheik-debugger"


async def test_names_that_are_cut_are_told_whole(tmp_path: Path) -> None:
    names = [f"長い名前のプロファイル-that-goes-on-and-on-for-ever-{at}" for at in range(60)]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "training.toml").write_text(
        "".join(f'[experts."{name}"]\nrole = "asm"\n' for name in names)
    )
    rows = known(tmp_path, "expert")
    choices = [(row.option.name, row.option.doc) for row in rows]
    at = [name for name, _what in choices].index(names[41])
    dialog = option_pick("expert", choices, rows, at)
    assert isinstance(dialog, OptionPick)
    app = _Lab(dialog)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.pause()
        told = dialog.query_one(".told", Static).visual
        assert names[41] in str(told).replace("\n", "").replace(" ", "")
