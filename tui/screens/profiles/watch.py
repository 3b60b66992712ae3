"""Notices what others do to the files meanwhile, and takes it over or puts both together."""

from __future__ import annotations

import asyncio

from trainer.config import edit_files
from trainer.config.edit import EditError
from trainer.config.edit_merge import merge
from tui.screens.profiles.editing import Editing
from tui.screens.profiles.edits import EditKeys
from tui.sources.profiles import fingerprint

#: The files are looked at this often, in seconds.
_WATCH_SECONDS = 2.0


class WatchFiles(EditKeys):
    """The part of the screen that follows the files."""

    _watched = 0.0

    def tick(self) -> None:
        """Look whether somebody else changed the files."""
        now = self.context.clock.monotonic()
        if now - self._watched < _WATCH_SECONDS or not self.is_mounted:
            return
        self._watched = now
        editing = self.current

        def work() -> None:
            outdated = editing is not None and edit_files.is_changed(editing.opened)
            is_new = fingerprint(self.context) != self.catalogue.stamp
            if outdated or is_new:
                self.app.call_from_thread(self._noticed, editing if outdated else None, is_new)

        self.run_worker(work, thread=True, group="watch", exclusive=True)

    def _noticed(self, editing: Editing | None, is_new: bool) -> None:
        if not self.is_mounted:
            return
        if editing is not None and not editing.is_changed:
            self.run_worker(self._renew(editing, quiet=True), group="files")
        elif editing is not None and not editing.outdated:
            editing.outdated = True
            self.draw()
        if is_new:
            self.reread()

    async def _renew(self, editing: Editing, *, quiet: bool = False) -> None:
        """Take the file as it is on disk; if it is gone, that shows in the list."""
        try:
            opened = await asyncio.to_thread(edit_files.open_file, editing.opened.path)
        except EditError as error:
            if not quiet:
                self.tell(error)
            return
        editing.adopt(opened)
        self.changed(editing)
        self.draw()
        self.deck.say(f"{editing.shown} was read again: it was changed on disk.")

    def action_reload(self) -> None:
        """Take the file as it is on disk; undo comes back to the text in hand."""
        editing = self.in_hand()
        if editing is not None:
            self.run_worker(self._renew(editing), group="files")

    def action_merge(self) -> None:
        """Put the file as it is on disk and the text in hand together."""
        editing = self.in_hand()
        if editing is not None and editing.outdated:
            self.run_worker(self._merge(editing), group="files")

    async def _merge(self, editing: Editing) -> None:
        path = editing.opened.path
        theirs = await self.done(lambda: edit_files.open_file(path))
        if theirs is None:
            return
        merged = merge(editing.opened.text, editing.profile.text, theirs.text)
        editing.adopt(theirs, merged.text)
        self.changed(editing)
        if merged.conflicts:
            self.choose_between()
        else:
            self.deck.say("Both are put together; nothing is saved yet.")
