"""What the keys do to the files of profiles: save, copy, rename, delete, bring back."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from trainer.config import edit_files, edit_toml_files
from trainer.config.edit import ProfileText
from trainer.config.edit_files import Conflict, Opened
from trainer.config.edit_toml import TableText
from trainer.config.scaffold import template
from trainer.errors import ConfigError
from tui.screens.profiles.conflict import ConflictDialog
from tui.screens.profiles.editing import Editing, Look, look
from tui.screens.profiles.gone import HiddenFile
from tui.screens.profiles.tables import TableFiles
from tui.widgets.dialogs import Confirm


class ProfileFiles(TableFiles):
    """The part of the screen that writes."""

    # ── keys ─────────────────────────────────────────────────────────────────────────────────

    def action_save(self) -> None:
        """Save the profile in hand."""
        editing = self.in_hand()
        if editing is not None:
            self.run_worker(self.save(editing), group="files")

    def action_save_as(self) -> None:
        """Save the text in hand under another name; the old file stays as it is on disk."""
        editing = self.in_hand()
        if editing is not None:
            self.run_worker(self._save_as(editing, leave=True), group="files")

    def action_duplicate(self) -> None:
        """Write a copy of the text in hand."""
        editing = self.in_hand()
        if editing is not None:
            self.run_worker(self._save_as(editing, leave=False), group="files")

    def action_rename(self) -> None:
        """Give the profile in hand another name."""
        editing = self.in_hand()
        if editing is not None:
            self.run_worker(self._rename(editing), group="files")

    def action_new(self) -> None:
        """Make a new profile."""
        self.run_worker(self._new(), group="files")

    def delete_profile(self) -> None:
        """Delete the profile in hand, so that it can be brought back."""
        editing = self.in_hand()
        if editing is not None:
            self.run_worker(self._delete(editing), group="files")

    def action_editor(self) -> None:
        """Edit the text in hand in the person's own editor."""
        from tui.editor import edit

        editing = self.in_hand()
        if editing is None:
            return
        # The editor gets a copy: what it writes goes the same way as any other change here.
        with tempfile.TemporaryDirectory(prefix="traindeck-") as folder:
            suffix = editing.entry.path.suffix if editing.entry.table else ".yaml"
            path = Path(folder) / f"{editing.entry.name}{suffix}"
            path.write_text(editing.profile.text, encoding="utf-8", newline="")
            problem = edit(self.deck, path)
            if problem:
                self.deck.say(problem, "error")
                return
            try:
                text = edit_files.open_file(path).text
            except ConfigError as error:
                self.tell(error)
                return
        if editing.put(text):
            self.changed(editing)
        else:
            self.deck.say("The editor changed nothing.")

    # ── what they do ─────────────────────────────────────────────────────────────────────────

    async def save(self, editing: Editing) -> bool:
        """Save a profile; asks first if it has problems.

        Returns:
            Whether it is saved now.
        """
        if not editing.is_changed and not (editing.outdated and editing.opened.stamp is None):
            self.deck.say(f"{editing.shown} has no changes.")
            return True
        if not await self._may_save(editing):
            return False
        opened, shown, text = editing.opened, editing.shown, editing.profile
        if editing.is_built_in and isinstance(text, TableText):
            return await self._save_copy(editing, text)
        if editing.is_built_in:
            entry = editing.entry
            place = (entry.group, entry.name, self.context.profiles_dir, self.context.cwd)
            target = await self.done(lambda: edit_files.home_of(*place))
            if target is None:
                return False
            opened, shown = Opened.new(target[0]), target[1]
        try:
            now, merged = await asyncio.to_thread(edit_files.save, opened, editing.profile)
        except Conflict as conflict:
            await self._settle(editing, conflict)
            return False
        except ConfigError as error:
            self.tell(error)
            return False
        if merged:
            editing.adopt(now)
        editing.opened, editing.outdated = now, False
        said = "Saved as a copy" if editing.is_built_in else "Saved"
        more = ", together with what was changed on disk meanwhile" if merged else ""
        self.deck.say(f"{said}: {shown}{more}.")
        if editing.is_built_in:
            # From now on the copy is in hand, and undo still knows what it began with.
            editing.entry = replace(editing.entry, kind="project", path=now.path)
            editing.home = shown
            editing.name(shown)
        self.changed(editing)
        self.reread(editing.entry.full)
        return True

    async def _save_copy(self, editing: Editing, text: TableText) -> bool:
        """Write a built-in table, as it was changed, into the project's own file of tables."""
        entry, home = editing.entry, self.home_of_tables()
        now = await self.done(lambda: _copied(text, entry.name, home))
        if now is None:
            return False
        opened, shown = now
        editing.entry = replace(editing.entry, kind="project", path=opened.path)
        editing.opened, editing.outdated, editing.home = opened, False, shown
        editing.name(shown)
        editing.put(opened.text)
        self.deck.say(f"Saved as a copy: [{entry.table}] in {shown}.")
        self.changed(editing)
        self.reread(editing.entry.full)
        return True

    async def _may_save(self, editing: Editing) -> bool:
        seen: Look = await asyncio.to_thread(look, editing.entry, editing.profile, self.context)
        own = seen.problems[: seen.own]
        if not own or editing.profile.secrets():
            return True  # secrets are refused by the save itself
        lines = [str(problem) for problem in own[:6]]
        question = Confirm("Save it with these problems?", lines, "save")
        answer: bool | None = await self.app.push_screen_wait(question)
        return answer is True

    async def _settle(self, editing: Editing, conflict: Conflict) -> None:
        """Let the person decide between two versions."""
        gone = conflict.theirs.stamp is None
        theirs = None if gone else conflict.theirs.text
        what = conflict.problems[0].what
        answer = await self.app.push_screen_wait(ConflictDialog(what, theirs, editing.profile.text))
        if answer == "save_as":
            await self._save_as(editing, leave=True)
        elif answer == "take" and gone:
            editing.put(editing.opened.text)
            self.reread(forget=editing.entry.full)
        elif answer == "take":
            self._adopt(editing, conflict.theirs, conflict.theirs.text)
        elif answer == "merge":
            self._adopt(editing, conflict.theirs, conflict.merged.text)
            if conflict.merged.conflicts:
                self.choose_between()
        elif answer == "write":
            editing.opened = Opened.new(editing.opened.path)
            editing.outdated = True
            await self.save(editing)

    def _adopt(self, editing: Editing, theirs: Opened, text: str) -> None:
        """Go on from the file on disk, which may have come up in place of a built-in one."""
        if editing.is_built_in:
            editing.entry = replace(editing.entry, kind="project", path=theirs.path)
        editing.adopt(theirs, text)
        self.changed(editing)
        self.reread(editing.entry.full)

    async def _save_as(self, editing: Editing, *, leave: bool) -> None:
        entry = editing.entry
        name = await self.ask_name(f"Save {entry.full} as", entry.group, f"{entry.name}_2")
        if name is None:
            return
        if isinstance(editing.profile, TableText):
            table, home = editing.profile, self.home_of_tables()
            now = await self.done(lambda: _copied(table, name, home))
            if now is not None:
                if leave:
                    editing.put(editing.opened.text)
                self.deck.say(f"Saved: {entry.group}={name} in {now[1]}.")
                self.reread(f"{entry.group}/{name}")
            return
        place = (entry.group, name, self.context.profiles_dir, self.context.cwd)
        target = await self.done(lambda: edit_files.home_of(*place))
        if target is None:
            return
        path, shown = target
        text = ProfileText(editing.profile.text, entry.group, shown)
        if await self.done(lambda: edit_files.create(path, text)) is None:
            return
        if leave:
            editing.put(editing.opened.text)
        self.deck.say(f"Saved: {shown}.")
        self.reread(f"{entry.group}/{name}")

    async def _rename(self, editing: Editing) -> None:
        entry = editing.entry
        if editing.is_built_in:
            self.deck.say("Built-in profiles keep their names; D makes a copy.", "warning")
            return
        if editing.is_changed:
            self.deck.say("Save it first.", "warning")
            return
        if entry.table:
            await self.rename_table(editing)
            return
        name = await self.ask_name(f"Rename {entry.full} to", entry.group, entry.name)
        if name is None or name == entry.name:
            return
        _found, lines = await self.named_by(entry, "renamed")
        question = Confirm(f"Rename {entry.full} to {name}?", lines, "rename")
        if lines and not await self.app.push_screen_wait(question):
            return
        if await self.done(lambda: edit_files.rename(entry.path, name)) is None:
            return
        self.deck.say(f"{entry.full} is now {entry.group}/{name}.")
        self.reread(f"{entry.group}/{name}", forget=entry.full)

    async def _delete(self, editing: Editing) -> None:
        entry = editing.entry
        if editing.is_built_in:
            self.deck.say("Built-in profiles stay.", "warning")
            return
        if entry.table:
            await self.delete_table(editing)
            return
        lines = [str(entry.path), "u brings it back, until you leave this screen."]
        if editing.is_changed:
            lines.append("What is not saved of it is lost.")
        if entry.hides:
            lines.append("The one that it stands in for will be used again.")
        lines += (await self.named_by(entry, "gone"))[1]
        if not await self.app.push_screen_wait(Confirm(f"Delete {entry.full}?", lines, "delete")):
            return
        hidden = await self.done(lambda: edit_files.delete(entry.path))
        if hidden is None:
            return
        self.deleted.append(HiddenFile(entry.full, hidden, entry.path))
        self.deck.say(f"{entry.full} is deleted; u brings it back.")
        self.reread(entry.full if entry.hides else "", forget=entry.full)

    async def bring_back(self) -> None:
        """Bring the profile back that was deleted last."""
        gone = self.deleted[-1]

        def work() -> bool:
            gone.restore()
            return True

        if await self.done(work) is None:
            return
        self.deleted.pop()
        self.deck.say(f"{gone.full} is back.")
        self.reread(gone.full, forget=gone.full)

    async def _new(self) -> None:
        group = self.group_in_hand()
        as_table = await self.wants_table(group)
        if as_table is None:
            return
        name = await self.ask_name(f"New profile of {group}", group, "")
        if name is None:
            return
        if as_table:
            await self.new_table(group, name)
            return
        place = (group, name, self.context.profiles_dir, self.context.cwd)
        target = await self.done(lambda: edit_files.home_of(*place))
        if target is None:
            return
        path, shown = target
        text = ProfileText(template(group, name), group, shown)
        if await self.done(lambda: edit_files.create(path, text)) is None:
            return
        self.deck.say(f"{shown}: every key is there as a comment; a adds one.")
        self.reread(f"{group}/{name}")


def _copied(text: TableText, name: str, home: tuple[Path, str]) -> tuple[Opened, str]:
    """Add a table under a name to the file of tables that is the person's own.

    Raises:
        EditError: That file has such a table, or cannot be written.
    """
    path, shown = home
    whole = edit_toml_files.copied(text, name, path, shown)
    opened = edit_files.open_file(path) if path.exists() else Opened.new(path)
    return edit_files.save(opened, whole)[0], shown
