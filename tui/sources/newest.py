"""The newest runs of all folders, for lists to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.runs.summary import RunSummary


def newest_runs(folders: Sequence[Path], most: int) -> list[RunSummary]:
    """List runs, newest first; reads the index, so for a thread.

    Args:
        folders: The folders of runs; one that cannot be read is left out, and the list of runs says
            what is wrong with it.
        most: How many at most.
    """
    from trainer.errors import RunError
    from trainer.runs.index import RunIndex

    found: list[RunSummary] = []
    for folder in folders:
        with suppress(OSError, RunError):
            found += RunIndex(folder).list()
    return sorted(found, key=lambda run: -run.created)[:most]
