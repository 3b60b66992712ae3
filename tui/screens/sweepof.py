"""From a run to the sweep that it is a trial of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tui.screens.base import DeckScreen


def sweep_id(parent: object) -> str:
    """Give the id of the sweep that a run names as its parent; empty if it names none."""
    found = parent.get("sweep") if isinstance(parent, Mapping) else None
    return found if isinstance(found, str) else ""


def sweep_of(parent: object) -> str:
    """Say which trial of which sweep a run is, by the parent that it names; empty if it is none."""
    sweep = sweep_id(parent)
    trial = parent.get("trial") if isinstance(parent, Mapping) else None
    return f"{sweep} trial {trial}" if sweep and isinstance(trial, str) and trial else sweep


def open_sweep_of(screen: DeckScreen, sweep: str, folders: Iterable[Path]) -> None:
    """Show a sweep, found by its id in a thread; the list of sweeps if its folder is gone.

    Args:
        screen: The screen in front.
        sweep: The sweep's id.
        folders: The folders of runs to look in.
    """
    from tui.sources.sweeplist import find_sweep

    def show(path: Path | None) -> None:
        if path is None:
            screen.deck.say(f"the folder of its sweep {sweep} is gone", "warning")
            screen.deck.open_sweeps()
        else:
            screen.deck.open_sweep(path)

    def find() -> None:
        path = find_sweep(folders, sweep)
        if screen.app.is_running:
            screen.app.call_from_thread(show, path)

    screen.run_worker(find, thread=True, group="sweep of", exclusive=True)
