"""The command palette: everything that can be done here, places to go, runs to open, themes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.command import DiscoveryHit, Hit, Hits, Matcher, Provider
from textual.content import Content

from tui import keys, theme
from tui.sources.newest import newest_runs

if TYPE_CHECKING:
    from trainer.runs.summary import RunSummary
    from tui.app import Deck

#: Of very many runs only the newest are offered; the list of runs finds the others.
_RUNS = 2000
#: Actions that make no sense from the palette.
_BY_KEY_ALONE = ("back", "cancel")


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the palette.

    Attributes:
        name: What it is called; harmless text.
        help: What it does.
        run: Does it.
        first: Whether it is shown before anything is typed.
    """

    name: str
    help: str
    run: Callable[[], Any]
    first: bool = True


class DeckCommands(Provider):
    """Offers the actions of the screen in front, and the ways to everything else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._runs: list[RunSummary] | None = None
        self._known: list[Command] = []

    @property
    def deck(self) -> Deck:
        """The app."""
        from tui.app import Deck

        assert isinstance(self.app, Deck)
        return self.app

    async def startup(self) -> None:
        """Collect what there is, but for the runs: these are listed once somebody searches."""
        self._known = [*self._actions(), *self._places(), *self._themes()]

    async def discover(self) -> Hits:
        """Offer what can be done here, before anything is typed."""
        for command in self._known:
            if command.first:
                name = Content(command.name)
                yield DiscoveryHit(name, command.run, command.name, _plain(command.help))

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for command in self._known:
            if (hit := _hit(matcher, command)) is not None:
                yield hit
        if self._runs is None:
            folders = self.deck.context.runs_dirs
            self._runs = await asyncio.to_thread(newest_runs, folders, _RUNS)
        for run in self._runs:
            if (hit := _hit(matcher, self._opening(run))) is not None:
                yield hit

    def _actions(self) -> Iterator[Command]:
        for group in keys.groups(self.screen):
            for key in group.keys:
                # Those without a sentence of their own only move a cursor or the focus.
                if key.told and key.node is not self.app and key.action not in _BY_KEY_ALONE:
                    name = f"{key.name[:1].upper()}{key.name[1:]}"
                    run = partial(self.app.run_action, key.action, key.node)
                    yield Command(name, f"{key.tip}  ({key.shown})", run)

    def _places(self) -> Iterator[Command]:
        deck = self.deck
        for name, what, go in (
            ("Runs", "The list of all runs", deck.open_runs),
            ("Launch", "Compose a run and start it", deck.open_launch),
            ("Profiles", "Browse and edit the profiles", deck.open_profiles),
            ("Sweeps", "The list of all sweeps", deck.open_sweeps),
            ("WriteSweep", "Vary some keys, and compare the runs", deck.open_sweep_writer),
        ):
            if type(self.screen).__name__ != f"{name}Screen":
                place = "Write a sweep" if name == "WriteSweep" else f"Go to {name}"
                yield Command(place, what, go)
        choose = partial(theme.pick, deck)
        yield Command("Theme: choose…", "See each theme as you go  (ctrl+t)", choose)
        edit = deck.action_settings
        yield Command("Edit settings", "Open the settings file, every field explained", edit)
        yield Command("Quit", "Leave the app; runs go on  (ctrl+q)", deck.action_leave)

    def _themes(self) -> Iterator[Command]:
        for name in (theme.AUTO, *theme.names()):
            what = "what fits the terminal" if name == theme.AUTO else theme.about(name)
            run = partial(theme.choose, self.deck, name)
            yield Command(f"Theme: {name}", what, run, first=False)

    def _opening(self, run: RunSummary) -> Command:
        what = "  ".join(part for part in (run.state, run.preset, " ".join(run.tags)) if part)
        return Command(f"Open run {run.name} {run.id}", what, partial(self._open, run))

    def _open(self, run: RunSummary) -> None:
        from tui.sources.follow import Source

        self.deck.open_monitor(Source.of_run(run.folder))


def _hit(matcher: Matcher, command: Command) -> Hit | None:
    score, places = matcher.fuzzy_search.match(matcher.query, command.name)
    if score <= 0:
        return None
    # Never the matcher's own `highlight`: it reads the name as markup.
    name = Content(command.name)
    for place in places:
        name = name.stylize(matcher.match_style, place, place + 1)
    return Hit(score, name, command.run, command.name, _plain(command.help))


def _plain(text: str) -> str:
    # Typed as a text, which would be read as markup; content passes through as it is.
    return cast("str", Content(text))
