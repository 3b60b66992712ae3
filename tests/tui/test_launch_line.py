"""The line of overrides in the launch screen: complete, take, edit, bring back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from launchlab import launch, press, settle, words, write
from textual import events
from tuilab import shown

from tui.context import Context
from tui.screens.launch.composer import Outcome, work_out
from tui.screens.launch.draft import Draft
from tui.screens.launch.foot import CommandPanel, LaunchBar
from tui.screens.launch.line import OverrideLine, OverrideRows
from tui.sources.sweepcost import Costs


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

    def slow(draft: Draft, line: str, world: Context, edited: str, costs: Costs | None) -> Outcome:
        if line == "seed=1":
            gate.wait(5)
        return work_out(draft, line, world, edited, costs)

    async with launch(runs_dir) as (pilot, screen):
        monkeypatch.setattr("tui.screens.launch.panes.work_out", slow)
        await press(pilot, "3")
        screen.query_one(OverrideLine).put("seed=1")
        await pilot.pause()
        assert not screen.is_composed
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
        before = screen.latest.asked
        await press(pilot, "3")
        line = screen.query_one(OverrideLine)
        for text in ("seed=1", "seed=12", "seed=123"):
            line.put(text)
            await pilot.pause()
        assert screen.latest.asked == before + 3
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


async def test_a_blank_in_place_of_the_equals_sign(runs_dir: Path) -> None:
    async with launch(runs_dir) as (pilot, screen):
        await press(pilot, "3")
        await write(pilot, "trainer.max_epochs 3")
        await press(pilot, "enter")
        assert "write trainer.max_epochs=3" in shown(screen)


async def test_x_takes_back_what_the_cursor_is_on(runs_dir: Path) -> None:
    given = ("trainer=ci_fast", "optimizer.config.lr=0.5", "seed=3")
    async with launch(runs_dir, *given) as (pilot, screen):
        await press(pilot, "down", "down", "x")
        assert words(screen) == given[1:]
        await press(pilot, "2", "x")
        assert words(screen) == given[2:]
        await press(pilot, "x")
        assert words(screen) == given[2:]
