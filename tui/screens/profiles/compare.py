"""What a profile can be compared with: the defaults, another profile, a run."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from tui.screens.profiles.files import ProfileFiles
from tui.sources.newest import newest_runs
from tui.sources.profiles import scan
from tui.text import clean
from tui.widgets.dialogs import Pick

_RUNS = 50


class DiffWith(ProfileFiles):
    """The part of the screen that chooses what to compare with."""

    #: Nothing else is what one compares with most.
    DEFAULTS: ClassVar[str] = "the defaults"

    def action_diff_with(self) -> None:
        """Compare with something else."""
        if self.in_hand() is not None:
            self.run_worker(self._diff_with(), group="files")

    async def _diff_with(self) -> None:
        editing = self.in_hand()
        if editing is None:
            return
        choices = await asyncio.to_thread(self._choices, editing.entry.group)
        names = [(name, what) for name, what, _ in choices]
        at = await self.app.push_screen_wait(Pick("Compare with", names))
        if at is not None:
            self.against = choices[at][2]
            self.look_again()

    def _choices(self, own: str) -> list[tuple[str, str, tuple[str, ...]]]:
        """Give what there is to compare with: the profiles of the group first; reads files."""
        found: list[tuple[str, str, tuple[str, ...]]] = [
            (self.DEFAULTS, "every group's default option", ())
        ]
        groups = sorted(scan(self.context).groups, key=lambda g: (g[0] != own, g[0] != "preset"))
        for _group, entries in groups:
            found += [(e.full, e.doc, (e.full,)) for e in entries if not e.problem]
        found += [
            (clean(run.name), f"run {clean(run.state)}  {clean(run.id)}", (str(run.path),))
            for run in newest_runs(self.context.runs_dirs, _RUNS)
        ]
        return found
