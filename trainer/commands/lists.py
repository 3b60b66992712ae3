"""`traindeck train --list-presets`, `--list-experts` and `--list-hardware`."""

from __future__ import annotations

from pathlib import Path

from trainer.commands.output import json_line, line, note, table
from trainer.errors import EXIT_OK, EXIT_WRONG_INPUT


def show(
    what: str, config_file: Path | None, profiles_dir: Path | None, as_json: bool
) -> int:  # fmt: skip
    """List presets, experts or hardware profiles with what tells them apart.

    Args:
        what: `preset`, `expert` or `hardware`.
        config_file: The file given with `--config`.
        profiles_dir: The project's profiles, if named.
        as_json: Whether a program reads it.
    """
    from trainer.config.listing import columns, listed
    from trainer.config.sources import search_path

    sources = search_path(profiles_dir, config_file=config_file)
    rows = listed(sources, what)
    broken = [problem for file in sources.toml_files() for problem in file.problems]
    broken += [row.problem for row in rows if row.problem is not None]
    for problem in dict.fromkeys(broken):
        note(f"traindeck: {problem}")
    if as_json:
        about = [{"from": row.option.kind, "doc": row.option.doc} for row in rows]
        for known, row in zip(about, rows, strict=True):
            if row.problem is not None:
                known["problem"] = str(row.problem)
        json_line(
            [
                {what: row.option.name, **row.facts, **known}
                for row, known in zip(rows, about, strict=True)
            ]
        )
    elif not rows:
        line(f"There is no {what}.")
    else:
        shown = columns(what)
        by_need = sorted(range(len(shown)), key=lambda at: -shown[at].need)
        table(
            [column.title for column in shown],
            [[row.cells.get(column.key, "") for column in shown] for row in rows],
            [at for at, column in enumerate(shown) if column.right],
            [at for at in by_need if shown[at].need],
        )
    return EXIT_WRONG_INPUT if broken else EXIT_OK
