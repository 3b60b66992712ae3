"""Status and identity of a run folder, read again only when there may be news."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.events.lines import tidy
from trainer.runs.layout import RunFolder
from trainer.runs.status import State, Status, read_status
from tui.sources.picture import GONE

Stamp = tuple[int, int, int] | None


class Facts:
    """Status and identity of a run folder, read again when there may be news.

    Attributes:
        status: The last status read.
        identity: The last `run.json` read; every text in it is harmless.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self.status: Status | None = None
        self.identity: Mapping[str, Any] = {}
        self._stamps: tuple[Stamp, Stamp] | None = None
        self._identity_stamp: Stamp = (-1, -1, -1)

    def look(self) -> bool:
        """Look again; say whether anything changed."""
        changed = False
        stamps = stamp_of(self._run.status), stamp_of(self._run.trainer_status)
        # What has ended changes only if somebody writes; what lives may die without a word.
        if self.status is None or not self.status.terminal or stamps != self._stamps:
            self._stamps = stamps
            status = read_status(self._run)
            if status.state is State.LOST and not self._run.path.is_dir():
                # What the run was called stays known.
                status = replace(self.status or status, state=State.LOST, reason=GONE, alive=False)
                self._identity_stamp = None
            if status != self.status:
                self.status = status
                changed = True
        stamp = stamp_of(self._run.run_json)
        if stamp != self._identity_stamp:
            self._identity_stamp = stamp
            identity = tidy(self._run.identity())
            if identity != self.identity:
                self.identity = identity
                changed = True
        return changed


def stamp_of(path: Path) -> Stamp:
    """Give what changes when a file does: node, size and time; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the cost of Path.stat, and asked every second
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
