"""What the keys do to the text in hand: set, add and remove keys, undo, edit the YAML."""

from __future__ import annotations

from typing import Any

from textual import on

from trainer.config.edit import EditError, ProfileText
from trainer.config.values import about, shown
from tui.screens.profiles import form as forms
from tui.screens.profiles.changes import ChangeRows
from tui.screens.profiles.compare import DiffWith
from tui.screens.profiles.editing import Editing, line_of
from tui.screens.profiles.yaml import YamlPane
from tui.text import clean
from tui.widgets.dialogs import Confirm, Pick
from tui.widgets.field import FieldForm, Row
from tui.widgets.linelist import LineList


class EditKeys(DiffWith):
    """The part of the screen that changes the text in hand."""

    @on(FieldForm.Edited)
    def _edited(self, event: FieldForm.Edited) -> None:
        self._set(event.key, event.value)

    def _set(self, key: str, value: Any) -> None:
        editing = self.in_hand()
        if editing is None:
            return
        try:
            if key.startswith(forms.CHOICE):
                new = editing.profile.choose(int(key.split(".")[1]), value)
            else:
                new = editing.profile.set(key, value)
        except EditError as error:
            self.tell(error)
            return
        self._take(editing, new)
        self.query_one(FieldForm).go_to(key)

    def _take(self, editing: Editing, new: ProfileText) -> None:
        if editing.put(new.text):
            self.changed(editing)

    def action_add(self) -> None:
        """Choose a key that the profile does not set, and give it a value."""
        editing = self.in_hand()
        if editing is None:
            return
        if editing.profile.problems:
            self.deck.say(str(editing.profile.problems[0]), "error")
            return
        rows = forms.addable(editing.profile, self.seen)

        def picked(at: int | None) -> None:
            if at is not None:
                self._add(editing, rows[at])

        choices = [(row.key, clean(row.note)) for row in rows]
        self.app.push_screen(Pick("Set which key?", choices), picked)

    def _add(self, editing: Editing, row: Row) -> None:
        if editing.profile.reaches(row.key):
            self.action_pane("form")
            self.query_one(FieldForm).edit(row)
            return
        own = ".".join(editing.profile.package)

        def answered(yes: bool | None) -> None:
            if not yes:
                return
            try:
                self._take(editing, editing.profile.widened())
            except EditError as error:
                self.tell(error)
                return
            self._add(editing, row)

        lines = [
            f"{editing.shown} sets keys of {own} only; {row.key} belongs to another section.",
            f"With `# @package _global_` as its first line, and its own keys below `{own}:`,",
            "it may set any key. Nothing else about it changes.",
        ]
        self.app.push_screen(
            Confirm("Let this profile set keys of every section?", lines, "let it"), answered
        )

    @on(LineList.Chosen, "#changes")
    def _chosen_change(self) -> None:
        """Change the key of a difference: in its row, or set here from now on."""
        editing, change = self.in_hand(), self.query_one(ChangeRows).change
        if editing is None or change is None:
            return
        form = self.query_one(FieldForm)
        if form.go_to(change.key):
            self.action_pane("form")
            return
        composed = self.seen.composed if self.seen is not None else None
        known = about(change.key, composed.config if composed is not None else None)
        if known is None or known.section or change.kind == "removed":
            origin = change.origin or change.old_origin
            self.deck.say(f"{change.key}: {shown(change.old)}, now {shown(change.new)} ({origin})")
            return
        self._add(editing, Row(change.key, change.new, known, f"now {shown(change.new)}"))

    def action_remove(self) -> None:
        """Take the key under the cursor out of the profile; elsewhere, delete the profile."""
        if self.pane == "profiles":
            self.delete_profile()
            return
        editing, row = self.in_hand(), self.query_one(FieldForm).row
        if self.pane != "form" or editing is None or row is None or row.heading:
            return
        if row.key.startswith(forms.CHOICE):
            self.deck.say("Entries of the defaults list are taken out in the YAML (y).")
            return
        try:
            self._take(editing, editing.profile.unset(row.key))
        except EditError as error:
            self.tell(error)

    def action_undo(self) -> None:
        """Take back the last change of this text, or the last deletion."""
        editing = self.current
        if self.deleted and (self.pane == "profiles" or editing is None or not editing.past):
            self.run_worker(self.bring_back(), group="files")
        elif editing is not None and editing.past:
            editing.undo()
            self.changed(editing)
        else:
            self.deck.say("There is nothing to take back.")

    def action_edit_yaml(self) -> None:
        """Edit the YAML."""
        editing = self.in_hand()
        if editing is not None:
            self.action_pane("yaml")
            editing.past.append((editing.profile.text, None))
            self.query_one(YamlPane).begin_editing()
            self.draw_heads(editing)

    @on(YamlPane.Changed)
    def _typed(self, event: YamlPane.Changed) -> None:
        editing, area = self.current, self.query_one(YamlPane)
        if editing is None or area.read_only or area.text == editing.profile.text:
            return
        if editing.put(area.text, remember=False):
            self.changed(editing)

    @on(YamlPane.Stopped)
    def _stopped(self) -> None:
        editing = self.current
        if editing is not None:
            if editing.past and editing.past[-1] == (editing.profile.text, None):
                editing.past.pop()
            self.draw_heads(editing)

    def action_next_problem(self) -> None:
        """Go to the next problem: its line in the YAML, its row in the form."""
        editing = self.current
        if editing is None:
            return
        problems = self.seen.problems if self.seen is not None else editing.profile.problems
        if not problems:
            self.deck.say("There is no problem.")
            return
        self.problem_at = (self.problem_at + 1) % len(problems)
        problem = problems[self.problem_at]
        if len(problems) > 1:  # a single one stands below already
            self.deck.say(str(problem), "error")
        line = line_of(problem, editing.profile)
        if line is not None:
            self.query_one(YamlPane).move_cursor((line - 1, 0), center=True)
        found = bool(problem.key) and self.query_one(FieldForm).go_to(problem.key)
        self.action_pane("form" if found and self.pane == "form" else "yaml")
