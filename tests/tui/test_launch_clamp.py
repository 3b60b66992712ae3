"""Limits of the hardware in the launch screen: told while one types, clamped by a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from launchlab import launch, press, settle, words, write
from textual.widgets import Input
from tuilab import shown

from trainer.config.compose import compose
from trainer.runs.layout import RunFolder
from tui import keys
from tui.app import Deck
from tui.screens.launch.choices import ChoiceRows
from tui.screens.launch.clamping import beyond, by_key, while_typing
from tui.screens.launch.foot import CommandPanel, LaunchBar
from tui.screens.launch.line import OverrideLine, OverrideRows
from tui.screens.launch.result import ResultRows
from tui.widgets.field import FieldForm

SMALL = ("quickstart", "hardware.max_batch_size=4", "dataloader.batch_size=16")
CLAMPED = ("quickstart", "hardware.max_batch_size=4")


def result(screen: Any) -> str:
    return " ".join(screen.query_one(ResultRows).text.split())


@pytest.mark.parametrize("size", [(80, 24), (130, 45)])
async def test_a_key_clamps_shows_what_it_changed_and_is_taken_back(
    runs_dir: Path, size: tuple[int, int]
) -> None:
    async with launch(runs_dir, *SMALL, size=size) as (pilot, screen):
        assert "cannot launch" in screen.query_one(LaunchBar).text
        assert "C clamp" in shown(screen)
        await press(pilot, "C")
        assert set(CLAMPED) < set(words(screen))
        assert "dataloader.batch_size=4" in words(screen)
        assert "trainer.accumulate_grad_batches=4" in words(screen)
        assert "ready" in screen.query_one(LaunchBar).text
        assert "C clamp" not in shown(screen)
        await press(pilot, "4")
        text = result(screen)
        assert "clamped to hardware" in text
        assert "~ dataloader.batch_size 16 → 4" in text
        assert "~ trainer.accumulate_grad_batches 1 → 4" in text
        assert "effective 16 a step = 4 x 4 accumulated" in text
        # What no longer holds is not told on.
        screen.change(screen.draft.set("dataloader.batch_size", 2))
        await settle(pilot)
        assert "~ dataloader.batch_size 16 → 4" not in result(screen)
        await press(pilot, "u", "u")
        assert words(screen) == SMALL
        assert "clamped to" not in result(screen)
        assert "cannot launch" in screen.query_one(LaunchBar).text


async def test_what_is_launched_is_what_is_shown(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[RunFolder] = []
    monkeypatch.setattr("trainer.runs.launch.start", lambda run, queue=None: started.append(run))
    monkeypatch.setattr(Deck, "open_monitor", lambda self, source: None)
    async with launch(runs_dir, *SMALL) as (pilot, screen):
        await press(pilot, "C")
        command = screen.query_one(CommandPanel).command
        config = screen.outcome.config
        assert "--clamp" not in command
        want = compose(SMALL, clamp=True, cwd=runs_dir)
        assert screen.outcome.composed is not None
        assert screen.outcome.composed.hash == want.hash
        await press(pilot, "L")
    text = started[0].config.read_text()
    assert "batch_size: 4" in text
    assert config["trainer"]["accumulate_grad_batches"] == 4


async def test_on_the_line_what_the_line_brings_about_is_told_and_clamped(runs_dir: Path) -> None:
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        await press(pilot, "3")
        await write(pilot, "hardware.max_batch_size=4")
        line = " ".join(shown(screen).split("\n")[2:7])
        assert "takes at most 4" in line
        assert "ctrl+g (clamp)" in " ".join(line.split())
        assert "^g clamp" in shown(screen)
        await press(pilot, "ctrl+g")
        assert not screen.query_one(OverrideLine).text
        assert "hardware.max_batch_size=4" in words(screen)
        assert "dataloader.batch_size=4" in words(screen)
        await press(pilot, "escape", "u")
        assert words(screen) == ("quickstart",)


async def test_short_names_of_keys_give_way_to_what_clamps(runs_dir: Path) -> None:
    typed = ("quickstart", "hardware.max_batch_size=4", "batch_size=16")
    async with launch(runs_dir, *typed, size=(80, 24)) as (pilot, screen):
        await press(pilot, "C")
        assert "batch_size=16" not in words(screen)
        assert "dataloader.batch_size=4" in words(screen)
        assert "ready" in screen.query_one(LaunchBar).text


async def test_what_stood_before_is_not_blamed_on_the_line(runs_dir: Path) -> None:
    async with launch(runs_dir, *SMALL) as (pilot, screen):
        await press(pilot, "3")
        await write(pilot, "seed=7")
        assert "enter adds" in shown(screen)


async def test_a_value_beyond_a_limit_is_told_as_it_is_typed_and_taken(runs_dir: Path) -> None:
    given = ("quickstart", "hardware.max_batch_size=16")
    async with launch(runs_dir, *given, size=(80, 30)) as (pilot, screen):
        await press(pilot, "2")
        form = screen.query_one(FieldForm)
        form.go_to("dataloader.batch_size")
        await press(pilot, "enter")
        assert isinstance(screen.focused, Input)
        await write(pilot, "32")
        text = " ".join(shown(screen).split())
        assert "takes at most 16" in text
        assert "C (clamp) sets dataloader.batch_size=16" in text
        await press(pilot, "enter")
        assert "dataloader.batch_size=32" in words(screen)
        row = next(row for row in form.rows.rows if row.key == "dataloader.batch_size")
        assert row.problem.startswith("at most 16 by ")
        await press(pilot, "C")
        assert "dataloader.batch_size=32" not in words(screen)


async def test_messages_name_the_key_and_the_hardware_is_marked(runs_dir: Path) -> None:
    async with launch(runs_dir, *SMALL, size=(130, 45)) as (_pilot, screen):
        assert "--clamp" not in shown(screen)
        assert "C (clamp) sets dataloader.batch_size=4" in result(screen)
        rows = {row.group: row for row in screen.query_one(ChoiceRows).rows}
        assert rows["hardware"].wrong
        assert rows["hardware"].what.startswith("batch_size 16 > 4")
        assert "! batch 16 per device at most 4" in result(screen)
        told = dict(screen.query_one(OverrideRows).rows)["dataloader.batch_size=16"]
        assert "C (clamp)" in told
        actions = [key.action for group in keys.groups(screen) for key in group.keys]
        assert "clamp" in actions


async def test_nothing_to_clamp_is_said(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Deck, "say", lambda self, text, severity="": said.append(text))
    async with launch(runs_dir, "quickstart") as (pilot, screen):
        await press(pilot, "C")
        assert said[-1].startswith("nothing to clamp")
        await press(pilot, "3")
        await write(pilot, "hardware.max_batch_size=4 sed")
        await press(pilot, "ctrl+g")
        assert words(screen) == ("quickstart",)
        assert said[-1].startswith("nothing to clamp")


async def test_limits_of_another_kind_of_device_are_told_as_not_checked(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Deck, "say", lambda self, text, severity="": said.append(text))
    given = ("quickstart", "hardware=mac-mps", "trainer.accelerator=cpu", "trainer.precision=null")
    async with launch(runs_dir, *given, size=(130, 45)) as (pilot, screen):
        assert "at most 1, not checked" in result(screen)
        await press(pilot, "C")
        assert "are not checked, as trainer.accelerator=cpu" in said[-1]


def test_the_words_of_the_command_line_become_keys() -> None:
    text = "Set a=1 b=2, or let `--clamp` do so; if the profile is wrong, change c."
    assert by_key(text) == "C (clamp) sets a=1 b=2; if the profile is wrong, change c."
    assert while_typing(by_key(text)).startswith("ctrl+g (clamp) sets")
    assert by_key("see `--clamp`") == "see C (clamp)"
    assert by_key("nothing") == "nothing"


def test_what_a_typed_value_exceeds() -> None:
    config = compose(("quickstart", "hardware.max_batch_size=16"), check=False).config
    assert "takes at most 16" in beyond(config, "dataloader.batch_size", 17)
    assert "takes at most 8" in beyond(config, "hardware.max_batch_size", 8)
    for key, value in (
        ("dataloader.batch_size", 16),
        ("dataloader.batch_size", "x"),
        ("optimizer.config.lr", 3.0),
        ("seed", 3),
    ):
        assert not beyond(config, key, value)
