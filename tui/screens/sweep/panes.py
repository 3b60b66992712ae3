"""The parts of the screen on which a sweep is written: planned in a thread, the latest wins."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.widget import Widget

from trainer.display import duration, plural
from trainer.sweeps.told import made_of
from tui.screens.base import DeckScreen, TitleBar
from tui.screens.latest import Latest
from tui.screens.launch.composer import told
from tui.screens.launch.draft import Draft, words_on
from tui.screens.launch.foot import CommandPanel, LaunchBar, PaneBar
from tui.screens.launch.line import OverrideLine
from tui.screens.launch.writing import Writing, WritingPart
from tui.screens.sweep.axes import SweepWords, suggest
from tui.screens.sweep.design import Design
from tui.screens.sweep.options import OptionRows
from tui.screens.sweep.planner import Planned, plan_out
from tui.screens.sweep.planrows import PlanRows
from tui.sources.sweepcost import Costs, said
from tui.text import clean
from tui.widgets.keybar import KeyBar, binding

_DEBOUNCE = 0.2
_WIDE, _TALL = 110, 30
LINE, WORDS, OPTIONS, PLAN, LAUNCH = range(5)


class WritePanes(DeckScreen):
    """Holds a design and shows what comes of it; what is done with it is the subclass's.

    Args:
        design: What to begin with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("tab", "next_part(1)", "next part", tip="To the next part of the screen"),
        binding("shift+tab", "next_part(-1)", "part before", show=False, tip="To the part before"),
        binding("1,o", "part(0)", "line", show=False, tip="The line to type overrides on"),
        binding("2", "part(1)", "overrides", show=False, tip="The overrides, what varies first"),
        binding("3", "part(2)", "options", show=False, tip="Mode, seeds, metric and the like"),
        binding("4", "part(3)", "trials", show=False, tip="What would be launched"),
    ]
    DEFAULT_CSS = """
    WritePanes .body { height: 1fr; }
    WritePanes .left { width: 1fr; height: 1fr; }
    WritePanes .right { width: 1fr; height: 1fr; }
    WritePanes SweepWords { height: 1fr; min-height: 3; }
    """

    def __init__(self, design: Design | None = None) -> None:
        super().__init__()
        design = design or Design()
        self.planned = Planned(design)
        self.latest = Latest(self, self._job, "plan", _DEBOUNCE)
        self.writing: Writing[Design] = Writing(self, self, design, lambda: self.latest.settled)
        self._front = LINE
        #: Whether the sweep is being started.
        self.launching = False

    # ── layout ───────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Lay it out."""
        glyphs = self.context.glyphs
        self._costs = Costs(self.context.runs_dirs)
        yield TitleBar("write a sweep")
        yield PaneBar()
        with Horizontal(classes="body"):
            with Vertical(classes="left"):
                yield WritingPart(
                    self.writing,
                    SweepWords(glyphs.ellipsis),
                    glyphs.ellipsis,
                    "key=a,b  key=range(1,4)  group=glob(*)  or what is fixed",
                )
                yield OptionRows(glyphs.ellipsis)
            with Vertical(classes="right"):
                yield PlanRows(glyphs)
        yield CommandPanel()
        yield LaunchBar(glyphs.ellipsis)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin on the line, and plan at once."""
        self.query_one(OptionRows).show(self.design, self.planned)
        self.query_one(OverrideLine).input.focus()
        self._show_front()
        self.tell_state()
        self.plan_soon(at_once=True)

    def on_resize(self, event: events.Resize) -> None:
        """Show side by side what there is room for."""
        self._arrange(event.size)

    def on_screen_resume(self) -> None:
        """Profiles may have changed while another screen was in front."""
        if self.latest.shown:
            self.plan_soon(at_once=True)

    def targets(self) -> tuple[Widget, ...]:
        """Give what takes the focus in each part."""
        return (
            self.query_one(OverrideLine).input,
            self.query_one(SweepWords),
            self.query_one(OptionRows),
            self.query_one(PlanRows),
            self.query_one(LaunchBar),
        )

    def action_part(self, index: int) -> None:
        """Bring a part to the front."""
        self._front = index
        self._show_front()
        self.targets()[index].focus()

    def action_next_part(self, by: int) -> None:
        """Go to the next part."""
        self.action_part((self._front + by) % (LAUNCH + 1))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The part that has the focus is in front."""
        for part, widget in enumerate(self.targets()):
            if widget is event.widget:
                self._front = part
        self._show_front()

    def _show_front(self) -> None:
        self._arrange(self.app.size)
        self._tell_parts()

    def _arrange(self, size: Size) -> None:
        """Show the part in front, and beside and below it what there is room for."""
        wide, tall = size.width >= _WIDE, size.height >= _TALL
        at_plan = self._front == PLAN
        left, right = self.query_one(".left"), self.query_one(".right")
        left.display, right.display = wide or not at_plan, wide or at_plan
        left.styles.padding = (0, 1, 0, 0) if wide else 0
        # Where there is no room for all, the suggestions of the line need what the options take.
        options = self.query_one(OptionRows)
        options.display = tall or self._front != LINE or not self.writing.line

    @on(PaneBar.Wanted)
    def _wanted(self, event: PaneBar.Wanted) -> None:
        self.action_part(event.index)

    # ── planning ─────────────────────────────────────────────────────────────────────────────

    @property
    def design(self) -> Design:
        """What is put together by now."""
        return self.writing.made

    def change(self, design: Design) -> None:
        """Take another design; the one before can be had back."""
        self.writing.change(design)

    def plan_soon(self, at_once: bool = False) -> None:
        """Plan in a thread; while somebody types, once they pause."""
        self._show_words()
        self.query_one(OptionRows).show(self.design, self.planned)
        self.latest.soon(at_once)

    def _job(self, number: int) -> Callable[[], None]:
        asked = Planned(self.design, self.writing.line, self.writing.in_hand)
        return partial(self._work, number, asked)

    def _work(self, number: int, asked: Planned) -> None:
        def tell(planned: Planned) -> bool:
            # What has been overtaken is neither shown nor gone on with.
            if wanted := self.latest.wanted(number):
                self.app.call_from_thread(self._take, number, planned)
            return wanted

        plan_out(asked, self.context, self._costs, tell)

    def _take(self, number: int, planned: Planned) -> None:
        if not self.latest.take(number):
            return
        could_clamp, self.planned = self.planned.beyond, planned
        if could_clamp != planned.beyond:
            self.refresh_bindings()
        self._show_words()
        self.query_one(OptionRows).show(self.design, planned)
        self.query_one(PlanRows).show(planned)
        self.query_one(CommandPanel).show(planned.command)
        self.query_one(OverrideLine).refresh_suggestions()
        self.writing.tell_line()
        self._tell_parts()
        self.tell_state()
        self.planned_now()

    def planned_now(self) -> None:
        """What is shown is what was asked for; for the subclass."""

    @property
    def is_planned(self) -> bool:
        """Whether what is shown is what was last asked for, and all of it has been looked at."""
        planned = self.planned
        return self.latest.settled and (bool(planned.blocked) or planned.ready)

    @property
    def command(self) -> str:
        """The command, quoted for the shell."""
        return shlex.join(self.planned.command)

    # ── the line ─────────────────────────────────────────────────────────────────────────────

    def draft_of(self, made: Design) -> Draft:
        """Give the overrides of a design."""
        return made.draft

    def with_draft(self, made: Design, draft: Draft) -> Design:
        """Give the design with other overrides."""
        return replace(made, draft=draft)

    def found(self) -> Planned:
        """Give what was planned last."""
        return self.planned

    def suggest(self, text: str) -> Sequence[Any]:
        """Give what may be meant by a text, best first."""
        planned = self.planned
        if not text.strip():
            # Everything could be meant, and what is there already is more worth seeing.
            return ()
        return suggest(text, planned.groups, planned.keys, planned.config)

    def words_on(self, line: str) -> list[str]:
        """Read the overrides on a line; a whole command may be pasted."""
        return [word for word in words_on(line) if word not in ("traindeck", "ablate", "-m")]

    def not_understood(self, words: Sequence[str], wrong: str) -> str:
        """Say why one of the words cannot be meant so."""
        return _unknown(wrong)

    def brought_about(self) -> str:
        """Nothing: the trials tell what is wrong with them."""
        return ""

    def look_again(self, at_once: bool) -> None:
        """Plan anew."""
        self._arrange(self.app.size)
        self.plan_soon(at_once)

    # ── what is said ─────────────────────────────────────────────────────────────────────────

    def _show_words(self) -> None:
        self.query_one(SweepWords).show_words(self.design.draft.words, self.planned)

    def _tell_parts(self) -> None:
        planned = self.planned
        count = len(self.design.draft.words)
        trials = plural(len(planned.problems), "problem") if planned.problems else ""
        trials = trials or plural(planned.trials, "trial")
        names = ("line", f"overrides ({count})", "options", f"trials ({trials})")
        self.query_one(PaneBar).show(names, self._front)

    def tell_state(self) -> None:
        """Say at the top and on the button how things stand."""
        planned, bar = self.planned, self.query_one(LaunchBar)
        plan, separator = planned.plan, f" {self.context.glyphs.separator} "
        facts = "planning" if not self.latest.shown else "no trials"
        if plan is not None:
            cost = planned.cost
            time = f"about {duration(cost.total(planned.trials, plan.parallel))}" if cost else ""
            facts = separator.join(
                filter(
                    None, [made_of(plan), f"by {plan.metric} ({plan.goal})", time or "time unknown"]
                )
            )
        self.query_one(TitleBar).show(clean(facts))
        if self.launching:
            bar.show("launching", "the sweep's folder is made and its driver started", True)
        elif not self.latest.shown:
            bar.show("L launch", "planning", True)
        elif why := self.why_not():
            bar.show("cannot launch", why, False)
        elif plan is None or not planned.ready:
            bar.show("L launch", f"checking {plural(planned.trials, 'trial')}", True)
        else:
            text = said(planned.cost, planned.trials, plan.parallel)
            bar.show("L launch", f"{plural(planned.trials, 'trial')}, {text}", True)

    def why_not(self) -> str:
        """Say why nothing can be launched now; empty if it can."""
        blocked = self.planned.blocked
        if blocked:
            more = f"  (and {len(blocked) - 1} more)" if len(blocked) > 1 else ""
            return told(blocked[0]) + more
        unfinished = self.writing.unfinished
        if self.latest.settled and unfinished:
            return f"the line holds unfinished text (ctrl+u empties it): {clean(unfinished)}"
        return ""


def _unknown(word: str) -> str:
    name, equals, _ = clean(word).partition("=")
    if equals:
        return f"'{name}' wants a value, or several with commas between them"
    if word.startswith("-"):
        return f"'{name}' is an option of the command; part 3 sets mode, seeds and the like"
    return f"'{name}' is no preset: write key=value, or key=a,b for several values"
