"""The keys that act on runs, for every screen that shows some.

A screen takes `RunControl` as its base (it is a `DeckScreen`), says in `controlled` which runs are
meant, and binds the keys to the actions. Nothing here changes a state: the run does, and whoever
reads its folder sees it.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work

from trainer.runs.layout import RunFolder
from trainer.runs.status import TERMINAL, State, known_state
from tui.screens.base import DeckScreen

if TYPE_CHECKING:
    # What the keys do is loaded when one is pressed: the screens come up sooner without it.
    from tui.screens.monitor.deeds import Seen, Told
    from tui.screens.monitor.smaller import Smaller


#: What is done to a run that lives, and what it can be asked for.
_STEERING = frozenset({"stop_step", "stop_epoch", "kill", "checkpoint", "validate"})
_ASKING = frozenset({"checkpoint", "validate"})


def pointless(state: str) -> frozenset[str]:
    """Give the actions that make no sense for a run in a state; for all of them if it is empty.

    The foot leaves them out. To kill is named there only for a run that was told to stop.
    """
    if not state:
        return _STEERING | {"resume", "delete"}
    if known_state(state) in TERMINAL:
        return _STEERING | ({"resume"} if state == State.COMPLETED else set())
    if state == State.STOPPING:
        return _STEERING - {"kill"} | {"resume", "delete"}
    asking = _ASKING if state in (State.QUEUED, State.STARTING) else frozenset()
    return frozenset({"kill", "resume", "delete"}) | asking


class RunControl(DeckScreen):
    """A screen from which runs can be stopped, asked, killed and resumed."""

    #: Said where there is no run to act on.
    NOTHING: ClassVar[str] = (
        "there is no run folder behind these events: they can be watched, not steered"
    )
    _asking = False

    def controlled(self) -> list[RunFolder]:
        """Give the runs that are meant: those chosen, or the one in front."""
        return []

    def action_stop_step(self) -> None:
        """Stop after the step under way, with a checkpoint."""
        self._begin(self._stop("step"))

    def action_stop_epoch(self) -> None:
        """Stop after the epoch under way, with a checkpoint."""
        self._begin(self._stop("epoch"))

    def action_checkpoint(self) -> None:
        """Ask for a checkpoint now."""
        self._begin(self._ask("checkpoint"))

    def action_validate(self) -> None:
        """Ask for a validation now."""
        self._begin(self._ask("validate"))

    def action_kill(self) -> None:
        """End at once, without a checkpoint."""
        self._begin(self._kill())

    def action_resume(self) -> None:
        """Go on with a run that is over."""
        self._begin(self._resume())

    def action_open_folder(self) -> None:
        """Show the path of the folder."""
        from tui.screens.monitor.folder import FolderDialog

        runs = self.controlled()
        if runs:
            self.app.push_screen(FolderDialog(runs[0]))
        else:
            self.deck.say(self.NOTHING, "warning")

    # ── how each of them goes ────────────────────────────────────────────────────────────────

    def _begin(self, deed: Coroutine[Any, Any, None]) -> None:
        """Start one deed; while it looks and asks, further keys do nothing."""
        if self._asking or not self.controlled():
            deed.close()
            if not self._asking:
                self.deck.say(self.NOTHING, "warning")
            return
        self._asking = True
        self._run_deed(deed)

    @work(group="control", exit_on_error=True)
    async def _run_deed(self, deed: Coroutine[Any, Any, None]) -> None:
        try:
            await deed
        finally:
            self._asking = False

    async def _fit(self, refuse: Callable[[Seen], str]) -> list[Seen]:
        """Look at the runs; tell of those with which it cannot be done, and give the others."""
        from tui.screens.monitor import deeds

        def look() -> list[tuple[Seen, str]]:
            return [(seen := deeds.look(run), deeds.gone(run) or refuse(seen)) for run in runs]

        runs = self.controlled()
        looked = await asyncio.to_thread(look)
        refused = [why for _, why in looked if why]
        if refused:
            self.deck.say(deeds.Told(refused).text, "warning")
        return [seen for seen, why in looked if not why]

    async def _stop(self, after: str) -> None:
        from tui.screens.monitor import deeds
        from tui.widgets.dialogs import Confirm

        fit = await self._fit(lambda seen: deeds.no_stop(seen, after))
        if not fit:
            return
        lines = [
            *deeds.listed(fit),
            f"It ends after the {after} under way and saves a checkpoint first; R resumes it.",
        ]
        question = Confirm(f"Stop {deeds.names(fit)} after this {after}?", lines, "stop")
        if self.context.settings.confirm_stop and not await self.app.push_screen_wait(question):
            return
        self._act(lambda: deeds.stop(fit, after))

    async def _ask(self, kind: str) -> None:
        from tui.screens.monitor import deeds

        fit = await self._fit(deeds.no_answer)
        if fit:
            self._act(lambda: deeds.ask(fit, kind))

    async def _kill(self) -> None:
        from tui.screens.monitor import deeds
        from tui.widgets.dialogs import TypeToConfirm

        fit = await self._fit(lambda seen: deeds.over(seen) if seen.status.terminal else "")
        if not fit:
            return
        if len(fit) == 1:
            word, lost = fit[0].id, [await asyncio.to_thread(deeds.loses, fit[0])]
        else:
            word, lost = f"kill {len(fit)}", ["What they did since their checkpoints is lost."]
        lines = [*deeds.listed(fit), *lost, "To keep it, stop instead (s), which saves first."]
        question = TypeToConfirm(f"Kill {deeds.names(fit)} at once?", word, lines)
        if await self.app.push_screen_wait(question) is not None:
            self.deck.say(f"ending {deeds.names(fit)}; this may take some seconds")
            self._act(lambda: deeds.kill(fit))

    async def _resume(self) -> None:
        from tui.screens.monitor import deeds, smaller
        from tui.widgets.dialogs import Confirm

        runs = self.controlled()
        found = await asyncio.to_thread(smaller.look, runs[0]) if len(runs) == 1 else None
        if found is not None and not await self._resume_smaller(found):
            return
        fit = await self._fit(deeds.no_resume)
        if not fit:
            return
        if found is not None:
            self._act(lambda: deeds.resume(fit))
            return
        lines = deeds.listed(fit)
        if len(fit) == 1:
            lines = [await asyncio.to_thread(deeds.goes_on_from, fit[0])]
        question = Confirm(
            f"Resume {deeds.names(fit)}?", [each for each in lines if each], "resume"
        )
        if await self.app.push_screen_wait(question):
            self.deck.say(f"starting {deeds.names(fit)}")
            self._act(lambda: deeds.resume(fit))

    async def _resume_smaller(self, found: Smaller) -> bool:
        """Go on with less memory; true if the person wants it to go on as it was."""
        from tui.screens.monitor import smaller
        from tui.sources.follow import Source
        from tui.widgets.dialogs import Ask

        deck = self.deck
        if not found.checkpoint:
            deck.open_launch(found.words)
            deck.say(f"{found.name} has no checkpoint: here it begins anew, with less memory")
            return False
        ask = Ask(
            f"Resume {found.name} with less memory?",
            shlex.join(found.settings),
            placeholder="as it was",
            lines=found.lines,
        )
        text = await self.app.push_screen_wait(ask)
        if text is None or not text.strip():
            return text is not None
        deck.say(f"starting {found.name} with less memory")
        path, said = await asyncio.to_thread(smaller.resume, found, text, self.context)
        if path is None:
            deck.say(f"not resumed: {said}", "error")
        else:
            deck.open_monitor(Source.of_run(RunFolder(path)))
        return False

    def _act(self, deed: Callable[[], Told]) -> None:
        """Do it in a thread that outlives this screen, and tell how it went."""
        deck = self.deck

        async def act() -> None:
            told = await asyncio.to_thread(deed)
            if told.problems:
                deck.say(told.text, "error")
            elif told.done:
                deck.say(told.text)
            if deck.screen is self:
                self.tick()

        deck.run_worker(act(), group="deeds")
