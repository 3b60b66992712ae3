"""Tables of TOML files as pieces of text: taken from one file, added to another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from trainer.config import edit_files, sources, toml_text
from trainer.config.diff import same
from trainer.config.edit_splice import EditError
from trainer.config.edit_toml import TableText, key_of
from trainer.config.text import clean
from trainer.config.toml_tables import PRESET
from trainer.errors import Problem
from trainer.paths import at_home

__all__ = ["added", "begun", "copied", "home_of", "renamed", "segment", "taken_out"]

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_SHORT = {
    "preset": ("sequence_length", "batch_size", "gradient_accumulation"),
    "hyperparameters": (
        "num_epochs", "learning_rate", "warmup_steps", "weight_decay", "lr_scheduler", "max_steps",
        "logging_steps", "save_steps", "save_total_limit", "eval_strategy", "eval_steps",
    ),
    "data": ("path", "train_split", "val_split", "test_split", "quality_threshold", "domains"),
}  # fmt: skip
_HEADER = re.compile(rf"(\[\[?[ \t]*{_KEY}[ \t]*\.[ \t]*)({_KEY})")


def segment(text: str, table: tuple[str, ...]) -> str:
    """Give a table's own lines, with the comment directly above it.

    Args:
        text: A valid text.
        table: The table's path.
    """
    return "\n".join(text[start:end].rstrip() + "\n" for start, end in _spans(text, table))


def _spans(text: str, table: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Find where a table's own lines stand, from the comment above each of its headers."""
    headers = [m for m in toml_text.marks(text) if m.header]
    for at, mark in enumerate(headers):
        if mark.path[: len(table)] != table:
            continue
        start = _comment_start(text, mark.start)
        following = headers[at + 1].start if at + 1 < len(headers) else len(text)
        lines = text[start : _comment_start(text, following)].rstrip().splitlines(keepends=True)
        while (gap := _last_gap(lines)) is not None:
            lines = "".join(lines[:gap]).rstrip().splitlines(keepends=True)
        yield start, start + len("".join(lines))


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


def home_of(cwd: Path | None = None, config_file: Path | None = None) -> tuple[Path, str]:
    """Give the file that a new table, or a built-in one's copy, is written to; and how to show it.

    Args:
        cwd: The project.
        config_file: A TOML file in place of the project's.
    """
    if config_file is not None and sources.is_toml(config_file):
        here = Path.cwd() if cwd is None else cwd
        return here / at_home(config_file), clean(str(config_file))
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


def _place(path: Path, group: str, name: str, shown: str) -> TableText:
    """Give the place of a table in a file that need not exist."""
    there = edit_files.open_file(path).text if path.exists() else ""
    return TableText(there, group, name, shown)


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
    found = _place(path, text.group, name, shown)
    text.must_be_readable()
    found.must_be_readable()
    if found.values:
        what = f"There is a table '{'.'.join(found.table)}' already."
        raise EditError(Problem(what, shown, "Choose another name."))
    lines = segment(_renamed(text, name), (text.table[0], name))
    whole = found.put(added(found.text, lines))
    if whole.problems or not same(whole.values, text.values):
        what = f"'{clean('.'.join(text.table))}' is written in a way that cannot be copied."
        raise EditError(Problem(what, text.shown, "Copy it in the TOML."))
    return whole


def renamed(text: TableText, name: str) -> TableText:
    """Give the table in hand another name; everything else in the file stays as it is.

    Args:
        text: The file, with the table in hand.
        name: Its new name in the group.

    Returns:
        The file's text, with the table of the new name in hand.

    Raises:
        EditError: The file cannot be read, has a table of that name, or writes the table in a way that
            hides its name.
    """
    text.must_be_readable()
    top, old = text.table
    new = TableText(_renamed(text, name), text.group, name, text.shown)
    wanted = {**text.file, top: {name if k == old else k: v for k, v in text.file[top].items()}}
    if name in text.file[top]:
        what = f"There is a table '{top}.{clean(name)}' already."
        raise EditError(Problem(what, text.shown, "Choose another name."))
    if new.problems or not same(new.file, wanted):
        raise _by_hand(text, "renamed")
    return new


def taken_out(text: TableText) -> TableText:
    """Take the table in hand out, with its comment; everything else in the file stays as it is.

    Raises:
        EditError: The file cannot be read, or writes the table in a way that is not told apart.
    """
    text.must_be_readable()
    top, old = text.table
    rest = text.text
    for start, end in reversed(list(_spans(text.text, text.table))):
        rest = rest[:start] + rest[end:].lstrip("\r\n")
    kept = rest.rstrip()
    newline = "\r\n" if rest[len(kept) :].startswith("\r") else "\n"
    rest = kept + newline if kept else ""
    new = text.put(rest)
    wanted = {**text.file, top: {k: v for k, v in text.file[top].items() if k != old}}
    now = {**new.file, top: new.file.get(top, {})}
    if new.problems or not same(now, wanted):
        raise _by_hand(text, "taken out")
    return new


def begun(group: str, name: str, path: Path, shown: str) -> TableText:
    """Add a new table to a file: its header, and what it may say as comments.

    Args:
        group: The group that it belongs to.
        name: Its name there.
        path: The file; it need not exist.
        shown: The file as shown to a person.

    Returns:
        The file's whole text with the table in it.

    Raises:
        EditError: The file cannot be read, or has a table of that name.
    """
    found = _place(path, group, name, shown)
    found.must_be_readable()
    if name in (found.file.get(found.table[0]) or {}):
        what = f"There is a table '{clean('.'.join(found.table))}' already."
        raise EditError(Problem(what, shown, "Choose another name."))
    header = ".".join(map(key_of, found.table))
    lines = [f"[{header}]", f"# {name}: say here in one sentence what it is for.", *_offers(group)]
    return found.put(added(found.text, "\n".join(lines) + "\n"))


def _offers(group: str) -> Iterator[str]:
    """Give a commented line for each key that a table of a group usually has."""
    import json

    from trainer.config.alias_table import ALIASES
    from trainer.config.schema import fields

    known = fields()
    if group == PRESET:
        for name in ("expert", "hardware", "dataset", "hyperparameters", "lora"):
            yield f'# {name} = ""'
    short = {row.old: row.new for row in ALIASES if "004" in row.source}
    prefix = {"preset": "", "data": "datasets."}.get(group, f"{group}.")
    names = _SHORT.get(group) or [k for k in known if k.startswith(prefix) and k.count(".") == 1]
    for name in names:
        full = name if name.startswith(prefix) else f"{prefix}{name}"
        key = known.get(short.get(full, full)) or known.get(f"{group}.{name}")
        if key is not None and key.section:
            continue
        # What a short name becomes may be counted otherwise, so its default is none of it.
        default = key.default if key is not None and group not in _SHORT else None
        value = "" if default is None else f" {json.dumps(default)}"
        doc = f"  # {key.doc}" if key is not None else ""
        yield f"# {full.removeprefix(prefix)} ={value}{doc}"


def _renamed(text: TableText, name: str) -> str:
    """Write another name into each of a table's headers."""
    new = text.text
    for mark in reversed(toml_text.marks(text.text)):
        if mark.header and mark.path[:2] == text.table:
            header = _HEADER.sub(
                lambda found: found[1] + key_of(name), new[mark.start : mark.end], count=1
            )
            new = new[: mark.start] + header + new[mark.end :]
    return new


def _by_hand(text: TableText, verb: str) -> EditError:
    what = f"'{clean('.'.join(text.table))}' is written in a way that cannot be {verb} here."
    return EditError(Problem(what, text.shown, "Change it in the TOML."))
