"""What others write into the profiles while the launch screen is open."""

from __future__ import annotations

from pathlib import Path

import pytest
from launchlab import launch, press, settle, words, write

from trainer.runs.layout import RunFolder
from tui.app import Deck
from tui.screens.launch.foot import LaunchBar
from tui.widgets.field import FieldForm

MINE = (
    '[presets.mine]\nmodel = "gpt_tiny"\ndata = "pystdlib"\nloss = "next_token"\nbatch_size = {}\n'
)


@pytest.fixture
def toml(runs_dir: Path) -> Path:
    path = runs_dir.parent / "config" / "training.toml"
    path.parent.mkdir()
    path.write_text(MINE.format(3))
    return path


async def test_a_file_that_is_written_meanwhile_is_followed(runs_dir: Path, toml: Path) -> None:
    async with launch(runs_dir, "mine") as (pilot, screen):
        assert screen.outcome.config["dataloader"]["batch_size"] == 3
        before = screen.outcome
        screen.tick()
        await settle(pilot)
        assert screen.outcome is before  # nothing new, nothing done
        toml.write_text(MINE.format(5))
        screen.tick()
        await settle(pilot)
        assert screen.outcome.config["dataloader"]["batch_size"] == 5
        toml.write_text("[presets.mine\n")
        screen.tick()
        await settle(pilot)
        assert "no valid TOML" in screen.query_one(LaunchBar).text
        assert words(screen) == ("mine",)
        toml.unlink()
        screen.tick()
        await settle(pilot)
        assert "Preset 'mine' not found" in screen.query_one(LaunchBar).text
        toml.write_text(MINE.format(7))
        screen.tick()
        await settle(pilot)
        assert "ready" in screen.query_one(LaunchBar).text
        assert screen.outcome.config["dataloader"]["batch_size"] == 7


async def test_a_value_that_is_being_typed_is_left_alone(runs_dir: Path, toml: Path) -> None:
    async with launch(runs_dir, "mine") as (pilot, screen):
        screen.edit_key("dataloader.batch_size")
        await settle(pilot)
        await write(pilot, "12")
        toml.write_text(MINE.format(5))
        screen.tick()
        await settle(pilot)
        assert screen.query_one(FieldForm).is_editing
        assert screen.outcome.config["dataloader"]["batch_size"] == 3
        await press(pilot, "enter")
        assert "dataloader.batch_size=12" in words(screen)


async def test_what_is_not_shown_is_not_launched(
    runs_dir: Path, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[RunFolder] = []
    monkeypatch.setattr("trainer.runs.launch.start", lambda run, queue=None: started.append(run))
    monkeypatch.setattr(Deck, "open_monitor", lambda self, source: None)
    async with launch(runs_dir, "mine") as (pilot, screen):
        toml.write_text(MINE.format(5))
        await press(pilot, "L")
        assert not started
        assert screen.outcome.config["dataloader"]["batch_size"] == 5
        assert "ready" in screen.query_one(LaunchBar).text
        await press(pilot, "L")
    assert "batch_size: 5" in started[0].config.read_text()


async def test_what_was_lacking_and_has_come_is_seen_by_the_key_that_launches(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[RunFolder] = []
    monkeypatch.setattr("trainer.runs.launch.start", lambda run, queue=None: started.append(run))
    monkeypatch.setattr(Deck, "open_monitor", lambda self, source: None)
    folder = runs_dir.parent / "texts"
    async with launch(runs_dir, "quickstart", f"data.root={folder}") as (pilot, screen):
        assert "cannot launch" in screen.query_one(LaunchBar).text
        await press(pilot, "L")
        assert not started
        folder.mkdir()
        for at in range(20):
            (folder / f"{at}.py").write_text("x = 1\n" * 200)
        await press(pilot, "L")
    assert started
