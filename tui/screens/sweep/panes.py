"""The parts of the screen on which a sweep is written: planned in a thread, the latest wins."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.timer import Timer
from textual.widget import Widget

from trainer.display import duration, plural
from trainer.sweeps.told import made_of
from tui.screens.base import DeckScreen, TitleBar
from tui.screens.launch.composer import told
from tui.screens.launch.draft import is_whole, on_line, words_on
from tui.screens.launch.foot import CommandPanel, LaunchBar, PaneBar
from tui.screens.launch.line import OverrideLine, OverrideRows
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
        self.design = design or Design()
        self.planned = Planned(self.design)
        self._opened_with = self.design
        self._past: list[tuple[Design, str, str]] = []
        self._line = self._in_hand = ""
        self._front = LINE
        self._asked = self._shown = 0
        self._timer: Timer | None = None
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
                yield OverrideLine(
                    self._suggest,
                    self._entered,
                    glyphs.ellipsis,
                    "key=a,b  key=range(1,4)  group=glob(*)  or what is fixed",
                )
                yield SweepWords(glyphs.ellipsis)
                yield OptionRows(glyphs.ellipsis)
            with Vertical(classes="right"):
                yield PlanRows(glyphs)
        yield CommandPanel()
        yield LaunchBar(glyphs.ellipsis)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin on the line, and plan at once."""
        super().on_mount()
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
        super().on_screen_resume()
        if self._shown:
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
        options.display = tall or self._front != LINE or not self._line

    @on(PaneBar.Wanted)
    def _wanted(self, event: PaneBar.Wanted) -> None:
        self.action_part(event.index)

    # ── planning ─────────────────────────────────────────────────────────────────────────────

    def change(self, design: Design) -> None:
        """Take another design; the one before can be had back."""
        if design != self.design:
            self._past.append((self.design, "", ""))
            self.design = design
            self.plan_soon(at_once=True)

    def undo(self) -> bool:
        """Take the design before; false if there is none."""
        if not self._past:
            return False
        self.design, text, edited = self._past.pop()
        if text:
            self._edit(text, edited)
        self.plan_soon(at_once=True)
        return True

    def plan_soon(self, at_once: bool = False) -> None:
        """Plan in a thread; while somebody types, once they pause."""
        self._asked += 1
        self._show_words()
        self.query_one(OptionRows).show(self.design, self.planned)
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if at_once or not self.context.live:
            self._plan_now()
        else:
            self._timer = self.set_timer(_DEBOUNCE, self._plan_now)

    def _plan_now(self) -> None:
        asked = Planned(self.design, self._line, self._in_hand)
        work = partial(self._work, self._asked, asked)
        self.run_worker(work, thread=True, group="plan", exclusive=True)

    def _work(self, number: int, asked: Planned) -> None:
        def tell(planned: Planned) -> bool:
            # The latest wins: what has been overtaken is neither shown nor gone on with.
            wanted = number == self._asked and self.is_attached and self.app.is_running
            if wanted:
                self.app.call_from_thread(self._take, number, planned)
            return wanted

        plan_out(asked, self.context, self._costs, tell)

    def _take(self, number: int, planned: Planned) -> None:
        # A screen that is being left is still attached when some of its parts are gone.
        if number != self._asked or not self.is_attached or self not in self.app.screen_stack:
            return
        self._shown = number
        self.planned = planned
        self._show_words()
        self.query_one(OptionRows).show(self.design, planned)
        self.query_one(PlanRows).show(planned)
        self.query_one(CommandPanel).show(planned.command)
        self.query_one(OverrideLine).refresh_suggestions()
        self._tell_line()
        self._tell_parts()
        self.tell_state()
        self.planned_now()

    def planned_now(self) -> None:
        """What is shown is what was asked for; for the subclass."""

    @property
    def is_planned(self) -> bool:
        """Whether what is shown is what was last asked for, and all of it has been looked at."""
        planned = self.planned
        return self._shown == self._asked and (bool(planned.blocked) or planned.ready)

    @property
    def has_changes(self) -> bool:
        """Whether something would be lost by leaving."""
        return self.design != self._opened_with or bool(self.typed_text)

    @property
    def typed_text(self) -> str:
        """What stands on the line and is not just an override as it was."""
        line = self._line.strip()
        return "" if self._in_hand and words_on(line) == [self._in_hand] else line

    @property
    def unfinished(self) -> str:
        """What stands on the line and is not part of what was planned."""
        line = self._line.strip()
        return line if line and line != self.planned.line.strip() else ""

    @property
    def command(self) -> str:
        """The command, quoted for the shell."""
        return shlex.join(self.planned.command)

    # ── the line ─────────────────────────────────────────────────────────────────────────────

    def _suggest(self, text: str) -> Sequence[Any]:
        planned = self.planned
        if not text.strip():
            # Everything could be meant, and what is there already is more worth seeing.
            return ()
        return suggest(text, planned.groups, planned.keys, planned.config)

    @on(OverrideLine.Typed)
    def _typed(self, event: OverrideLine.Typed) -> None:
        self._line = event.text
        self._arrange(self.app.size)
        self._tell_line()
        self.plan_soon()

    @on(OverrideLine.Left)
    def _left(self) -> None:
        """Leave the line: what was not accepted does not count, and `u` brings it back."""
        text, edited = self.typed_text, self._in_hand
        if text:
            self._past.append((self.design, text, edited))
            self.deck.say(f"not added: {text}  (u brings back what you typed)")
        self._empty_line()
        self.plan_soon(at_once=True)
        self.action_part(WORDS)

    def _empty_line(self) -> None:
        self._line = self._in_hand = ""
        self.query_one(OverrideLine).put("")

    def _entered(self, text: str) -> None:
        edited = self._in_hand
        if self._accept(text) and edited:
            self.action_part(WORDS)

    def _accept(self, text: str) -> bool:
        """Take what stands on the line; false if it cannot be meant so, which is said."""
        line = self.query_one(OverrideLine)
        presets = [option.name for option in self.planned.groups.get("preset", ())]
        # A whole command may be pasted.
        words = [word for word in words_on(text) if word not in ("traindeck", "ablate", "-m")]
        wrong = [word for word in words if not is_whole(word, presets)]
        if wrong:
            if not (text.rstrip().endswith(wrong[0]) and line.accept()):
                line.say(_unknown(wrong[0]), True)
            return False
        # Each once more as it stands on a line: a value with blanks keeps its quotes.
        draft = self.design.draft.put_line(" ".join(map(on_line, words)), self._in_hand)
        self._empty_line()
        self.change(replace(self.design, draft=draft))
        return True

    @on(OverrideRows.Removed)
    def _removed(self, event: OverrideRows.Removed) -> None:
        place = self.query_one(SweepWords).places[event.index]
        if self.design.draft.words[place] == self._in_hand:
            self._empty_line()
        self.change(replace(self.design, draft=self.design.draft.drop(place)))

    @on(OverrideRows.Chosen, "SweepWords")
    def _edit_row(self, event: OverrideRows.Chosen) -> None:
        word = self.design.draft.words[self.query_one(SweepWords).places[event.index]]
        # What was typed and still stands there counts: it is taken before another takes its place.
        if not self.typed_text or self._accept(self._line):
            self._edit(on_line(word), word)

    def _edit(self, text: str, edited: str) -> None:
        line = self.query_one(OverrideLine)
        self._line, self._in_hand = text, edited
        line.put(text)
        line.input.focus()

    # ── what is said ─────────────────────────────────────────────────────────────────────────

    def _show_words(self) -> None:
        self.query_one(SweepWords).show_words(self.design.draft.words, self.planned)

    def _tell_line(self) -> None:
        planned, text, wrong = self.planned, "", False
        if self._line.strip():
            text = "enter adds   tab completes   esc drops it"
            if self._in_hand:
                text = "enter changes the override   tab completes   esc leaves it as it was"
            if self._shown == self._asked and planned.line:
                problems = map(planned.problem_of_word, words_on(planned.line))
                problem = next(filter(None, problems), "")
                text, wrong = problem or text, bool(problem)
        self.query_one(OverrideLine).say(text, wrong)

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
        facts = "planning" if not self._shown else "no trials"
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
        elif not self._shown:
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
        if self._shown == self._asked and self.unfinished:
            return f"the line holds unfinished text (ctrl+u empties it): {clean(self.unfinished)}"
        return ""


def _unknown(word: str) -> str:
    name, equals, _ = clean(word).partition("=")
    if equals:
        return f"'{name}' wants a value, or several with commas between them"
    if word.startswith("-"):
        return f"'{name}' is an option of the command; part 3 sets mode, seeds and the like"
    return f"'{name}' is no preset: write key=value, or key=a,b for several values"
