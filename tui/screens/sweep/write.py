"""Write a sweep: what varies, how it combines, what it costs; then launch it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType

from trainer.sweeps.plan import MODES, Goal
from trainer.sweeps.told import MODES as MODE_WORDS
from trainer.sweeps.told import plan_lines
from tui.screens.launch.draft import Draft, tags_of
from tui.screens.launch.foot import LaunchBar
from tui.screens.launch.leaving import leave
from tui.screens.sweep import deeds
from tui.screens.sweep.design import Design, read_seeds, seeds_text
from tui.screens.sweep.options import OPTIONS, OptionRows
from tui.screens.sweep.panes import PLAN, WritePanes
from tui.sources.sweeplist import SweepEntry, SweepsSource
from tui.text import clean
from tui.widgets.dialogs import Ask, Pick
from tui.widgets.keybar import binding

if TYPE_CHECKING:
    from trainer.sweeps.folder import Sweep


class WriteSweepScreen(WritePanes):
    """Compose a sweep and launch it.

    Args:
        words: Overrides to begin with, as on the command line.
        design: What to begin with, in their place.
    """

    KEYS_TITLE: ClassVar[str] = "Write a sweep"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding("L,ctrl+l", "launch", "launch", tip="Start the sweep and watch it"),
        binding("d", "dry_run", "dry run", tip="List every trial with what it overrides"),
        binding("c", "copy", "copy command", tip="Copy the command to the clipboard"),
        binding("m", "mode", "mode", tip="All combinations, one at a time, or paired"),
        binding("s", "seeds", "seeds", tip="Repeat every trial with some seeds"),
        binding("p", "parallel", "parallel", tip="How many trials train at the same time"),
        binding("M", "metric", "metric", show=False, tip="What trials are compared by"),
        binding("O", "goal", "goal", show=False, tip="Whether less or more of it is better"),
        binding(
            "C,ctrl+g",
            "clamp",
            "clamp",
            tip="Lower trials to their hardware's limits, or refuse them",
        ),
        binding("u", "undo", "undo", tip="Take back the last change"),
        binding("n", "name", "name", show=False, tip="Name the sweep"),
        binding("t", "tags", "tags", show=False, tip="Words to find its runs by"),
        binding("b", "begin_like", "like a sweep", tip="Begin with what an earlier sweep varied"),
        binding("q", "back", "back", show=False, tip="Back; asks if something would be lost"),
    ]

    #: A launch waits for what was just typed.
    _launch_when_planned = False

    def __init__(self, words: Sequence[str] = (), design: Design | None = None) -> None:
        super().__init__(design or Design(Draft(tuple(word for word in words if word.strip()))))

    # ── options ──────────────────────────────────────────────────────────────────────────────

    @on(OptionRows.Chosen, "OptionRows")
    async def _choose_option(self, event: OptionRows.Chosen) -> None:
        await self.run_action(OPTIONS[event.index])

    def action_mode(self) -> None:
        """Choose how what varies is combined."""
        what = (
            "every value with every other",
            "the baseline once, and each value alone against it",
            "first values, second values, and so on; as many each",
        )
        rows = [(MODE_WORDS[mode], text) for mode, text in zip(MODES, what, strict=True)]

        def picked(at: int | None) -> None:
            if at is not None:
                self.change(replace(self.design, mode=MODES[at]))

        self.app.push_screen(
            Pick("how is it combined?", rows, MODES.index(self.design.mode)), picked
        )

    def action_seeds(self) -> None:
        """Give the seeds."""

        def given(text: str | None) -> None:
            if text is not None:
                self.change(replace(self.design, seeds=read_seeds(text)[0]))

        lines = ["Every trial is repeated with each. Empty: the config's own, once."]
        ask = Ask(
            "seeds",
            seeds_text(self.design.seeds),
            placeholder="0,1,2",
            lines=lines,
            check=lambda text: read_seeds(text)[1],
        )
        self.app.push_screen(ask, given)

    def action_parallel(self) -> None:
        """Say how many trials train at the same time."""

        def wrong(text: str) -> str:
            fine = not text.strip() or (text.strip().isdecimal() and 0 < int(text) <= 1000)
            return "" if fine else "a whole number from 1 on"

        def given(text: str | None) -> None:
            if text is not None:
                self.change(replace(self.design, parallel=int(text) if text.strip() else None))

        lines = ["They share the cores alike. Empty: as the config says (ablation.parallel_runs)."]
        value = "" if self.design.parallel is None else str(self.design.parallel)
        self.app.push_screen(Ask("trials at the same time", value, lines=lines, check=wrong), given)

    def action_metric(self) -> None:
        """Say what trials are compared by."""

        def given(text: str | None) -> None:
            if text is not None:
                self.change(replace(self.design, metric=clean(text).strip()))

        lines = ["Empty: as the config says (trainer.monitor)."]
        ask = Ask("metric", self.design.metric, placeholder="val/loss", lines=lines)
        self.app.push_screen(ask, given)

    def action_goal(self) -> None:
        """Say whether less or more of the metric is better."""
        goals: tuple[Goal | None, ...] = ("min", "max", None)
        rows = [
            ("min", "less is better"),
            ("max", "more is better"),
            ("(as the config says)", "trainer.monitor_mode"),
        ]

        def picked(at: int | None) -> None:
            if at is not None:
                self.change(replace(self.design, goal=goals[at]))

        self.app.push_screen(Pick("which is better?", rows, goals.index(self.design.goal)), picked)

    def applies(self, action: str) -> bool:
        """Name the key that clamps while trials are beyond their limits, or are clamped."""
        return action != "clamp" or self.design.clamp or self.planned.beyond

    def action_clamp(self) -> None:
        """Lower each trial to what its hardware allows, or have it refused again."""
        self.change(replace(self.design, clamp=not self.design.clamp))

    def action_name(self) -> None:
        """Name the sweep."""

        def named(name: str | None) -> None:
            if name is not None:
                draft = replace(self.design.draft, name=clean(name).strip())
                self.change(replace(self.design, draft=draft))

        lines = ["The names of its runs begin so. Empty: as the preset is called."]
        self.app.push_screen(Ask("name", self.design.draft.name, lines=lines), named)

    def action_tags(self) -> None:
        """Tag its runs."""

        def tagged(text: str | None) -> None:
            if text is not None:
                draft = replace(self.design.draft, tags=tags_of(clean(text)))
                self.change(replace(self.design, draft=draft))

        lines = ["Words to find its runs by, apart by blanks."]
        self.app.push_screen(Ask("tags", " ".join(self.design.draft.tags), lines=lines), tagged)

    def action_undo(self) -> None:
        """Take back the last change."""
        if not self.writing.undo():
            self.deck.say("nothing to take back")

    def action_begin_like(self) -> None:
        """Begin with what an earlier sweep was launched with."""
        self.run_worker(self._list_sweeps, thread=True, group="sweeps", exclusive=True)

    def _list_sweeps(self) -> None:
        source = SweepsSource(self.context.runs_dirs)
        source.step()
        found = [entry for entry in source.picture.entries if not entry.problem]
        if self.is_attached and self.app.is_running:
            self.app.call_from_thread(self._pick_sweep, found)

    def _pick_sweep(self, found: Sequence[SweepEntry]) -> None:
        if not found:
            self.deck.say("there are no sweeps yet")
            return

        def picked(at: int | None) -> None:
            if at is not None:
                self._begin_with(found[at].path)

        choices = [(clean(f"{entry.name}  {entry.id}"), entry.varies) for entry in found]
        self.app.push_screen(Pick("begin like which sweep?", choices), picked)

    def _begin_with(self, path: Path) -> None:
        from trainer.errors import RunError
        from trainer.sweeps.folder import Sweep

        try:
            self.change(like(Sweep.load(path)))
        except RunError as error:
            self.deck.say(str(error), "error")

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def action_dry_run(self) -> None:
        """Show what `traindeck ablate --dry-run` prints."""
        from tui.screens.launch.preview import PreviewScreen

        plan = self.planned.plan
        if plan is None or not self.planned.ready:
            self.deck.say(f"no dry run: {self.why_not() or 'checking the trials'}", "error")
            return
        notes = [f"note: {clean(text)}" for text in self.planned.notes]
        lines = [*map(clean, plan_lines(plan)), *notes, "", "# command", clean(self.command)]
        self.app.push_screen(PreviewScreen(lines, self.command))

    def action_copy(self) -> None:
        """Copy the command."""
        self.copy(self.command)

    def action_back(self) -> None:
        """Leave; what was put together is asked about first."""
        leave(self)

    def unsaved(self) -> list[str]:
        """Name what was put together and not launched."""
        if not self.writing.has_changes:
            return []
        words = [*self.design.draft.words, self.writing.typed_text]
        return [clean(" ".join(words)).strip() or "what you chose"]

    # ── launching ────────────────────────────────────────────────────────────────────────────

    @on(LaunchBar.Pressed)
    def action_launch(self) -> None:
        """Start the sweep and watch it."""
        if self.launching:
            return
        if not self.is_planned:
            # What was just typed counts: it is planned and checked first.
            self._launch_when_planned = True
            return
        if why := self.why_not():
            self.deck.say(f"cannot launch: {why}", "error")
            self.action_part(PLAN)
            return
        self.launching = True
        self.tell_state()
        words = [*self.planned.command, "--json"]
        cwd = self.context.cwd
        self.run_worker(lambda: self._start(words, cwd), thread=True, group="launch")

    def planned_now(self) -> None:
        """Go on with a launch that waited for the plan."""
        if self._launch_when_planned and self.is_planned:
            self._launch_when_planned = False
            self.action_launch()

    def _start(self, words: Sequence[str], cwd: Path) -> None:
        done = deeds.run(words, cwd)
        if self.app.is_running:
            self.app.call_from_thread(self._started, done)

    def _started(self, done: deeds.Done) -> None:
        self.launching = False
        if done.path is None:
            self.tell_state()
            self.deck.say(f"not launched: {done.problem or done.said}", "error")
            return
        deck = self.deck
        # The sweep's screen takes this one's place: what was to be decided here has been.
        if deck.screen is self and len(deck.screen_stack) > 1:
            deck.pop_screen()
        deck.open_sweep(done.path)


def like(sweep: Sweep) -> Design:
    """Give the design of an earlier sweep, as its command says it.

    Args:
        sweep: The sweep.
    """
    from trainer.secrets import MASK

    words = list(sweep.command[3:])
    options = next((at for at, word in enumerate(words) if word.startswith("--")), len(words))
    # A secret that was masked is not the value.
    kept = tuple(word for word in words[:options] if MASK not in word)
    return Design(
        Draft(kept, tags=sweep.tags),
        mode=sweep.mode,
        # Those that were typed as an override come back as one.
        seeds=sweep.seeds if "--seeds" in words else (),
        parallel=sweep.parallel if sweep.parallel > 1 else None,
        metric=sweep.metric if "--metric" in words else "",
        goal=sweep.goal if "--goal" in words else None,
        clamp=sweep.clamp,
    )
