"""What is done from the list of runs: choose, compare, open, delete, tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runslab import confirmed, deck, lines, look, screen_of, settle
from textual.widgets import Input
from tuilab import NOW, FakeClock, make_run

from trainer.runs.layout import RunFolder, read_json


async def test_choosing_and_comparing(
    runs_dir: Path, some: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = deck(runs_dir)
    compared: list[list[Path]] = []
    said: list[str] = []
    monkeypatch.setattr(app, "open_compare", compared.append)
    monkeypatch.setattr(app, "say", lambda text, severity="": said.append(text))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        assert "choose 2 to 8 runs" in said[-1]
        await pilot.press("space", "space", "c")
        assert compared == [[some["busy"].path, some["waits"].path]]
        assert lines(app)[2].startswith("●")
        await pilot.press("a")
        assert "4 selected" in lines(app)[0]
        await pilot.press("a")
        assert "selected" not in lines(app)[0]
        for number in range(9):
            make_run(runs_dir, f"more{number}", created=NOW - 50 - number)
        await look(app, pilot)
        await pilot.press("a", "c")
        assert "at most 8" in said[-1]


async def test_enter_opens_the_run(
    runs_dir: Path, some: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = deck(runs_dir)
    opened: list[Any] = []
    monkeypatch.setattr(app, "open_monitor", opened.append)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "enter")
        await pilot.pause()
    assert opened[0].run.path == some["waits"].path


async def test_stop_and_kill_mean_the_chosen_runs(
    runs_dir: Path, some: dict[str, RunFolder]
) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)):
        screen = screen_of(app)
        assert [run.path for run in screen.controlled()] == [some["busy"].path]
        screen._choose(frozenset({str(some["done"].path), str(some["waits"].path)}))
        assert {run.path for run in screen.controlled()} == {
            some["done"].path,
            some["waits"].path,
        }


async def test_deleting_and_bringing_back(runs_dir: Path, some: dict[str, RunFolder]) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("end")
        await confirmed(app, pilot, "d")
        assert not some["broke"].path.exists()
        assert "3 runs" in lines(app)[0]
        assert "u undoes" in lines(app)[0]
        await pilot.press("u")
        await settle(app, pilot)
        assert some["broke"].events.exists()
        assert "4 runs" in lines(app)[0]
        assert not (runs_dir / ".deleted").exists()


async def test_a_run_that_lives_is_not_deleted(
    runs_dir: Path, some: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = deck(runs_dir)
    said: list[str] = []
    monkeypatch.setattr(app, "say", lambda text, severity="": said.append(text))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("d")
        await settle(app, pilot)
        assert "busy is not over yet" in said[-1]
        await pilot.press("a")
        await confirmed(app, pilot, "d")
        assert some["busy"].path.exists()
        assert some["waits"].path.exists()
        assert not some["done"].path.exists()
        assert "deleted 2 runs" in said[-1]


async def test_what_was_deleted_goes_after_a_minute_and_when_the_app_leaves(
    runs_dir: Path, some: dict[str, RunFolder]
) -> None:
    clock = FakeClock()
    app = deck(runs_dir, clock=clock)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("end")
        await confirmed(app, pilot, "d")
        clock.move(61)
        screen_of(app).tick()
        for _ in range(100):
            if not (runs_dir / ".deleted").exists():
                break
            await pilot.pause(0.02)
        assert not (runs_dir / ".deleted").exists()
        assert "undoes" not in lines(app)[0]
        await pilot.press("end")
        await confirmed(app, pilot, "d")
        assert (runs_dir / ".deleted").exists()
        screen = screen_of(app)
    assert not screen.trash


async def test_tags_of_one_and_of_several(runs_dir: Path, some: dict[str, RunFolder]) -> None:
    app = deck(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await pilot.pause()
        assert app.screen.query_one(Input).value == "abl"
        await pilot.press(*", new one", "enter")
        await settle(app, pilot)
        assert read_json(some["busy"].run_json)["tags"] == ["abl", "new one"]
        await pilot.press("space", "space", "t")
        await pilot.pause()
        assert not app.screen.query_one(Input).value
        await pilot.press(*"both", "enter")
        await settle(app, pilot)
        assert read_json(some["busy"].run_json)["tags"] == ["abl", "both", "new one"]
        assert read_json(some["waits"].run_json)["tags"] == ["both"]
