"""What can be done with runs from the list, beyond what `RunControl` does to one that lives."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from textual import work

from trainer.display import count, plural, size
from trainer.runs.summary import UNREADABLE, RunSummary
from tui.screens.monitor.control import RunControl
from tui.screens.runs.trash import Outcome, Trash, sizes
from tui.screens.sweepof import open_sweep_of, sweep_id
from tui.sources.runs import RunsSource

#: Curves of more runs over each other tell nothing.
MOST_COMPARED = 8
_LISTED = 8


class RunActions(RunControl):
    """Opens, compares, deletes, brings back and tags the runs that are meant."""

    source: RunsSource
    trash: Trash
    _busy = False

    @abstractmethod
    def under_cursor(self) -> RunSummary | None:
        """Give the run under the cursor; None in an empty list."""

    @abstractmethod
    def meant(self) -> list[RunSummary]:
        """Give the runs that are chosen, or else the one under the cursor."""

    @abstractmethod
    def chosen_runs(self) -> list[RunSummary]:
        """Give the runs that are chosen."""

    @abstractmethod
    def unchoose(self) -> None:
        """Choose none."""

    # ── open ─────────────────────────────────────────────────────────────────────────────────

    def action_open(self) -> None:
        """Open the run under the cursor."""
        run = self.under_cursor()
        if run is None:
            return
        if run.state == UNREADABLE:
            self.deck.say(f"{run.name} cannot be opened: {run.problem}", "warning")
            return
        from tui.sources.follow import Source

        self.deck.open_monitor(Source.of_run(run.folder))

    def action_sweep(self) -> None:
        """Open the sweep that the run under the cursor is a trial of; else the list of sweeps."""
        run = self.under_cursor()
        sweep = sweep_id(run.parent) if run is not None else ""
        if sweep:
            open_sweep_of(self, sweep, self.source.folders)
        else:
            self.deck.open_sweeps()

    # ── compare ──────────────────────────────────────────────────────────────────────────────

    def action_compare(self) -> None:
        """Show the chosen runs over each other."""
        runs = [run for run in self.chosen_runs() if run.state != UNREADABLE]
        if len(runs) < 2:
            self.deck.say("choose 2 to 8 runs with space first, then press c", "warning")
        elif len(runs) > MOST_COMPARED:
            self.deck.say(
                f"{len(runs)} runs are chosen; at most {MOST_COMPARED} can be compared", "warning"
            )
        else:
            self.deck.open_compare([run.folder.path for run in runs])

    # ── delete and undo ──────────────────────────────────────────────────────────────────────

    def action_delete(self) -> None:
        """Delete runs that are over."""
        self._start(self._delete)

    def action_undo(self) -> None:
        """Bring back what was deleted last."""
        self._start(self._undo)

    async def _delete(self) -> None:
        from tui.widgets.dialogs import Confirm

        runs = self.meant()
        over = [run for run in runs if not run.live]
        if not over:
            if runs:
                text = (
                    f"{runs[0].name} is not over yet; stop it first with s"
                    if len(runs) == 1
                    else f"none of these {len(runs)} runs is over; stop them first with s"
                )
                self.deck.say(text, "warning")
            return
        total, whole = await asyncio.to_thread(sizes, over)
        lines = [*_listed(over), f"{'' if whole else 'More than '}{size(total)} in all."]
        if len(over) < len(runs):
            lines.append(f"{plural(len(runs) - len(over), 'run')} not over yet: kept.")
        them = "it" if len(over) == 1 else "them"
        lines.append(
            f"u brings {them} back for a minute, or until you leave the list if that is sooner."
        )
        name = over[0].name if len(over) == 1 else plural(len(over), "run")
        if not await self.app.push_screen_wait(Confirm(f"Delete {name}?", lines, "delete")):
            return
        now = self.context.clock.monotonic()
        outcome = await asyncio.to_thread(self.trash.put, over, now)
        self.unchoose()
        self._tell(outcome, "deleted", "; u brings it back" if len(over) == 1 else "; u undoes")

    async def _undo(self) -> None:
        if not self.trash:
            self.deck.say("nothing to bring back", "warning")
            return
        outcome = await asyncio.to_thread(self.trash.undo)
        if not outcome.problems:
            # What was said of the deletion is true no longer.
            self.deck.clear_notifications()
        self._tell(outcome, "back again:", "")

    # ── tags ─────────────────────────────────────────────────────────────────────────────────

    def action_tag(self) -> None:
        """Edit tags."""
        self._start(self._tag)

    async def _tag(self) -> None:
        from tui.widgets.dialogs import Ask

        runs = [run for run in self.meant() if run.state != UNREADABLE]
        if not runs:
            return
        common = set(runs[0].tags).intersection(*(run.tags for run in runs))
        several = "Tags that all of them have; what you take out goes from all of them."
        title = f"Tags of {runs[0].name if len(runs) == 1 else plural(len(runs), 'run')}"
        answer = await self.app.push_screen_wait(
            Ask(
                title,
                ", ".join(sorted(common)),
                placeholder="ablation, baseline",
                lines=["Set apart by commas."]
                if len(runs) == 1
                else ["Set apart by commas.", several],
            )
        )
        if answer is None:
            return
        wanted = {tag.strip() for tag in answer.split(",") if tag.strip()}
        self._tell(await asyncio.to_thread(_retag, runs, common, wanted), "tagged", "")

    # ── how each of them goes ────────────────────────────────────────────────────────────────

    def _start(self, deed: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start one deed; while it asks and works, further ones are not begun."""
        if not self._busy:
            self._busy = True
            self._run_list_deed(deed)

    @work(group="deeds")
    async def _run_list_deed(self, deed: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await deed()
        finally:
            self._busy = False

    def _tell(self, outcome: Outcome, done: str, hint: str) -> None:
        """Say how it went, and look at the runs anew."""
        if outcome.problems:
            more = len(outcome.problems) - 3
            lines = [*outcome.problems[:3], *([f"and {more} more"] if more > 0 else [])]
            self.deck.say("\n".join(lines), "error")
        if outcome.names:
            names = outcome.names
            what = names[0] if len(names) == 1 else plural(len(names), "run")
            self.deck.say(f"{done} {what}{hint}")
        self.look_anew()

    def look_anew(self) -> None:
        """Look at the folders now: something was done there."""
        if self.context.live:
            self.source.wake()
        else:
            self.source.step()
            self.tick()


def _listed(runs: Sequence[RunSummary]) -> list[str]:
    """List runs below a question."""
    more = len(runs) - _LISTED
    lines = [f"  {run.name[:40]}  {run.id}  {run.state}" for run in runs[:_LISTED]]
    return [*lines, *([f"  and {count(more)} more"] if more > 0 else [])]


def _retag(runs: Sequence[RunSummary], common: set[str], wanted: set[str]) -> Outcome:
    """Give runs the tags that were added, and take those that were taken out."""
    from trainer.errors import RunError
    from trainer.runs.summary import set_tags

    names: list[str] = []
    problems: list[str] = []
    for run in runs:
        try:
            set_tags(run.folder, (set(run.tags) - (common - wanted)) | wanted)
            names.append(run.name)
        except RunError as error:
            problems.append(str(error))
    return Outcome(tuple(names), tuple(problems))
