"""What was deleted on the screen of profiles, and how it is brought back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trainer.config import edit_files
from trainer.config.edit_files import Opened
from trainer.config.edit_merge import merge
from trainer.config.edit_toml import TableText
from trainer.config.edit_toml_files import added, segment


class Gone(Protocol):
    """Something deleted."""

    @property
    def full(self) -> str:
        """Its name, `group/name`."""

    def restore(self) -> None:
        """Bring it back.

        Raises:
            ConfigError: It cannot be.
        """

    def forget(self) -> None:
        """Let it go for good."""


@dataclass(frozen=True)
class HiddenFile:
    """A profile of its own file, which lies hidden beside.

    Attributes:
        full: Its name.
        hidden: Where it lies.
        path: Where it was.
    """

    full: str
    hidden: Path
    path: Path

    def restore(self) -> None:
        """Bring it back."""
        edit_files.restore(self.hidden, self.path)

    def forget(self) -> None:
        """Let it go for good."""
        edit_files.forget(self.hidden)


@dataclass(frozen=True)
class TakenOut:
    """A table that was taken out of its file.

    Attributes:
        full: Its name.
        path: The file.
        before: The file with the table in hand.
        after: The file's text without it.
    """

    full: str
    path: Path
    before: TableText
    after: str

    def restore(self) -> None:
        """Put it back where it was; behind everything else where others changed the file there."""
        there = edit_files.open_file(self.path) if self.path.exists() else Opened.new(self.path)
        text = self.before.text
        if there.text != self.after:
            merged = merge(self.after, text, there.text)
            whole = self.before.put(merged.text)
            own = segment(text, self.before.table)
            text = added(there.text, own) if merged.conflicts or whole.problems else merged.text
        new = self.before.put(text)
        new.must_be_readable()
        edit_files.save(there, new)

    def forget(self) -> None:
        """Nothing of it lies anywhere."""
