"""The launch screen's parts, and the draft that they show: composed in a thread, the latest wins."""

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
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import Static

from trainer.display import plural
from trainer.errors import Problem
from tui.screens.base import TitleBar
from tui.screens.latest import Latest
from tui.screens.launch.choices import ChoiceRows
from tui.screens.launch.clamping import beyond
from tui.screens.launch.composer import Outcome, not_understood, told, work_out
from tui.screens.launch.draft import Draft, words_on
from tui.screens.launch.following import FollowingScreen
from tui.screens.launch.foot import CommandPanel, LaunchBar, PaneBar
from tui.screens.launch.line import OverrideLine, OverrideRows
from tui.screens.launch.result import ResultRows
from tui.screens.launch.values import form_rows
from tui.screens.launch.writing import Writing, WritingPart
from tui.sources.profiles import fingerprint
from tui.sources.sweepcost import Costs
from tui.text import clean, fit
from tui.widgets.field import FieldForm, Row
from tui.widgets.keybar import KeyBar, binding

_DEBOUNCE = 0.15
_WIDE, _TALL = 110, 36
#: Groups that are in sight at least where the parts stand below each other, and the lines that the
#: screen's head and foot and some of the values take.
_FEWEST, _REST = 12, 18
CHOICES, VALUES, OVERRIDES, RESULT, LAUNCH = range(5)
_PARTS = ("choices", "values", "overrides")


class LaunchPanes(FollowingScreen):
    """Holds a draft and shows what comes of it; what is done with it is the subclass's.

    Args:
        words: Overrides to begin with, as on the command line.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("tab", "next_part(1)", "next part", tip="To the next part of the screen"),
        binding("shift+tab", "next_part(-1)", "part before", show=False, tip="To the part before"),
        binding("1", "part(0)", "choices", show=False, tip="Presets and groups"),
        binding("2", "part(1)", "values", show=False, tip="The form of every key"),
        binding("3,o", "part(2)", "overrides", show=False, tip="The line to type overrides on"),
        binding("4", "part(3)", "result", show=False, tip="What would be launched"),
    ]
    DEFAULT_CSS = """
    LaunchPanes .body { height: 1fr; }
    LaunchPanes .left { width: 1.15fr; height: 1fr; }
    LaunchPanes .right { width: 1fr; height: 1fr; }
    LaunchPanes .part { height: 1fr; }
    LaunchPanes #choices > .help { height: auto; max-height: 4; padding: 0 1; background: $surface; color: $text-muted; }
    LaunchPanes .heading { height: 1; color: $text-muted; text-style: bold; }
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        super().__init__()
        draft = Draft(tuple(word for word in words if word.strip()))
        self.outcome = Outcome(draft)
        #: What was wrong before something was typed on the line.
        self._standing: frozenset[str] = frozenset()
        self.latest = Latest(self, self._job, "compose", _DEBOUNCE)
        self.writing: Writing[Draft] = Writing(self, self, draft, lambda: self.latest.settled)
        self._front = CHOICES
        self._left_front = CHOICES
        #: Whether the whole config is shown in place of the diff.
        self.whole = False
        #: Whether a run is being started.
        self.launching = False

    # ── layout ───────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Lay it out."""
        glyphs = self.context.glyphs
        self._costs = Costs(self.context.runs_dirs)
        yield TitleBar("launch")
        yield PaneBar()
        with Horizontal(classes="body"):
            with Vertical(classes="left"):
                with Vertical(id="choices", classes="part"):
                    yield Static(Content(" choices"), classes="heading", markup=False)
                    yield ChoiceRows(glyphs)
                    yield Static("", classes="help", markup=False)
                with Vertical(id="values", classes="part"):
                    yield Static(Content(" values"), classes="heading", markup=False)
                    yield FieldForm(
                        self._problem_with, empty="nothing is composed yet", warn=self._beyond
                    )
                with Vertical(id="overrides", classes="part"):
                    yield Static(Content(" overrides"), classes="heading", markup=False)
                    rows = OverrideRows(glyphs.ellipsis)
                    yield WritingPart(self.writing, rows, glyphs.ellipsis)
            with Vertical(classes="right"):
                yield ResultRows(glyphs)
        yield CommandPanel()
        yield LaunchBar(glyphs.ellipsis)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin with the choices, and compose at once."""
        self.query_one(ChoiceRows).focus()
        self._show_front()
        self.tell_state()
        self.compose_soon(at_once=True)

    def on_resize(self, event: events.Resize) -> None:
        """Show side by side what there is room for."""
        self._arrange(event.size)

    def on_screen_resume(self) -> None:
        """Profiles may have changed while another screen was in front."""
        if self.latest.shown:
            self.compose_soon(at_once=True)

    def targets(self) -> tuple[Widget, ...]:
        """Give what takes the focus in each part."""
        return (
            self.query_one(ChoiceRows),
            self.query_one(FieldForm).rows,
            self.query_one(OverrideLine).input,
            self.query_one(ResultRows),
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
        for part, name in enumerate(("#choices", "#values", "#overrides", ".right", "LaunchBar")):
            if self.query_one(name) in event.widget.ancestors_with_self:
                self._front = part
        self._show_front()

    def _show_front(self) -> None:
        if self._front < RESULT:
            self._left_front = self._front
        self._arrange(self.app.size)
        self._tell_parts()

    def _arrange(self, size: Size) -> None:
        """Show the part in front, and beside and below it what there is room for.

        Set on the widgets themselves: a class on the screen would style every widget anew.
        """
        wide, tall = size.width >= _WIDE, size.height >= _TALL
        # Side by side, the left keeps its part while the result or the button has the focus.
        at_result = self._front == RESULT
        left, right = self.query_one(".left"), self.query_one(".right")
        left.display, right.display = wide or not at_result, wide or at_result
        left.styles.padding = (0, 1, 0, 0) if wide else 0
        typing = 14 if self._left_front == OVERRIDES else 8
        # Every group, as long as the values keep some lines as well.
        rows = max(_FEWEST, min(self.query_one(ChoiceRows).count, size.height - typing - _REST))
        for part, height in ((CHOICES, rows + 1), (VALUES, None), (OVERRIDES, typing)):
            widget = self.query_one(f"#{_PARTS[part]}")
            widget.display = tall or part == self._left_front
            widget.styles.height = height if tall and height else "1fr"
        for heading in self.query(".heading"):
            heading.display = tall
        self.query_one("#choices > .help").display = not tall

    @on(PaneBar.Wanted)
    def _wanted(self, event: PaneBar.Wanted) -> None:
        self.action_part(event.index)

    # ── composing ────────────────────────────────────────────────────────────────────────────

    @property
    def draft(self) -> Draft:
        """What is put together by now."""
        return self.writing.made

    def change(self, draft: Draft) -> None:
        """Take another draft; the one before can be had back."""
        self.writing.change(draft)

    def compose_soon(self, at_once: bool = False) -> None:
        """Compose in a thread; while somebody types, once they pause."""
        self.latest.soon(at_once)

    def _job(self, asked: int) -> Callable[[], None]:
        writing = self.writing
        return partial(self._work, asked, writing.made, writing.line, writing.in_hand)

    def _work(self, asked: int, draft: Draft, line: str, edited: str) -> None:
        # Before it: what is written while it is composed counts as news.
        stamp = fingerprint(self.context)
        try:
            outcome = work_out(draft, line, self.context, edited, self._costs)
        except (OSError, ValueError, ArithmeticError, RecursionError) as error:
            outcome = Outcome(draft, problems=(Problem(f"This cannot be composed: {error}."),))
        outcome = replace(outcome, stamp=stamp)
        rows = form_rows(outcome)
        if self.latest.wanted(asked):
            self.app.call_from_thread(self._take, asked, outcome, rows)

    def _take(self, asked: int, outcome: Outcome, rows: list[Row]) -> None:
        if not self.latest.take(asked):
            return
        could_clamp, self.outcome = bool(self.outcome.clamping), outcome
        if not outcome.line:
            self._standing = frozenset(problem.what for problem in outcome.problems)
        if could_clamp != bool(outcome.clamping):
            self.refresh_bindings()
        choices = self.query_one(ChoiceRows)
        before = choices.count
        choices.show(outcome)
        if choices.count != before:
            self._arrange(self.app.size)
        if outcome.composed is not None:
            form = self.query_one(FieldForm)
            form.show(rows)
            if form.row is not None and form.row.heading:
                form.go_to(rows[1].key)
            self.query_one(CommandPanel).show(outcome.command)
        problems = [(word, outcome.problem_of_word(word)) for word in self.draft.words]
        self.query_one(OverrideRows).show(problems)
        self.query_one(OverrideLine).refresh_suggestions()
        self._tell_choice()
        self.ask_rate(self.outcome, asked)
        self.show_result()
        self.writing.tell_line()
        self._tell_parts()
        self.tell_state()
        self.composed_now()

    def composed_now(self) -> None:
        """What is shown is what was asked for; for the subclass."""

    @property
    def is_composed(self) -> bool:
        """Whether what is shown is what was last asked for."""
        return self.latest.settled

    @property
    def is_writing(self) -> bool:
        """Whether a value is being typed in the form."""
        return self.query_one(FieldForm).is_editing

    @on(ChoiceRows.Highlighted, "ChoiceRows")
    def _tell_choice(self) -> None:
        row = self.query_one(ChoiceRows).row
        text = ""
        if row is not None:
            count = plural(len(self.outcome.groups.get(row.group, ())), "option")
            text = f"{row.group}   {count}; enter shows them\n{row.what}"
        self.query_one("#choices > .help", Static).update(Content(text))

    def _problem_with(self, key: str, value: Any) -> str:
        from trainer.config.values import problem_with

        return problem_with(key, value, self.outcome.config)

    def _beyond(self, key: str, value: Any) -> str:
        return beyond(self.outcome.config, key, value)

    # ── the override line ────────────────────────────────────────────────────────────────────

    def draft_of(self, made: Draft) -> Draft:
        """Give the overrides of a draft: itself."""
        return made

    def with_draft(self, made: Draft, draft: Draft) -> Draft:
        """Give the draft with other overrides: that one."""
        return draft

    def found(self) -> Outcome:
        """Give what was composed last."""
        return self.outcome

    def suggest(self, text: str) -> Sequence[Any]:
        """Give what may be meant by a text, best first."""
        from trainer.config.complete import suggestions

        outcome = self.outcome
        return suggestions(text, outcome.groups, outcome.keys, outcome.config)

    def words_on(self, line: str) -> list[str]:
        """Read the overrides on a line."""
        return words_on(line)

    def brought_about(self) -> str:
        """Say what is wrong by the line, though not with a word of it; empty if nothing is."""
        problems = self.outcome.problems
        return next((told(each) for each in problems if each.what not in self._standing), "")

    def look_again(self, at_once: bool) -> None:
        """Compose anew."""
        self.compose_soon(at_once)

    def not_understood(self, words: Sequence[str], wrong: str) -> str:
        """Say why one of the words cannot be meant so."""
        return not_understood(self.outcome, words, wrong)

    # ── what is said ─────────────────────────────────────────────────────────────────────────

    def show_result(self) -> None:
        """Show the diff or the whole config."""
        self.query_one(ResultRows).show(self.outcome, self.whole, self.rate, self.need)

    def _tell_parts(self) -> None:
        outcome = self.outcome
        result = plural(len(outcome.blocked), "problem") if outcome.blocked else ""
        result = result or f"{len(outcome.changes)} differ"
        count = len(self.draft.words)
        typed = " + line" if outcome.line and not outcome.edited else ""
        names = ("choices", "values", f"overrides ({count}{typed})", f"result ({result})")
        self.query_one(PaneBar).show(names, self._front)

    def tell_state(self) -> None:
        """Say at the top and on the button how things stand."""
        outcome, bar = self.outcome, self.query_one(LaunchBar)
        preset = outcome.choices.get("preset")
        facts = [f"preset {preset}" if preset else "no preset"]
        facts += [f"name {self.draft.name}"] if self.draft.name else []
        facts += [f"tags {' '.join(self.draft.tags)}"] if self.draft.tags else []
        facts += ["waits in the queue"] if self.draft.queue else []
        title = (
            f" {self.context.glyphs.separator} ".join(facts) if self.latest.shown else "composing"
        )
        self.query_one(TitleBar).show(fit(title, 200))
        if self.launching:
            bar.show("launching", "the run folder is made and its supervisor started", True)
        elif not self.latest.shown:
            bar.show("L launch", "composing", True)
        elif why := self.why_not():
            bar.show("cannot launch", why, False)
        else:
            verb = "queue" if self.draft.queue else "start"
            bar.show("L launch", f"ready to {verb}", True)

    def why_not(self) -> str:
        """Say why nothing can be launched now; empty if it can."""
        blocked = self.outcome.blocked
        if blocked:
            more = f"  (and {len(blocked) - 1} more)" if len(blocked) > 1 else ""
            # What no row shows is told with its place.
            place = (
                f"{clean(blocked[0].where)}: " if blocked[0].where and not blocked[0].key else ""
            )
            return place + told(blocked[0]) + more
        if unfinished := self.writing.unfinished:
            return f"the override line holds unfinished text (ctrl+u empties it): {unfinished}"
        return "" if self.outcome.composed is not None else "nothing is composed yet"

    @property
    def command(self) -> str:
        """The command, quoted for the shell."""
        return shlex.join(self.outcome.command)
