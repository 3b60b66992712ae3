"""The profiles: what would run, and how does it differ?"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.widgets import Input

from tui.screens.profiles.editing import Editing, words_of
from tui.screens.profiles.tree import ProfileTree
from tui.screens.profiles.watch import WatchFiles
from tui.text import clean
from tui.widgets.dialogs import Confirm
from tui.widgets.keybar import binding
from tui.widgets.optionpick import option_pick


class ProfilesScreen(WatchFiles):
    """Browse, edit, compare and save profiles.

    Args:
        profile: The one to begin with, `group/name`; the first of `trainer` if empty.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        binding("ctrl+s,s", "save", "save", tip="Save; of a built-in profile, a copy"),
        binding("L", "launch", "launch", tip="Launch with this profile"),
        binding("a", "add", "add key", tip="Set a key that the profile does not set yet"),
        binding("y", "edit_yaml", "edit YAML", tip="Edit the YAML; Escape stops"),
        binding("d", "diff_with", "diff with", tip="Compare with another profile or run"),
        binding("slash", "search", "search", tip="Search the profiles"),
        binding("b", "browse", "browse", tip="Compare the profiles of this group in a table"),
        binding("S", "save_as", "save as", tip="Save the text under another name"),
        binding("e", "editor", "editor", tip="Open the text in your own editor"),
        binding("n", "new", "new", tip="Make a new profile in this group"),
        binding("D", "duplicate", "duplicate", tip="Write a copy under another name"),
        binding("r", "rename", "rename", tip="Give the profile another name"),
        binding("x,delete,tilde", "remove", "remove", tip="In the form: the key; else the profile"),
        binding("u", "undo", "undo", tip="Take back the last change or deletion"),
        binding("p", "next_problem", "problem", tip="Go to the next problem in the YAML"),
        binding("R", "reload", "reload", show=False, tip="Take the file as it is on disk"),
        binding("m", "merge", "merge", show=False, tip="Put both together: the file and your text"),
        binding("1", "pane('profiles')", "profiles", show=False, tip="To the list of profiles"),
        binding("2", "pane('form')", "form", show=False, tip="To the form"),
        binding("3", "pane('yaml')", "yaml", show=False, tip="To the YAML"),
        binding("4", "pane('changes')", "diff", show=False, tip="To the diff"),
        binding("tab", "next_pane(1)", "next pane", show=False, tip="To the next pane"),
        binding("shift+tab", "next_pane(-1)", "pane before", show=False, tip="To the pane before"),
        binding("q", "back", "back", show=False, tip="To the list, then back; asks if unsaved"),
    ]

    def action_launch(self) -> None:
        """Launch with this profile; what is not saved is saved first, if the person wants it."""
        editing = self.in_hand()
        if editing is not None:
            self.run_worker(self._launch(editing), group="files")

    async def _launch(self, editing: Editing) -> None:
        if editing.is_changed:
            lines = ["A run is made from the files; what is not saved is not in it."]
            question = Confirm(f"Save {editing.entry.full} first?", lines, "save and launch")
            if not await self.app.push_screen_wait(question):
                return
            if not await self.save(editing):
                return
        words = await asyncio.to_thread(words_of, editing.entry, self.context)
        self.deck.open_launch(words)

    def action_browse(self) -> None:
        """Show the group in hand as a table of what tells its profiles apart, and go to one."""
        group, tree = self.group_in_hand(), self.query_one(ProfileTree)
        entries = next((found for name, found in self.catalogue.groups if name == group), ())
        rows = [(clean(entry.name), clean(entry.problem or entry.doc)) for entry in entries]
        here = tree.entry
        cursor = entries.index(here) if here in entries else 0

        def picked(at: int | None) -> None:
            if at is not None and tree.go_to(entries[at].full):
                self._go(tree.entry)

        facts = self.catalogue.facts.get(group, ())
        self.app.push_screen(option_pick(group, rows, facts, cursor, self.context.glyphs), picked)

    def action_search(self) -> None:
        """Search the profiles."""
        self._show_pane("profiles")
        field = self.query_one("#search", Input)
        field.add_class("shown")
        field.focus()

    @on(Input.Changed, "#search")
    def _searched(self, event: Input.Changed) -> None:
        tree = self.query_one(ProfileTree)
        tree.search(event.value)
        self._go(tree.entry)  # another profile may have come under a cursor that stayed

    @on(Input.Submitted, "#search")
    def _found(self) -> None:
        entry = self.query_one(ProfileTree).entry
        self._end_search()
        if entry is not None:
            self.query_one(ProfileTree).go_to(entry.full)
            self._go(entry)

    def _end_search(self) -> None:
        field = self.query_one("#search", Input)
        field.value = ""
        field.remove_class("shown")
        self.query_one(ProfileTree).search("")
        self.action_pane("profiles")

    def action_back(self) -> None:
        """Out of the search, then to the list, then back to where one came from."""
        if self.query_one("#search", Input).has_class("shown"):
            self._end_search()
        elif self.pane != "profiles":
            self.action_pane("profiles")
        else:
            self._unless_unsaved(self.deck.back)

    def unsaved(self) -> list[str]:
        """Name the profiles that are not saved."""
        return [full for full, each in self.editings.items() if each.is_changed]

    def _unless_unsaved(self, leave: Any) -> None:
        unsaved = self.unsaved()
        if not unsaved:
            leave()
            return

        def answered(yes: bool | None) -> None:
            if yes:
                leave()

        question = "Leave without saving?"
        self.app.push_screen(Confirm(question, unsaved, "leave, and lose the changes"), answered)

    def tick(self) -> None:
        """The time of day, and what others changed."""
        if self.is_mounted:
            self._tell_title()
        super().tick()
