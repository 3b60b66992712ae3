"""The launch screen by keyboard: choose, change, look, launch."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input
from tuilab import context, make_run, work_done

from trainer.config.compose import compose
from trainer.config.hardware_detect import machine
from trainer.config.hardware_torch import Torch
from trainer.errors import RunError
from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.context import Context
from tui.glyphs import ASCII
from tui.screens.base import DeckScreen
from tui.screens.launch import LaunchScreen
from tui.screens.launch.choices import ChoiceRows
from tui.screens.launch.composer import Outcome, work_out
from tui.screens.launch.draft import Draft
from tui.screens.launch.foot import CommandPanel, LaunchBar
from tui.screens.launch.line import OverrideLine, OverrideRows
from tui.screens.launch.preview import PreviewScreen
from tui.screens.launch.result import ResultRows
from tui.widgets.dialogs import Pick
from tui.widgets.field import FieldForm

SIZES = [(80, 24), (120, 40), (200, 60)]


async def settle(pilot: Pilot[Any]) -> None:
    """Wait for what is composed."""
    for _ in range(3):
        await work_done(pilot.app)
        await pilot.pause()


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)


async def write(pilot: Pilot[Any], text: str) -> None:
    focused = pilot.app.screen.focused
    assert isinstance(focused, Input)
    focused.value = text
    await settle(pilot)


@asynccontextmanager
async def launch(
    runs_dir: Path, *words: str, size: tuple[int, int] = (80, 24), **more: Any
) -> AsyncIterator[tuple[Pilot[Any], LaunchScreen]]:
    app = Deck(context(runs_dir, **more), first=DeckScreen)
    async with app.run_test(size=size) as pilot:
        app.open_launch(words)
        await settle(pilot)
        assert isinstance(app.screen, LaunchScreen)
        yield pilot, app.screen


def words(screen: LaunchScreen) -> tuple[str, ...]:
    return screen.draft.words


def shown(screen: Any) -> str:
    return "\n".join(
        "".join(segment.text for segment in strip) for strip in screen._compositor.render_strips()
    )


@pytest.mark.parametrize("size", SIZES)
async def test_a_newcomer_changes_the_learning_rate(runs_dir: Path, size: tuple[int, int]) -> None:
    async with launch(runs_dir, "quickstart", size=size) as (pilot, screen):
        await press(pilot, "down", "enter", *"ci_fast", "enter")
        assert words(screen) == ("quickstart", "trainer=ci_fast")
        await press(pilot, "2", "enter")
        await write(pilot, "0.02")
        await press(pilot, "enter")
        assert words(screen)[-1] == "optimizer.config.lr=0.02"
        await press(pilot, "4")
        changes = {change.key for change in screen.outcome.changes}
        text = screen.query_one(ResultRows).text
        for key in changes:
            assert key.rpartition(".")[2][-12:] in text
        assert "0.004 → 0.02" in text
        assert "trainer/ci_fast.yaml:4" in text
        want = compose(["quickstart", "trainer=ci_fast", "optimizer.config.lr=0.02"], cwd=runs_dir)
        command = shlex.split(screen.query_one(CommandPanel).command)
        assert command[:2] == ["traindeck", "train"]
        overrides = [word for word in command[2:] if "=" in word or word == "quickstart"]
        assert compose(overrides, cwd=runs_dir).hash == want.hash
        assert screen.outcome.composed is not None
        assert screen.outcome.composed.hash == want.hash
        assert "L launch" in shown(screen)
        assert "traindeck train quickstart" in shown(screen)


async def test_every_part_is_reached_by_tab_at_80x24(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        seen = []
        for _ in range(5):
            seen.append(type(screen.focused).__name__)
            assert screen.focused is not None
            assert screen.focused.region.height > 0
            await press(pilot, "tab")
        assert seen == ["ChoiceRows", "FieldRows", "OverrideInput", "ResultRows", "LaunchBar"]
        await press(pilot, "shift+tab")
        assert isinstance(screen.focused, LaunchBar)


async def test_side_by_side_where_there_is_room(runs_dir: Path) -> None:
    async with launch(runs_dir, size=(120, 40)) as (_pilot, screen):
        for kind in (ChoiceRows, FieldForm, OverrideLine, ResultRows):
            assert screen.query_one(kind).region.area > 0
    async with launch(runs_dir, size=(120, 24)) as (pilot, screen):
        await press(pilot, "2", "4")
        assert screen.query_one(FieldForm).region.area > 0
        assert screen.query_one(ResultRows).region.area > 0


async def test_an_error_stands_where_it_arises_and_blocks(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.runs.launch.create", lambda *a, **k: pytest.fail("launched"))
    async with launch(runs_dir, "trainer=ci_fst", "optimizer.config.lr=abc") as (pilot, screen):
        assert "Did you mean 'ci_fast'?" in screen.query_one(LaunchBar).text
        assert "cannot launch" in screen.query_one(LaunchBar).text
        choices = {row.group: row for row in screen.query_one(ChoiceRows).rows}
        assert choices["trainer"].wrong
        problems = dict(screen.query_one(OverrideRows).rows)
        assert "takes a number" in problems["optimizer.config.lr=abc"]
        await press(pilot, "4")
        text = screen.query_one(ResultRows).text
        assert "2 problems" in text
        assert "from override trainer=ci_fst" in text
        for keys in (["L"], ["ctrl+l"], ["tab", "enter"]):
            await press(pilot, *keys)
        assert pilot.app.screen is screen


async def test_completion_of_keys_options_and_values(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        line = screen.query_one(OverrideLine)
        await press(pilot, "3")
        await press(pilot, *"optimizer.config.l", "tab")
        assert line.text == "optimizer.config.lr="
        await write(pilot, "trainer=k")
        await press(pilot, "tab", "enter")
        assert words(screen) == ("trainer=kaggle_safe",)
        await write(pilot, "trainer.amp=")
        await press(pilot, "down", "down", "enter")
        assert line.text in ("trainer.amp=true", "trainer.amp=false")
        await press(pilot, "enter")
        assert len(words(screen)) == 2
        await write(pilot, "hardw")
        assert "choose one of" in shown(screen)
        await write(pilot, "learning_ra")
        await press(pilot, "escape")
        assert isinstance(screen.focused, OverrideRows)


async def test_the_result_follows_the_line_as_one_types(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        await press(pilot, "3")
        await write(pilot, "seed=7")
        assert screen.outcome.config["seed"] == 7
        assert "seed=7" in screen.query_one(CommandPanel).command
        assert words(screen) == ()
        await write(pilot, "see")
        assert screen.outcome.config["seed"] == 42
        assert "unfinished" in screen.query_one(LaunchBar).text
        await write(pilot, "")
        assert "ready" in screen.query_one(LaunchBar).text


async def test_the_latest_wins(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def slow(draft: Draft, line: str, world: Context, edited: str) -> Outcome:
        if line == "seed=1":
            gate.wait(5)
        return work_out(draft, line, world, edited)

    async with launch(runs_dir) as (pilot, screen):
        monkeypatch.setattr("tui.screens.launch.panes.work_out", slow)
        await press(pilot, "3")
        screen.query_one(OverrideLine).put("seed=1")
        await pilot.pause()
        assert screen._shown != screen._asked
        screen.query_one(OverrideLine).put("seed=2")
        for _ in range(200):
            await pilot.pause(0.02)
            if screen.is_composed:
                break
        gate.set()
        await settle(pilot)
        assert screen.outcome.config["seed"] == 2


async def test_typing_is_composed_once_it_pauses(runs_dir: Path) -> None:
    async with launch(runs_dir, live=True) as (pilot, screen):
        before = screen._asked
        await press(pilot, "3")
        line = screen.query_one(OverrideLine)
        for text in ("seed=1", "seed=12", "seed=123"):
            line.put(text)
            await pilot.pause()
        assert screen._asked == before + 3
        for _ in range(200):
            await pilot.pause(0.02)
            if screen.is_composed:
                break
        assert screen.outcome.config["seed"] == 123


async def test_a_slip_does_not_replace_the_preset(runs_dir: Path) -> None:
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        await press(pilot, "3")
        await write(pilot, "quikstart")
        await press(pilot, "enter")
        assert words(screen) == ("quickstart",)
        assert "Did you mean 'quickstart'?" in shown(screen)


async def test_overrides_are_edited_removed_and_brought_back(runs_dir: Path) -> None:
    async with launch(runs_dir, "seed=1", "trainer.max_epochs=3") as (pilot, screen):
        await press(pilot, "3", "escape", "x")
        assert words(screen) == ("trainer.max_epochs=3",)
        await press(pilot, "u")
        assert words(screen) == ("seed=1", "trainer.max_epochs=3")
        await press(pilot, "enter")
        assert screen.query_one(OverrideLine).text == "seed=1"
        assert screen.outcome.words == ("seed=1", "trainer.max_epochs=3")
        await write(pilot, "seed=5")
        await press(pilot, "enter")
        assert words(screen) == ("seed=5", "trainer.max_epochs=3")


async def test_any_key_is_found_and_changed(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        await press(pilot, "slash", *"model.dropout", "enter")
        assert isinstance(screen.focused, Input)
        await write(pilot, "0.25")
        await press(pilot, "enter")
        assert words(screen) == ("model.dropout=0.25",)
        await press(pilot, "slash", *"pin_memory", "enter")
        assert words(screen)[-1] == "dataloader.pin_memory=true"


async def test_a_choice_is_left_out_and_taken_back(runs_dir: Path) -> None:
    async with launch(runs_dir, "scheduler=cosine_steps") as (pilot, screen):
        screen.choose("scheduler")
        await press(pilot, *"(nothing", "enter")
        assert words(screen) == ("~scheduler",)
        screen.choose("scheduler")
        await press(pilot, *"(as the profiles", "enter")
        assert words(screen) == ()
        assert screen.outcome.choices["scheduler"] == "cosine"


async def test_a_dry_run_shows_what_the_command_prints(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer.cli import cli

    monkeypatch.chdir(runs_dir.parent)
    given = ["quickstart", "trainer=ci_fast", "optimizer.config.lr=0.02"]
    async with launch(runs_dir, *given, runs_dirs=(Path("runs"),)) as (pilot, screen):
        await press(pilot, "d")
        preview = pilot.app.screen
        assert isinstance(preview, PreviewScreen)
        lines, command = preview.lines, preview.command
        await press(pilot, "escape")
        assert pilot.app.screen is screen
    cli.main([*shlex.split(command)[1:], "--dry-run"], standalone_mode=False)
    assert "\n".join(lines) == capsys.readouterr().out.rstrip("\n")


async def test_the_whole_config_and_the_copied_command(runs_dir: Path) -> None:
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        await press(pilot, "y")
        assert "weight_decay" in screen.query_one(ResultRows).text
        assert "the whole config" in shown(screen)
        await press(pilot, "y", "c")
        assert pilot.app.clipboard == screen.query_one(CommandPanel).command


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[RunFolder, Any]]:
    """Nothing is spawned; what would be is here."""
    calls: list[tuple[RunFolder, Any]] = []
    monkeypatch.setattr(
        "trainer.runs.launch.start", lambda run, queue=None: calls.append((run, queue))
    )
    return calls


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the monitor was opened on."""
    sources: list[Any] = []
    monkeypatch.setattr(Deck, "open_monitor", lambda self, source: sources.append(source))
    return sources


async def test_launching_makes_the_run_and_opens_its_monitor(
    runs_dir: Path, started: list[tuple[RunFolder, Any]], opened: list[Any]
) -> None:
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        await press(pilot, "n", *"first try", "enter")
        await press(pilot, "t", *"a b", "enter")
        await press(pilot, "Q")
        assert "--queue" in screen.query_one(CommandPanel).command
        await press(pilot, "3")
        await write(pilot, "seed=9")
        await press(pilot, "ctrl+l")
        ((run, queue),) = started
        assert queue == "auto"
        assert opened[0].run.path == run.path
        assert pilot.app.screen is not screen
    identity = json.loads(run.run_json.read_text())
    assert identity["name"] == "first try"
    assert identity["tags"] == ["a", "b"]
    assert identity["command"][:4] == ["traindeck", "train", "quickstart", "seed=9"]
    assert "seed: 9" in run.config.read_text()
    assert run.path.is_relative_to(runs_dir)


async def test_a_failed_launch_is_told_and_loses_nothing(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Any]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RunError("the supervisor did not come up")

    monkeypatch.setattr("trainer.runs.launch.start", refuse)
    said: list[str] = []
    monkeypatch.setattr(Deck, "say", lambda self, text, severity="": said.append(text))
    async with launch(runs_dir, "quickstart", "seed=3") as (pilot, screen):
        await press(pilot, "L")
        assert "did not come up" in said[-1]
        assert not opened
        assert words(screen) == ("quickstart", "seed=3")
        assert "ready" in screen.query_one(LaunchBar).text


async def test_training_packages_that_are_missing_are_said_before(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, started: list[Any]
) -> None:
    monkeypatch.setattr("trainer.runs.again.find_spec", lambda name: None)
    async with launch(runs_dir) as (pilot, screen):
        assert "pip install" in screen.query_one(LaunchBar).text
        await press(pilot, "L")
        assert not started


async def test_begin_like_a_past_run(runs_dir: Path) -> None:
    run = make_run(runs_dir, "old")
    run.overrides.write_text("- quickstart\n- seed=11\n- logger.wandb.api_key=***\n")
    async with launch(runs_dir) as (pilot, screen):
        await press(pilot, "b")
        await press(pilot, "enter")
        assert words(screen) == ("quickstart", "seed=11")


async def test_leaving_asks_only_if_something_would_be_lost(runs_dir: Path) -> None:
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        await press(pilot, "Q", "escape")
        assert pilot.app.screen is not screen
        await press(pilot, "n")
        assert pilot.app.screen is screen
        await press(pilot, "u", "escape")
        assert screen not in pilot.app.screen_stack
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        await press(pilot, "Q", "escape", "y")
        assert screen not in pilot.app.screen_stack


async def test_a_value_half_typed_is_not_launched_without(
    runs_dir: Path, started: list[Any]
) -> None:
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        await press(pilot, "2", "enter")
        await write(pilot, "0.5")
        await press(pilot, "ctrl+l")
        assert not started
        assert pilot.app.screen is screen
        await press(pilot, "enter")
        assert words(screen)[-1] == "optimizer.config.lr=0.5"


async def test_hostile_text_is_shown_harmlessly(runs_dir: Path) -> None:
    given = ["[red]x[/]=1", "\x1b]52;c;aGk=\x07=2", "model.name='[link=x]\x9b31m'"]
    async with launch(runs_dir, *given, size=(120, 40)) as (pilot, screen):
        text = shown(screen)
        assert "\x1b" not in text
        assert "\x9b" not in text
        assert "[red]x[/]=1" in text
        await press(pilot, "y", "2", "slash", "escape", "b")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (30, 8)])
async def test_without_colours_and_with_plain_signs(
    runs_dir: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with launch(runs_dir, "seed=x", glyphs=ASCII, size=size) as (pilot, screen):
        for key in ("2", "3", "4", "tab", "1"):
            await press(pilot, key)
            assert not set("→·●—") & set(shown(screen).replace("…", ""))
        await pilot.resize_terminal(120, 40)
        await settle(pilot)
        assert "! seed=x" in shown(screen)


ODD = """= + ~ ~~a a=[ a={ a=' ${x} a=${ trainer trainer. 😀=1 [b] a=b=c trainer.max_epochs=1,2 / \\
optimizer.config.lr=1e optimizer= ~trainer data.root=~ run.tags=[a trainer@x=y hydra.job=1 -m"""


async def test_keys_that_come_at_once_each_go_where_they_belong(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        await press(pilot, "3")
        line = screen.query_one(OverrideLine)
        for word in ("quickstart", "seed=1", "data.max_items=12"):
            for char in word:
                line.input.post_message(events.Key(char, char))
            line.input.post_message(events.Key("enter", None))
        await settle(pilot)
        assert (line.text, screen.draft.words) == (
            "",
            ("quickstart", "seed=1", "data.max_items=12"),
        )


async def test_any_text_on_the_line_does_no_harm(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        for text in ["", " ", "x" * 500, "a\tb=1", *ODD.split()]:
            await pilot.press("3")
            screen.query_one(OverrideLine).put(text)
            await press(pilot, "down", "tab", "enter", "enter", "up")
            assert screen.is_composed, text
            screen.query_one(OverrideLine).put("")
            screen.change(Draft())


async def test_several_overrides_on_one_line(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        await press(pilot, "3")
        await write(pilot, "quickstart trainer.max_steps=7 mod")
        await press(pilot, "tab")
        line = screen.query_one(OverrideLine)
        assert line.text.startswith("quickstart trainer.max_steps=7 model")
        await write(pilot, "traindeck train quickstart model=gpt_nano 'run.name=\"two words\"'")
        assert not screen.outcome.problems
        await press(pilot, "enter")
        assert words(screen) == ("quickstart", "model=gpt_nano", 'run.name="two words"')
        await write(pilot, "seed=3 wort")
        await press(pilot, "enter")
        assert "no preset 'wort'" in shown(screen)
        assert "seed=3" not in words(screen)
        await write(pilot, "quickstart --tag x")
        await press(pilot, "enter")
        assert "option of the command" in shown(screen)


async def test_runs_of_all_folders_are_something_to_begin_like(
    runs_dir: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"
    make_run(other, name="far away")
    async with launch(runs_dir, runs_dirs=(runs_dir, other)) as (pilot, screen):
        await press(pilot, "b")
        assert "far away" in shown(screen.app.screen)


async def test_an_override_left_in_the_middle_of_an_edit_stays(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        await press(pilot, "3", *"trainer=ci_fast", "enter", "escape", "enter", "escape")
        assert words(screen) == ("trainer=ci_fast",)
        assert "overrides (1)" in shown(screen)
        assert not screen.query_one(OverrideLine).text
        await press(pilot, "enter")
        await write(pilot, "trainer=kaggle_safe")
        assert screen.outcome.choices["trainer"] == "kaggle_safe"
        await press(pilot, "escape")
        assert words(screen) == ("trainer=ci_fast",)
        assert "trainer=ci_fast" in screen.query_one(CommandPanel).command
        await press(pilot, "u")
        assert screen.query_one(OverrideLine).text == "trainer=kaggle_safe"
        await press(pilot, "enter")
        assert words(screen) == ("trainer=kaggle_safe",)


async def test_an_edited_override_keeps_its_place_and_the_cursor(runs_dir: Path) -> None:
    given = ("seed=1", "trainer.max_epochs=3", "limits.grace=5")
    async with launch(runs_dir, *given) as (pilot, screen):
        await press(pilot, "3", "escape", "down", "enter")
        await write(pilot, "trainer.max_epochs=4")
        assert screen.outcome.words == ("seed=1", "trainer.max_epochs=4", "limits.grace=5")
        await press(pilot, "enter")
        assert words(screen) == ("seed=1", "trainer.max_epochs=4", "limits.grace=5")
        await press(pilot, "x")
        assert words(screen) == ("seed=1", "limits.grace=5")


async def test_what_was_typed_is_never_lost_in_silence(runs_dir: Path) -> None:
    async with launch(runs_dir, "trainer.max_epochs=3") as (pilot, screen):
        await press(pilot, "3", *"seed=5", "escape")
        assert "seed=5" not in screen.query_one(CommandPanel).command
        await press(pilot, "u")
        assert screen.query_one(OverrideLine).text == "seed=5"
        assert "overrides (1 + line)" in shown(screen)
        # Another override is edited: what still stands on the line is taken first.
        screen.query_one(OverrideRows).focus()
        await press(pilot, "enter")
        assert words(screen) == ("trainer.max_epochs=3", "seed=5")
        assert screen.query_one(OverrideLine).text == "trainer.max_epochs=3"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_remedy_is_read_whole(runs_dir: Path, size: tuple[int, int]) -> None:
    async with launch(runs_dir, "trainer=ci_fst", size=size) as (pilot, screen):
        bar = screen.query_one(LaunchBar)
        assert bar.size.height > 1 or size[0] > 80
        foot = " ".join(" ".join(shown(screen).split("\n")[-4:]).split())
        assert "Did you mean 'ci_fast'?" in foot
        await press(pilot, "3", "escape")
        rows = screen.query_one(OverrideRows)
        assert rows.count > 1
        _, top, right, bottom = rows.region.corners
        lines = [line[:right] for line in shown(screen).split("\n")[top:bottom]]
        at_list = " ".join(" ".join(lines).split())
        assert "Did you mean 'ci_fast'?" in at_list
        await press(pilot, "down", "end", "x")
        assert words(screen) == ()


async def test_a_blank_in_place_of_the_equals_sign(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        await press(pilot, "3")
        await write(pilot, "trainer.max_epochs 3")
        await press(pilot, "enter")
        assert "write trainer.max_epochs=3" in shown(screen)


async def test_x_takes_back_what_the_cursor_is_on(runs_dir: Path) -> None:
    given = ("trainer=ci_fast", "optimizer.config.lr=0.5", "seed=3")
    async with launch(runs_dir, *given) as (pilot, screen):
        await press(pilot, "down", "x")
        assert words(screen) == given[1:]
        await press(pilot, "2", "x")
        assert words(screen) == given[2:]
        await press(pilot, "x")
        assert words(screen) == given[2:]


async def test_what_the_profiles_give_is_told_beside_an_override(runs_dir: Path) -> None:
    async with launch(runs_dir, "optimizer.config.lr=0.001") as (pilot, screen):
        await press(pilot, "2")
        assert "default of the class 0.001" in shown(screen)
        assert "The profiles give 0.005 (optimizer/" in shown(screen)


async def test_a_picker_at_80x24(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        await press(pilot, "slash")
        lines = shown(pilot.app.screen).split("\n")
        assert any("enter choose   esc cancel" in line for line in lines)
        found = [line for line in lines if "batch_size" in line or "max_epochs" in line]
        assert found[0].index(" 64 ") == found[1].index(" 50 ")
        assert all("…" in line for line in found)
        await press(pilot, "escape")
        # What is chosen already needs no override.
        await press(pilot, "down", "enter", "enter")
        assert pilot.app.screen is screen
        assert words(screen) == ()


async def test_the_left_has_room_side_by_side(runs_dir: Path) -> None:
    async with launch(runs_dir, size=(120, 40)) as (_pilot, screen):
        assert screen.query_one(ChoiceRows).size.width >= 60
        assert "optimizer.config.weight_decay" in shown(screen)


async def test_hardware_that_is_not_here_is_told_with_everything_else_that_lacks(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = replace(machine(), gpus=(), torch=Torch("2.8.0+cpu"))
    monkeypatch.setattr("trainer.config.hardware_detect.machine", lambda: found)
    async with launch(runs_dir, "oracle-rauru-mac", size=(160, 50)) as (pilot, screen):
        keys = [problem.key for problem in screen.outcome.blocked]
        assert keys == ["data.root", "trainer.accelerator"]
        shown = screen.query_one(ResultRows).text
        assert "not this machine: needs Apple's MPS" in shown
        screen.choose("hardware")
        await settle(pilot)
        assert isinstance(pilot.app.screen, Pick)
        about = dict(pilot.app.screen._choices)
        assert about["mac-mps"].startswith("does not fit here: needs Apple's MPS")
        assert "does not fit" not in about["cpu"] + about["auto"]
