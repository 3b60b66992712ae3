"""The keys that act on a sweep: each asks first, and then does what a shell would do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from textual import work

from trainer.display import plural
from trainer.runs.layout import RunFolder
from trainer.sweeps.trials import FAILED
from tui.screens.sourced import SourcedScreen
from tui.screens.sweep import deeds
from tui.sources.sweeps import SweepPicture, SweepSource

_DRIVEN = ("running", "stopping")


@dataclass(frozen=True)
class Deed:
    """Something to do to a sweep.

    Attributes:
        options: Options of `traindeck ablate`; the first names the sweep.
        said: What to say when it is done.
        question: What to ask before; nothing is asked if empty.
        lines: What the person should know to answer.
        yes: What a yes does.
    """

    options: tuple[str, ...]
    said: str
    question: str = ""
    lines: tuple[str, ...] = ()
    yes: str = ""


class SweepControl(SourcedScreen):
    """A screen from which a sweep can be stopped and gone on with."""

    source: SweepSource
    picture: SweepPicture
    _busy = False

    def look_anew(self) -> None:
        """Look at the sweep now; for the subclass."""

    def pointless(self) -> frozenset[str]:
        """Name the actions that make no sense now."""
        picture = self.picture
        found: set[str] = set()
        live = any(trial.live for trial in picture.trials)
        if picture.state == "stopping" or not (picture.state == "running" or live):
            found.add("stop")
        missing = sum(not trial.done and trial.state not in FAILED for trial in picture.trials)
        if picture.state in _DRIVEN or not missing:
            found.add("resume")
        failed = any(trial.state in FAILED for trial in picture.trials)
        if picture.state in _DRIVEN or not failed:
            found.add("retry")
        sweep = picture.sweep
        if sweep is None or len(sweep.axes) != 2 or sweep.mode != "product":
            found.add("matrix")
        return frozenset(found)

    def action_stop(self) -> None:
        """Stop the sweep."""
        if self._refused("stop", "nothing of it runs"):
            return
        live = sum(trial.live for trial in self.picture.trials)
        waiting = sum(trial.state == "waiting" for trial in self.picture.trials)
        lines = [
            f"{plural(live, 'trial')} under way: each writes a checkpoint and ends.",
            f"{plural(waiting, 'trial')} not begun: no more are started.",
            "R goes on with what is missing.",
        ]
        ask = "Stop the sweep?" if self.context.settings.confirm_stop else ""
        said = "asked to stop; its trials write a checkpoint and end"
        self._do(Deed(("--stop",), said, ask, tuple(lines), "stop"))

    def action_resume(self) -> None:
        """Go on with the sweep."""
        if self._refused("resume", "nothing of it is missing that has not failed; F retries those"):
            return
        missing = sum(not t.done and t.state not in FAILED for t in self.picture.trials)
        lines = [
            f"{plural(missing, 'trial')} missing: those that were stopped go on from their last "
            "checkpoint, the others begin.",
            "What has completed is kept.",
        ]
        question = "Go on with the sweep?"
        self._do(Deed(("--resume", "--detach"), "it goes on", question, tuple(lines), "resume"))

    def action_retry(self) -> None:
        """Go on with the sweep, and try again what failed."""
        if self._refused("retry", "none of its trials has failed"):
            return
        failed = [trial for trial in self.picture.trials if trial.state in FAILED]
        reasons = list(dict.fromkeys(trial.reason for trial in failed if trial.reason))
        lines = [
            f"{plural(len(failed), 'trial')} failed: each goes on from its last checkpoint, or "
            "begins again without one. What is missing besides is finished, too.",
            *(f"  {reason}" for reason in reasons[:4]),
        ]
        options = ("--resume", "--detach", "--retry-failed")
        self._do(Deed(options, "it goes on", "Try again what failed?", tuple(lines), "retry"))

    def action_write_board(self) -> None:
        """Write the leaderboard's files."""
        written = (
            f"written into {self.source.path / 'outputs'}: ablation_leaderboard.html and others"
        )
        self._do(Deed(("--leaderboard",), written))

    def action_open_folder(self) -> None:
        """Show the path of the folder."""
        from tui.screens.monitor.folder import FolderDialog

        self.app.push_screen(FolderDialog(RunFolder(self.source.path)))

    # ── how each of them goes ────────────────────────────────────────────────────────────────

    def _refused(self, action: str, why: str) -> bool:
        if self.picture.sweep is None:
            return True
        if action not in self.pointless():
            return False
        driven = {"running": "it runs already", "stopping": "it is being stopped"}
        reason = why if action == "stop" and self.picture.state == "running" else ""
        reason = reason or driven.get(self.picture.state, why)
        self.deck.say(f"cannot {action}: {reason}", "warning")
        return True

    def _do(self, deed: Deed) -> None:
        """Ask, and run `traindeck ablate` with an option that names the sweep."""
        if self._busy:
            self.deck.say("one thing at a time: the last one is still under way")
            return
        self._busy = True
        self._run_deed(deed)

    @work(group="deeds")
    async def _run_deed(self, deed: Deed) -> None:
        from tui.widgets.dialogs import Confirm

        deck, path = self.deck, self.source.path
        words = ["traindeck", "ablate", deed.options[0], str(path), *deed.options[1:]]
        words += ["--runs-dir", str(path.parent.parent)]
        question = Confirm(deed.question, deed.lines, deed.yes)
        try:
            if deed.question and not await self.app.push_screen_wait(question):
                return
            done = await asyncio.to_thread(deeds.run, words, self.context.cwd)
            if done.problem:
                deck.say(done.problem, "error")
            else:
                deck.say(deed.said)
            self.look_anew()
        finally:
            self._busy = False
