"""`traindeck train --list-presets`, `--list-experts` and `--list-hardware`."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.output import json_line, line, note, table
from trainer.errors import EXIT_OK, EXIT_WRONG_INPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.config.listing import Listed

_PLURALS = {"preset": "presets", "expert": "experts", "hardware": "hardware"}
_WIDTH = 100


def show(
    asked: Sequence[str],
    *,
    config_file: Path | None,
    profiles_dir: Path | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """List presets, experts or hardware profiles with what tells them apart.

    As JSON one list is a list of its options, and several are a mapping of them by name.

    Args:
        asked: Which of `preset`, `expert` and `hardware`, in order.
        config_file: The file given with `--config`.
        profiles_dir: The project's profiles, if named.
        as_json: Whether a program reads it.
        verbose: Whether all is told of each, and in which file and line it stands.
    """
    from trainer.config.listing import listed
    from trainer.config.sources import search_path

    sources = search_path(profiles_dir, config_file=config_file)
    lists = {what: listed(sources, what) for what in asked}
    broken = [problem for file in sources.toml_files() for problem in file.problems]
    broken += [row.problem for rows in lists.values() for row in rows if row.problem is not None]
    for problem in dict.fromkeys(broken):
        note(f"traindeck: {problem}")
    for file in sources.strangers():
        note(
            f"note: {file.shown} is not used: none of its tables is a group of profiles or a section"
        )
    if as_json:
        plain = {
            _PLURALS[what]: [_plain(what, row) for row in rows] for what, rows in lists.items()
        }
        json_line(plain if len(plain) > 1 else next(iter(plain.values())))
        return EXIT_WRONG_INPUT if broken else EXIT_OK
    for at, (what, rows) in enumerate(lists.items()):
        if at:
            line()
        if not rows:
            line(f"There is no {what}.")
        elif verbose:
            _at_length(rows)
        else:
            _print(what, rows)
    return EXIT_WRONG_INPUT if broken else EXIT_OK


def _plain(what: str, row: Listed) -> dict[str, Any]:
    option = row.option
    found = {what: option.name, **row.facts, "from": option.kind, "doc": option.doc}
    found |= {"path": str(option.path), "line": option.line or None}
    if row.problem is not None:
        found["problem"] = str(row.problem)
    return found


def _print(what: str, rows: Sequence[Listed]) -> None:
    from trainer.config.listing import columns

    shown = columns(what)
    by_need = sorted(range(len(shown)), key=lambda at: -shown[at].need)
    table(
        [column.title for column in shown],
        [[row.cells.get(column.key, "") for column in shown] for row in rows],
        [at for at, column in enumerate(shown) if column.right],
        [at for at in by_need if shown[at].need],
    )


def _at_length(rows: Sequence[Listed]) -> None:
    """Tell all of each option, one below the other."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
    names = max((len(name) for row in rows for name in row.facts), default=0)
    for at, row in enumerate(rows):
        if at:
            line()
        option = row.option
        place = f"{_shown(option.path)}:{option.line}" if option.line else _shown(option.path)
        line(f"{option.name}  ({option.kind}, {place})")
        if option.doc:
            _wrapped(option.doc, "  ", width)
        if row.problem is not None:
            _wrapped(str(row.problem), "  ", width)
        for name, value in row.facts.items():
            if value is not None:
                _wrapped(_text(value), f"  {name:<{names}}  ", width)


def _wrapped(text: str, head: str, width: int) -> None:
    room = max(width - len(head), 20)
    for at, part in enumerate(textwrap.wrap(text, room, break_on_hyphens=False) or [""]):
        line(f"{head if not at else ' ' * len(head)}{part}")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown(path: Path) -> str:
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return prefix + path.relative_to(base).as_posix()
    return str(path)
