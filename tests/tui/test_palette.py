"""The command palette: all that can be done here, and every place to go."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from textual.command import CommandPalette, DiscoveryHit, Hit
from textual.widgets import OptionList
from tuilab import context, make_run, shown

from trainer.runs.index import RunIndex
from trainer.runs.summary import summarise
from tui.app import Deck
from tui.commands import DeckCommands
from tui.screens.monitor import MonitorScreen


async def offered(app: Deck, query: str = "") -> dict[str, DiscoveryHit | Hit]:
    provider = DeckCommands(app.screen)
    provider._post_init()
    return {str(hit.text): hit async for hit in provider._search(query)}


async def test_it_offers_what_the_screen_can_do_and_where_to_go(runs_dir: Path) -> None:
    make_run(runs_dir)
    app = Deck(context(runs_dir))
    async with app.run_test() as pilot:
        await pilot.pause()
        found = await offered(app)
        assert "Go to Runs" not in found, "one is there already"
        places = {"Go to Launch", "Go to Profiles", "Edit settings", "Quit"}
        assert places <= found.keys()
        assert "Help" in found
        assert "All keys of this screen  (?)" in str(found["Help"].help)
        assert not {"Back", "Up", "Next part", "First"} & found.keys()


async def test_runs_are_found_by_name_and_opened(runs_dir: Path) -> None:
    for number in range(3):
        make_run(runs_dir, f"run-{number}", created=1772366400.0 - number)
    app = Deck(context(runs_dir))
    async with app.run_test() as pilot:
        found = await offered(app, "open run-2")
        (hit,) = (hit for name, hit in found.items() if "run-2" in name)
        hit.command()
        await pilot.pause()
        assert isinstance(app.screen, MonitorScreen)


async def test_names_with_brackets_are_shown_as_they_are(runs_dir: Path) -> None:
    make_run(runs_dir, "evil[red]x[", tags=["[/]b", "[@click=app.bell]z[/]"])
    app = Deck(context(runs_dir))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("ctrl+p")
        await pilot.press(*"evil")
        for _ in range(20):
            await pilot.pause(0.05)
            text = shown(app.screen)
            if "Open run" in text:
                break
        assert "evil[red]x[" in text
        assert "[@click=app.bell]z[/]" in text


async def test_a_theme_is_chosen_by_name(runs_dir: Path) -> None:
    app = Deck(context(runs_dir))
    async with app.run_test() as pilot:
        found = await offered(app, "theme: nord")
        found["Theme: nord"].command()
        await pilot.pause()
        assert app.theme == "nord"


async def test_an_action_is_done_on_the_screen_behind(runs_dir: Path) -> None:
    app = Deck(context(runs_dir))
    async with app.run_test() as pilot:
        await pilot.press("ctrl+p")
        assert isinstance(app.screen, CommandPalette)
        await pilot.press(*"choose")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await pilot.pause()
        await pilot.pause()
        assert type(app.screen).__name__ == "ThemePick"


async def test_the_choice_is_seen_without_colours(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Deck(context(runs_dir))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+p")
        await pilot.pause(0.3)
        await pilot.press("down")
        await pilot.pause()
        found = app.screen.query_one(OptionList)
        styles = [segment.style for y in range(4) for segment in found.render_line(y)]
        underlined = [style is not None and bool(style.underline) for style in styles]
        assert any(underlined)
        assert not all(underlined)


async def test_a_folder_that_cannot_be_listed_costs_only_its_runs(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: RunIndex) -> None:
        raise PermissionError(13, "Permission denied")

    app = Deck(context(runs_dir))
    async with app.run_test() as pilot:
        await pilot.pause()
        monkeypatch.setattr(RunIndex, "list", fail)
        assert "Edit settings" in await offered(app, "settings")


async def test_thousands_of_runs_are_searched_while_one_types(runs_dir: Path) -> None:
    app = Deck(context(runs_dir))
    async with app.run_test() as pilot:
        await pilot.pause()
        provider = DeckCommands(app.screen)
        await provider.startup()
        one = summarise(make_run(runs_dir, "needle").path)
        provider._runs = [replace(one, name=f"spectra-smooth-{n}", id=f"{n}") for n in range(2000)]
        provider._runs.append(one)
        began = time.perf_counter()
        found = [str(hit.text) async for hit in provider.search("needle")]
        assert any("needle" in name for name in found)
        assert len([hit async for hit in provider.search("spectra")]) == 2000
        assert time.perf_counter() - began < 2.0, "some tenths of a second where nothing else runs"
