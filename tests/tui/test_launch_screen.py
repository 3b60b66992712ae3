"""The launch screen by keyboard: choose, change, look, launch."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from launchlab import launch, press, settle, words, write
from textual.widgets import Input
from tuilab import make_run, shown

from trainer.config.compose import compose
from trainer.config.hardware_detect import machine
from trainer.config.hardware_torch import Torch
from trainer.errors import RunError
from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.glyphs import ASCII
from tui.screens.launch.choices import ChoiceRows
from tui.screens.launch.foot import CommandPanel, LaunchBar
from tui.screens.launch.line import OverrideLine, OverrideRows
from tui.screens.launch.preview import PreviewScreen
from tui.screens.launch.result import ResultRows
from tui.widgets.field import FieldForm
from tui.widgets.optionpick import OptionPick

SIZES = [(80, 24), (120, 40), (200, 60)]


@pytest.mark.parametrize("size", SIZES)
async def test_a_newcomer_changes_the_learning_rate(runs_dir: Path, size: tuple[int, int]) -> None:
    async with launch(runs_dir, "quickstart", size=size) as (pilot, screen):
        await press(pilot, "down", "down", "enter", *"ci_fast", "enter")
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


async def test_runs_of_all_folders_are_something_to_begin_like(
    runs_dir: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"
    make_run(other, name="far away")
    async with launch(runs_dir, runs_dirs=(runs_dir, other)) as (pilot, screen):
        await press(pilot, "b")
        assert "far away" in shown(screen.app.screen)


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
        text = screen.query_one(ResultRows).text
        assert "not this machine: needs Apple's MPS" in text
        screen.choose("hardware")
        await settle(pilot)
        picker = pilot.app.screen
        assert isinstance(picker, OptionPick)
        assert "here: needs Apple's MPS" in " ".join(picker.facts.told("mac-mps"))
        assert all("here: fits" in picker.facts.told(name) for name in ("cpu", "auto"))
