"""The screen of compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tui.screens.base import DeckScreen


class CompareScreen(DeckScreen):
    """Runs over each other."""

    def __init__(self, runs: Sequence[Path]) -> None:
        super().__init__()
