"""What the keys do to tables of TOML files: new, rename, take out; and what all such keys ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from trainer.config import edit_files, edit_toml_files
from trainer.config.edit_files import Opened
from trainer.config.edit_toml import TableText
from trainer.config.references import Reference, references, stands_on
from trainer.config.sources import search_path
from trainer.config.toml_tables import GROUPS
from trainer.display import plural
from trainer.errors import ConfigError
from tui.screens.profiles.editing import Editing
from tui.screens.profiles.gone import Gone, TakenOut
from tui.screens.profiles.view import ProfilesView
from tui.sources.profiles import Entry
from tui.widgets.dialogs import Ask, Confirm, Pick

T = TypeVar("T")

#: So many places that name a profile are told one by one.
_TOLD = 6


class TableFiles(ProfilesView):
    """The part of the screen that makes, renames and takes out tables."""

    def __init__(self, profile: str = "") -> None:
        super().__init__(profile)
        #: What was deleted, the last one last.
        self.deleted: list[Gone] = []

    def on_unmount(self) -> None:
        """What was deleted and not brought back is gone now."""
        for gone in self.deleted:
            gone.forget()

    # ── what is asked ────────────────────────────────────────────────────────────────────────

    async def ask_name(self, title: str, group: str, value: str) -> str | None:
        """Ask for the name of a profile; None if there is none."""

        def check(name: str) -> str:
            if not name:
                return ""
            try:
                edit_files.check_name(group, name.strip())
            except ConfigError as error:
                return str(error.problems[0])
            return ""

        name = await self.app.push_screen_wait(
            Ask(title, value, placeholder="letters, digits, _ - .", check=check)
        )
        return name.strip() or None if name is not None else None

    async def done(self, work: Callable[[], T]) -> T | None:
        """Do something with files in a thread; tell what is wrong, and give None then."""
        try:
            return await asyncio.to_thread(work)
        except ConfigError as error:
            self.tell(error)
            return None

    async def named_by(self, entry: Entry, verb: str) -> tuple[list[Reference], list[str]]:
        """Find who names a profile.

        Args:
            entry: The profile.
            verb: What is about to happen to it.

        Returns:
            The places, and lines that tell of them.
        """
        context = self.context

        def work() -> tuple[list[Reference], bool]:
            sources = search_path(context.profiles_dir, context.cwd, context.config_file)
            found = references(sources, entry.full, context.config_file)
            return found, stands_on(sources, entry.full)

        result = await self.done(work)
        if result is None or not result[0]:
            return [], []
        found, stands = result
        what = (
            f"then use the {entry.full} that it was laid over"
            if stands
            else f"would name what is no longer there once it is {verb}"
        )
        lines = [f"{plural(len(found), 'place')} {what}:"]
        lines += [
            f"  {each.who}  {each.where}" if each.path else f"  {each.where}"
            for each in found[:_TOLD]
        ]
        if len(found) > _TOLD:
            lines.append(f"  and {len(found) - _TOLD} more")
        return found, lines

    def drop_unchanged(self, path: Path) -> None:
        """Read a file anew for every profile in it of which nothing is unsaved."""
        for full, editing in list(self.editings.items()):
            if editing.entry.path == path and not editing.is_changed:
                del self.editings[full]
                if editing is self.current:
                    self.current = None

    # ── tables ───────────────────────────────────────────────────────────────────────────────

    def home_of_tables(self) -> tuple[Path, str]:
        """Give the file that new tables go to, and how to show it."""
        return edit_toml_files.home_of(self.context.cwd, self.context.config_file)

    async def wants_table(self, group: str) -> bool | None:
        """Find out whether a new profile is to be a table or a file; None if neither after all."""
        entries = next((found for name, found in self.catalogue.groups if name == group), ())
        has_tables = any(entry.table for entry in entries)
        has_files = any(not entry.table for entry in entries)
        path, shown = self.home_of_tables()
        if group not in GROUPS or not (has_tables or path.exists()):
            return False
        if not has_files:
            return True
        rows = [
            ("a file of its own", f"YAML, in a folder {group}"),
            ("a table", f"TOML, in {shown}"),
        ]
        in_hand = self.current.entry if self.current is not None else None
        is_table = in_hand is not None and in_hand.group == group and bool(in_hand.table)
        at = await self.app.push_screen_wait(Pick(f"New profile of {group}", rows, int(is_table)))
        return None if at is None else at == 1

    async def new_table(self, group: str, name: str) -> None:
        """Add a table to the project's file."""
        path, shown = self.home_of_tables()

        def work() -> TableText:
            text = edit_toml_files.begun(group, name, path, shown)
            _write(path, text)
            return text

        text = await self.done(work)
        if text is not None:
            self.drop_unchanged(path)
            table = ".".join(text.table)
            self.deck.say(f"[{table}] in {shown}: its keys are there as comments; a adds one.")
            self.reread(f"{group}/{name}")

    async def rename_table(self, editing: Editing) -> None:
        """Give a table another name; what names it in the same file follows."""
        entry, path = editing.entry, editing.entry.path
        name = await self.ask_name(f"Rename {entry.full} to", entry.group, entry.name)
        if name is None or name == entry.name:
            return
        found, lines = await self.named_by(entry, "renamed")
        here = [each for each in found if each.path == str(path) and each.key]
        if here:
            lines.append(f"{plural(len(here), 'place')} in {editing.shown}: changed along with it.")
        question = Confirm(f"Rename {entry.full} to {name}?", lines, "rename")
        if lines and not await self.app.push_screen_wait(question):
            return

        def work() -> bool:
            opened, text = _on_disk(editing)
            new: TableText = edit_toml_files.renamed(text, name)
            for each in here:
                new = _follow(new, each, name)
            edit_files.save(opened, new)
            return True

        if await self.done(work) is None:
            return
        self.drop_unchanged(path)
        more = f", and so are {plural(len(here), 'place')} that named it" if here else ""
        self.deck.say(f"{entry.full} is now {entry.group}/{name}{more}.")
        self.reread(f"{entry.group}/{name}", forget=entry.full)

    async def delete_table(self, editing: Editing) -> None:
        """Take a table out of its file, so that it can be brought back."""
        entry, path = editing.entry, editing.entry.path
        _found, told = await self.named_by(entry, "gone")
        lines = [
            f"[{entry.table}] in {editing.shown}; the other tables stay as they are.",
            "u brings it back, until you leave this screen.",
            *_unsaved(editing),
            *told,
        ]
        if not await self.app.push_screen_wait(Confirm(f"Delete {entry.full}?", lines, "delete")):
            return

        def work() -> TakenOut:
            opened, text = _on_disk(editing)
            rest = edit_toml_files.taken_out(text)
            edit_files.save(opened, rest)
            return TakenOut(entry.full, path, text, rest.text)

        gone = await self.done(work)
        if gone is None:
            return
        self.deleted.append(gone)
        self.editings.pop(entry.full, None)
        self.drop_unchanged(path)
        self.deck.say(f"{entry.full} is deleted; u brings it back.")
        self.reread(forget=entry.full)


def _unsaved(editing: Editing) -> Sequence[str]:
    lines = []
    if editing.is_changed:
        lines.append("What is not saved of it is lost.")
    if edit_files.is_changed(editing.opened):
        lines.append(
            "The file was changed on disk meanwhile; it is taken out of what stands there."
        )
    return lines


def _on_disk(editing: Editing) -> tuple[Opened, TableText]:
    """Give a table's file as it is on disk, which others may have changed."""
    entry = editing.entry
    opened = edit_files.open_file(entry.path)
    return opened, TableText(opened.text, entry.group, entry.name, editing.shown)


def _follow(text: TableText, found: Reference, name: str) -> TableText:
    """Let a preset's table name a profile by its new name; the text with the first table in hand."""
    group, _, preset = found.who.rpartition("/")
    table = TableText(text.text, group, preset, text.shown)
    return text.put(table.point(found.key, name).text)


def _write(path: Path, text: TableText) -> Opened:
    """Write the file of tables, which may be new.

    Raises:
        EditError: It cannot be written.
    """
    opened = edit_files.open_file(path) if path.exists() else Opened.new(path)
    return edit_files.save(opened, text)[0]
