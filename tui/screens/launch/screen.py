"""Launch: choose, change, see what would run and how it differs, then start it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType

from trainer.display import plural
from trainer.errors import TraindeckError
from tui.screens.launch.choices import ChoiceRows
from tui.screens.launch.composer import Outcome, clamped, put_value
from tui.screens.launch.draft import tags_of
from tui.screens.launch.foot import LaunchBar
from tui.screens.launch.leaving import leave
from tui.screens.launch.panes import LaunchPanes
from tui.screens.launch.result import ResultRows
from tui.screens.launch.start import start_run
from tui.sources.newest import newest_runs
from tui.sources.profiles import fingerprint
from tui.text import clean
from tui.widgets.dialogs import Ask, Pick
from tui.widgets.field import FieldForm, Row
from tui.widgets.keybar import binding
from tui.widgets.optionpick import option_pick

if TYPE_CHECKING:
    from trainer.runs.layout import RunFolder

_RUNS = 200


class LaunchScreen(LaunchPanes):
    """Compose and launch.

    Args:
        words: Overrides to begin with, as on the command line.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("C,ctrl+g", "clamp", "clamp", tip="Lower what is beyond the hardware's limits"),
        binding("L,ctrl+l", "launch", "launch", tip="Start the run and watch it"),
        binding("slash", "find", "find a key", tip="Find any key of the config and change it"),
        binding("d", "dry_run", "dry run", tip="The whole config, diff, hash and command"),
        binding("y", "whole", "yaml/diff", tip="Switch between the diff and the whole config"),
        binding("c", "copy", "copy command", tip="Copy the command to the clipboard"),
        binding("u", "undo", "undo", tip="Take back the last change"),
        binding("n", "name", "name", tip="Name the run"),
        binding("t", "tags", "tags", tip="Words to find the run by"),
        binding("Q", "queue", "queue", tip="Wait until the device is free, or not"),
        binding("b", "begin_like", "like a run", tip="Begin with a past run's words"),
        binding(
            "B", "batches", "batches", show=False, tip="Build the data, count an epoch's batches"
        ),
        binding("w", "sweep", "sweep", tip="Vary some keys: a sweep that begins with this"),
        binding("p", "profile", "profile", show=False, tip="Open the chosen profile"),
        binding("x,delete", "take_back", "remove", show=False, tip="Take the override out"),
        binding("q", "back", "back", show=False, tip="Back; asks if something would be lost"),
    ]

    #: What waits for what was just typed: a launch, or clamping.
    _when_composed: Callable[[], None] | None = None
    _looked_again = False

    # ── choosing and changing ────────────────────────────────────────────────────────────────

    @on(ChoiceRows.Chosen, "ChoiceRows")
    def _choose_row(self) -> None:
        row = self.query_one(ChoiceRows).row
        if row is not None:
            self.choose(row.group)

    def choose(self, group: str) -> None:
        """Ask for an option of a group."""
        options = self.outcome.groups.get(group, ())
        chosen = self.outcome.choices.get(group)
        rows: list[tuple[str, str]] = [(clean(found.name), clean(found.doc)) for found in options]
        names: list[str | None] = [found.name for found in options]
        plain = self.draft.without(group)
        if chosen is not None:
            rows.append(("(nothing)", "leave this group out"))
            names.append(None)
        if plain != self.draft:
            rows.append(("(as the profiles say)", "take this choice back"))
        cursor = names.index(chosen) if chosen in names else 0

        def picked(at: int | None) -> None:
            if at is None:
                return
            if at == len(names):
                self.change(plain)
            elif names[at] != chosen:  # what is chosen already needs no override
                self.change(plain.choose(group, names[at]))

        self.app.push_screen(
            option_pick(
                group, rows, self.outcome.facts.get(group, ()), cursor, self.context.glyphs
            ),
            picked,
        )

    @on(FieldForm.Edited)
    def _edited_value(self, event: FieldForm.Edited) -> None:
        self.change(put_value(replace(self.outcome, draft=self.draft), event.key, event.value))

    @on(ResultRows.Chosen, "ResultRows")
    def _edit_result(self) -> None:
        self.edit_key(self.query_one(ResultRows).key)

    def edit_key(self, key: str) -> None:
        """Edit a key in the form, or choose an option if it is a group."""
        form = self.query_one(FieldForm)
        if key in self.outcome.groups:
            self.choose(key)
        elif key and form.go_to(key):
            self.action_part(1)
            if form.row is not None:
                form.edit(form.row)

    def action_find(self) -> None:
        """Find a key and change it."""
        from trainer.runs.plan import text_of

        rows = [row for row in self.query_one(FieldForm).rows.rows if not row.heading]
        choices = [(clean(row.key), f"{text_of(row.value)}  {_doc(row)}") for row in rows]

        def picked(at: int | None) -> None:
            if at is not None:
                self.edit_key(rows[at].key)

        self.app.push_screen(Pick("which key?", choices), picked)

    def action_take_back(self) -> None:
        """Take out the override of what the cursor is on: a group, or a key."""
        group, row = self.query_one(ChoiceRows), self.query_one(FieldForm).row
        aim = self.query_one(ResultRows).key
        if self.focused is group:
            aim = group.row.group if group.row is not None else ""
        elif self.focused is self.query_one(FieldForm).rows:
            aim = row.key if row is not None else ""
        if aim and self.draft.without(aim) != self.draft:
            self.change(self.draft.without(aim))
        else:
            self.deck.say("no override to take out here; 3 shows them all")

    def applies(self, action: str) -> bool:
        """Name the key that clamps while there is something to clamp."""
        return action != "clamp" or bool(self.outcome.clamping)

    def action_clamp(self) -> None:
        """Lower what is beyond the limits of the hardware to them; shown before a launch."""
        if not self.is_composed:
            # What was just typed counts: it is composed first.
            self._when_composed = self.action_clamp
            return
        clamping, unfinished = self.outcome.clamping, self.writing.unfinished
        if not clamping:
            self.deck.say(f"nothing to clamp: {self._unclamped()}")
        elif unfinished:
            self.deck.say(f"cannot clamp: the line holds unfinished text: {unfinished}", "error")
        elif self.is_writing:
            self.deck.say("cannot clamp yet: Enter takes the value being typed", "error")
        else:
            keys = plural(len(clamping.changes), "value")
            self.writing.take_in(clamped(self.outcome))
            notes = "".join(f"; {note}" for note in clamping.notes)
            self.deck.say(f"{keys} lowered to {clamping.hardware}{notes}  (u takes it back)")

    def _unclamped(self) -> str:
        """Say why there is nothing to clamp."""
        from trainer.config.hardware_rules import governs

        name, config = self.outcome.card.name or "the hardware", self.outcome.config
        if config and not governs(config):
            accelerator = (config.get("trainer") or {}).get("accelerator")
            return f"limits of {name} are not checked, as trainer.accelerator={accelerator}"
        return f"nothing is beyond the limits of {name}"

    def action_undo(self) -> None:
        """Take back the last change."""
        if not self.writing.undo():
            self.deck.say("nothing to take back")

    def action_name(self) -> None:
        """Name the run."""

        def named(name: str | None) -> None:
            if name is not None:
                self.change(replace(self.draft, name=clean(name).strip()))

        lines = ["Empty: as the config or the preset is called."]
        self.app.push_screen(Ask("name of the run", self.draft.name, lines=lines), named)

    def action_tags(self) -> None:
        """Tag the run."""

        def tagged(text: str | None) -> None:
            if text is not None:
                self.change(replace(self.draft, tags=tags_of(clean(text))))

        lines = ["Words to find the run by, apart by blanks."]
        self.app.push_screen(Ask("tags", " ".join(self.draft.tags), lines=lines), tagged)

    def action_queue(self) -> None:
        """Wait for the device, or not."""
        self.change(replace(self.draft, queue=not self.draft.queue))

    def action_begin_like(self) -> None:
        """Begin with what a past run was launched with."""
        self.run_worker(self._list_runs, thread=True, group="runs", exclusive=True)

    def _list_runs(self) -> None:
        from trainer.runs.layout import RunFolder
        from trainer.runs.plan import words_of

        runs = newest_runs(self.context.runs_dirs, _RUNS)
        found = [
            (clean(f"{run.name}  {run.id}"), words_of(RunFolder(Path(run.path)))) for run in runs
        ]
        if self.is_attached:
            self.app.call_from_thread(self._pick_run, found)

    def _pick_run(self, found: Sequence[tuple[str, Sequence[str]]]) -> None:
        if not found:
            self.deck.say("there are no runs yet")
            return
        choices = [(name, clean(" ".join(words)) or "no overrides") for name, words in found]

        def picked(at: int | None) -> None:
            if at is not None:
                self.change(replace(self.draft, words=tuple(found[at][1])))

        self.app.push_screen(Pick("begin like which run?", choices), picked)

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def action_whole(self) -> None:
        """Switch between the diff and the whole config."""
        self.whole = not self.whole
        self.show_result()
        self.action_part(3)

    def action_batches(self) -> None:
        """Count the batches of an epoch, which the learning rate may depend on."""
        self.count_batches()

    def action_sweep(self) -> None:
        """Write a sweep whose baseline is what was put together here."""
        line = self.outcome.line if self.outcome.line else ""
        self.deck.open_sweep_writer(self.draft.put_line(line).words)

    def action_dry_run(self) -> None:
        """Show what `traindeck train --dry-run` prints."""
        from trainer.runs.plan import dry_run_lines
        from tui.screens.launch.preview import PreviewScreen

        outcome = self.outcome
        if outcome.composed is None or outcome.problems or not self.is_composed:
            self.deck.say(f"no dry run: {self.why_not() or 'composing'}", "error")
            return
        lines = dry_run_lines(outcome.composed, outcome.changes, outcome.command)
        self.app.push_screen(PreviewScreen(lines, self.command))

    def action_copy(self) -> None:
        """Copy the command."""
        self.copy(self.command)

    def action_profile(self) -> None:
        """Open the profile under the cursor."""
        row = self.query_one(ChoiceRows).row
        if row is not None:
            self.deck.open_profiles(f"{row.group}/{row.option}" if row.option else "")

    def action_back(self) -> None:
        """Leave; what was put together is asked about first."""
        leave(self)

    def unsaved(self) -> list[str]:
        """Name what was put together and not launched."""
        if not self.writing.has_changes:
            return []
        return [
            clean(" ".join([*self.draft.words, self.writing.typed_text])).strip()
            or "what you chose"
        ]

    # ── launching ────────────────────────────────────────────────────────────────────────────

    @on(LaunchBar.Pressed)
    def action_launch(self) -> None:
        """Start the run and watch it."""
        if self.launching:
            return
        if not self.is_composed:
            # What was just typed counts: it is composed first.
            self._when_composed = self.action_launch
            return
        if self.is_writing:
            self.deck.say(
                "cannot launch yet: Enter takes the value being typed, Esc leaves it", "error"
            )
            return
        if self.outcome.lacking and not self._looked_again:
            # Data or a package may have come meanwhile.
            self._looked_again, self._when_composed = True, self.action_launch
            self.compose_soon(at_once=True)
            return
        self._looked_again = False
        if why := self.why_not():
            self.deck.say(f"cannot launch: {why}", "error")
            self.action_part(3)
            return
        self.launching = True
        self.tell_state()
        outcome = self.outcome
        self.run_worker(lambda: self._start(outcome), thread=True, group="launch")

    def composed_now(self) -> None:
        """Go on with what waited for the config."""
        waiting, self._when_composed = self._when_composed, None
        if waiting is not None and self.is_composed:
            waiting()

    def _start(self, outcome: Outcome) -> None:
        run: RunFolder | None = None
        problem = ""
        whole = replace(outcome, draft=replace(outcome.draft, words=outcome.words))
        try:
            if fingerprint(self.context) == outcome.stamp:
                run = start_run(whole, self.context)
            else:
                problem = "the profiles were changed just now; look at it again, then launch"
        except TraindeckError as error:
            problem = "\n".join(str(each) for each in error.problems)
        except OSError as error:
            problem = f"the run could not be started: {error}"
        if self.app.is_running:
            self.app.call_from_thread(self._started, run, problem)

    def _started(self, run: RunFolder | None, problem: str) -> None:
        from tui.sources.follow import Source

        self.launching = False
        if run is None:
            self.compose_soon(at_once=True)
            self.tell_state()
            self.deck.say(f"not launched: {problem}", "error")
            return
        deck = self.deck
        # The run's screen takes this one's place: what was to be decided here has been.
        if deck.screen is self and len(deck.screen_stack) > 1:
            deck.pop_screen()
        deck.open_monitor(Source.of_run(run))


def _doc(row: Row) -> str:
    return clean(row.known.doc) if row.known is not None else ""
