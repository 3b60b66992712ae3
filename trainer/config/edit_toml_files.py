"""Tables of TOML files as pieces of text: taken from one file, added to another."""

from __future__ import annotations

import re
from pathlib import Path

from trainer.config import edit_files, sources, toml_text
from trainer.config.diff import same
from trainer.config.edit_splice import EditError
from trainer.config.edit_toml import TableText, key_of
from trainer.config.text import clean
from trainer.errors import Problem

__all__ = ["added", "copied", "home_of", "segment"]


def segment(text: str, table: tuple[str, ...]) -> str:
    """Give a table's own lines, with the comment directly above it.

    Args:
        text: A valid text.
        table: The table's path.
    """
    headers = [m for m in toml_text.marks(text) if m.header]
    kept: list[str] = []
    for at, mark in enumerate(headers):
        if mark.path[: len(table)] != table:
            continue
        start = _comment_start(text, mark.start)
        following = headers[at + 1].start if at + 1 < len(headers) else len(text)
        lines = text[start : _comment_start(text, following)].rstrip().splitlines(keepends=True)
        while (gap := _last_gap(lines)) is not None:
            lines = "".join(lines[:gap]).rstrip().splitlines(keepends=True)
        kept.append("".join(lines) + "\n")
    return "\n".join(kept)


def _last_gap(lines: list[str]) -> int | None:
    """Find the blank line behind which only comments stand: they belong to what follows."""
    for at in range(len(lines) - 1, 0, -1):
        if not lines[at].strip():
            return at
        if not lines[at].lstrip().startswith("#"):
            break
    return None


def added(text: str, table: str) -> str:
    """Put a table's lines at the end of a text, a blank line before them."""
    if not text.strip():
        return table
    return f"{text.rstrip()}\n\n{table}"


def home_of(cwd: Path | None = None) -> tuple[Path, str]:
    """Give the file that a new table, or a built-in one's copy, is written to; and how to show it."""
    path = sources.project_toml(cwd)
    if not edit_files.can_write(path.parent):
        path = sources.user_folder() / sources.TOML
        return path, clean(str(path))
    return path, f"config/{sources.TOML}"


def _comment_start(text: str, at: int) -> int:
    """Go up over the comment lines directly above a place."""
    start = text.rfind("\n", 0, at) + 1
    while start > 0:
        above = text.rfind("\n", 0, start - 1) + 1
        if not text[above:start].lstrip().startswith("#"):
            break
        start = above
    return start


def copied(text: TableText, name: str, path: Path, shown: str) -> TableText:
    """Add the table in hand to another file, under a name.

    Args:
        text: The table.
        name: Its name there.
        path: The file; it need not exist.
        shown: The file as shown to a person.

    Returns:
        The file's whole text with the table in it.

    Raises:
        EditError: The file cannot be read, or has a table of that name.
    """
    there = edit_files.open_file(path).text if path.exists() else ""
    found = TableText(there, text.group, name, shown)
    text.must_be_readable()
    found.must_be_readable()
    if found.values:
        what = f"There is a table '{'.'.join(found.table)}' already."
        raise EditError(Problem(what, shown, "Choose another name."))
    lines = segment(text.text, text.table)
    if name != text.name:
        old, new = (".".join(map(key_of, (text.table[0], n))) for n in (text.name, name))
        lines = re.sub(rf"(?m)^(\s*\[\s*){re.escape(old)}(?=\s*[.\]])", rf"\g<1>{new}", lines)
    whole = found.put(added(there, lines))
    if whole.problems or not same(whole.values, text.values):
        what = f"'{clean('.'.join(text.table))}' is written in a way that cannot be copied."
        raise EditError(Problem(what, text.shown, "Copy it in the TOML."))
    return whole
