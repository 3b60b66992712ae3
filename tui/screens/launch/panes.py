"""The launch screen's parts, and the draft that they show: composed in a thread, the latest wins."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from trainer.display import plural
from trainer.errors import Problem, nearest
from tui.screens.base import TitleBar
from tui.screens.launch.choices import ChoiceRows
from tui.screens.launch.composer import Outcome, told, work_out
from tui.screens.launch.draft import Draft, is_whole, on_line, words_on
from tui.screens.launch.foot import CommandPanel, LaunchBar, PaneBar
from tui.screens.launch.line import OverrideLine, OverrideRows
from tui.screens.launch.rated import RatedScreen
from tui.screens.launch.result import ResultRows
from tui.screens.launch.values import form_rows
from tui.text import clean, fit
from tui.widgets.field import FieldForm, Row
from tui.widgets.keybar import KeyBar, binding

_DEBOUNCE = 0.15
_WIDE, _TALL = 110, 36
CHOICES, VALUES, OVERRIDES, RESULT, LAUNCH = range(5)
_PARTS = ("choices", "values", "overrides")


class LaunchPanes(RatedScreen):
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
        self.draft = Draft(tuple(word for word in words if word.strip()))
        self.outcome = Outcome(self.draft)
        self._opened_with = self.draft
        #: What undo goes back to: a draft, and a text of the line that was left with what it edited.
        self._past: list[tuple[Draft, str, str]] = []
        self._line = ""
        #: The override that is being edited on the line; it stays in its place meanwhile.
        self._in_hand = ""
        self._front = CHOICES
        self._left_front = CHOICES
        self._asked = self._shown = 0
        self._timer: Timer | None = None
        #: Whether the whole config is shown in place of the diff.
        self.whole = False
        #: Whether a run is being started.
        self.launching = False

    # ── layout ───────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Lay it out."""
        glyphs = self.context.glyphs
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
                    yield FieldForm(self._problem_with, empty="nothing is composed yet")
                with Vertical(id="overrides", classes="part"):
                    yield Static(Content(" overrides"), classes="heading", markup=False)
                    yield OverrideLine(self._suggest, self._entered, glyphs.ellipsis)
                    yield OverrideRows(glyphs.ellipsis)
            with Vertical(classes="right"):
                yield ResultRows(glyphs)
        yield CommandPanel()
        yield LaunchBar(glyphs.ellipsis)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin with the choices, and compose at once."""
        super().on_mount()
        self.query_one(ChoiceRows).focus()
        self._show_front()
        self.tell_state()
        self.compose_soon(at_once=True)

    def on_resize(self, event: events.Resize) -> None:
        """Show side by side what there is room for."""
        self._arrange(event.size)

    def on_screen_resume(self) -> None:
        """Profiles may have changed while another screen was in front."""
        super().on_screen_resume()
        if self._shown:
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
        for part, height in ((CHOICES, 13), (VALUES, None), (OVERRIDES, typing)):
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

    def change(self, draft: Draft) -> None:
        """Take another draft; the one before can be had back."""
        if draft != self.draft:
            self._past.append((self.draft, "", ""))
            self.draft = draft
            self.compose_soon(at_once=True)

    def undo(self) -> bool:
        """Take the draft before; false if there is none."""
        if not self._past:
            return False
        self.draft, text, edited = self._past.pop()
        if text:
            self._edit(text, edited)
        self.compose_soon(at_once=True)
        return True

    def compose_soon(self, at_once: bool = False) -> None:
        """Compose in a thread; while somebody types, once they pause."""
        self._asked += 1
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if at_once or not self.context.live:
            self._compose_now()
        else:
            self._timer = self.set_timer(_DEBOUNCE, self._compose_now)

    def _compose_now(self) -> None:
        work = partial(self._work, self._asked, self.draft, self._line, self._in_hand)
        self.run_worker(work, thread=True, group="compose", exclusive=True)

    def _work(self, asked: int, draft: Draft, line: str, edited: str) -> None:
        try:
            outcome = work_out(draft, line, self.context, edited)
        except (OSError, ValueError, ArithmeticError, RecursionError) as error:
            outcome = Outcome(draft, problems=(Problem(f"This cannot be composed: {error}."),))
        rows = form_rows(outcome)
        # The latest wins: what has been overtaken is not shown.
        if asked == self._asked and self.is_attached:
            self.app.call_from_thread(self._take, asked, outcome, rows)

    def _take(self, asked: int, outcome: Outcome, rows: list[Row]) -> None:
        # A screen that is being left is still attached when some of its parts are gone.
        if asked != self._asked or not self.is_attached or self not in self.app.screen_stack:
            return
        self._shown = asked
        self.outcome = outcome
        self.query_one(ChoiceRows).show(outcome)
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
        self.ask_rate(self.outcome, self._shown)
        self.show_result()
        self._tell_line()
        self._tell_parts()
        self.tell_state()
        self.composed_now()

    def composed_now(self) -> None:
        """What is shown is what was asked for; for the subclass."""

    @property
    def is_composed(self) -> bool:
        """Whether what is shown is what was last asked for."""
        return self._shown == self._asked

    @property
    def has_changes(self) -> bool:
        """Whether something would be lost by leaving."""
        return self.draft != self._opened_with or bool(self.typed_text)

    @property
    def typed_text(self) -> str:
        """What stands on the line and is not just an override as it was."""
        line = self._line.strip()
        return "" if self._in_hand and words_on(line) == [self._in_hand] else line

    @property
    def unfinished(self) -> str:
        """What stands on the override line and is not part of what was composed."""
        line = self._line.strip()
        return line if line and line != self.outcome.line.strip() else ""

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

    # ── the override line ────────────────────────────────────────────────────────────────────

    def _suggest(self, text: str) -> Sequence[Any]:
        from trainer.config.complete import suggestions

        outcome = self.outcome
        return suggestions(text, outcome.groups, outcome.keys, outcome.config)

    @on(OverrideLine.Typed)
    def _typed(self, event: OverrideLine.Typed) -> None:
        self._line = event.text
        self._tell_line()
        self.compose_soon()

    @on(OverrideLine.Left)
    def _left(self) -> None:
        """Leave the line: what was not accepted does not count, and `u` brings it back."""
        text, edited, rows = self.typed_text, self._in_hand, self.query_one(OverrideRows)
        if text:
            self._past.append((self.draft, text, edited))
            what = f"{edited} stays as it was" if edited else f"not added: {text}"
            self.deck.say(f"{what}  (u brings back what you typed)")
        self._empty_line()
        self.compose_soon(at_once=True)
        rows.go_to(edited)
        rows.focus()

    def _empty_line(self) -> None:
        self._line = self._in_hand = ""
        self.query_one(OverrideLine).put("")

    def _entered(self, text: str) -> None:
        edited = self._in_hand
        if self._accept(text) and edited:
            self.query_one(OverrideRows).focus()

    def _accept(self, text: str) -> bool:
        """Take what stands on the line; false if it cannot be meant so, which is said."""
        line, presets, given = self.query_one(OverrideLine), self._presets(), words_on(text)
        wrong = [word for word in given if not is_whole(word, presets)]
        if wrong:
            # A slip must not take the place of the preset that was chosen.
            is_last = text.rstrip().endswith(wrong[0])
            if not (is_last and line.accept()):
                line.say(self._unknown(given, wrong[0], presets), True)
            return False
        draft = self.draft.put_line(text, self._in_hand)
        self._empty_line()
        self.change(draft)
        return True

    def _presets(self) -> list[str]:
        return [option.name for option in self.outcome.groups.get("preset", ())]

    def _unknown(self, given: Sequence[str], text: str, presets: list[str]) -> str:
        from trainer.config.aliases import canonical_key
        from trainer.config.validate import key_of_name

        name, equals, _ = text.partition("=")
        if equals:
            return f"'{clean(name)}' wants a value"
        known = [*presets, *self.outcome.groups, *(key.key for key in self.outcome.keys)]
        key = text if text in known or canonical_key(text) in known else ""
        key = key or key_of_name(text, config=self.outcome.config)
        if key:
            after = given[given.index(text) + 1 :]
            value = after[0] if after and "=" not in after[0] else "VALUE"
            return f"'{clean(text)}' wants a value behind '=': write {clean(key)}={clean(value)}"
        if text.startswith("-"):
            return f"'{clean(text)}' is an option of the command; n, t and Q set name, tags, queue."
        hint = nearest(text, known) or "Write key=value; a value with blanks wants quotes."
        return f"There is no preset '{clean(text)}'. {hint}"

    @on(OverrideRows.Removed)
    def _removed(self, event: OverrideRows.Removed) -> None:
        if self.draft.words[event.index] == self._in_hand:
            self._empty_line()
        self.change(self.draft.drop(event.index))

    @on(OverrideRows.Chosen, "OverrideRows")
    def _edit_row(self, event: OverrideRows.Chosen) -> None:
        word = self.draft.words[event.index]
        # What was typed and still stands there counts: it is taken before another takes its place.
        if not self.typed_text or self._accept(self._line):
            self._edit(on_line(word), word)

    def _edit(self, text: str, edited: str) -> None:
        """Put a text on the line, to come in the place of an override or to be another one."""
        line = self.query_one(OverrideLine)
        self._line, self._in_hand = text, edited
        line.put(text)
        line.input.focus()

    # ── what is said ─────────────────────────────────────────────────────────────────────────

    def show_result(self) -> None:
        """Show the diff or the whole config."""
        self.query_one(ResultRows).show(self.outcome, self.whole, self.rate, self.need)

    def _tell_line(self) -> None:
        outcome, said, wrong = self.outcome, "", False
        if self._line.strip():
            said = "enter adds   tab completes   esc drops it"
            if self._in_hand:
                said = "enter changes the override   tab completes   esc leaves it as it was"
            if self.is_composed and outcome.line:
                problems = map(outcome.problem_of_word, words_on(outcome.line))
                problem = next(filter(None, problems), "")
                said, wrong = problem or said, bool(problem)
        self.query_one(OverrideLine).say(said, wrong)

    def _tell_parts(self) -> None:
        outcome = self.outcome
        result = plural(len(outcome.problems), "problem") if outcome.problems else ""
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
        title = f" {self.context.glyphs.separator} ".join(facts) if self._shown else "composing"
        self.query_one(TitleBar).show(fit(title, 200))
        if self.launching:
            bar.show("launching", "the run folder is made and its supervisor started", True)
        elif not self._shown:
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
            return told(blocked[0]) + more
        if self.unfinished:
            return f"the override line holds unfinished text (ctrl+u empties it): {self.unfinished}"
        return "" if self.outcome.composed is not None else "nothing is composed yet"

    @property
    def command(self) -> str:
        """The command, quoted for the shell."""
        return shlex.join(self.outcome.command)
