"""`traindeck profiles`: browse groups and options, make new profiles."""

from __future__ import annotations

from pathlib import Path

from trainer.commands.output import json_line, line, table
from trainer.errors import EXIT_OK, ConfigError, Problem, nearest


def list_profiles(group: str | None, profiles_dir: Path | None, as_json: bool) -> int:
    """List groups, or the options of a group; see `traindeck profiles list --help`."""
    from trainer.config.listing import first_sentence
    from trainer.config.sources import list_groups, list_options

    groups = list_groups(profiles_dir)
    if group is not None and group not in groups:
        hint = nearest(group, groups) or f"Groups: {', '.join(groups)}."
        raise ConfigError(Problem(f"there is no group '{group}'.", remedy=hint))
    options = [
        o for name in groups if group in (None, name) for o in list_options(name, profiles_dir)
    ]
    if as_json:
        json_line(
            [
                {
                    "group": o.group,
                    "option": o.name,
                    "path": str(o.path),
                    "from": o.kind,
                    "shadows": [str(path) for path in o.shadows],
                    "doc": o.doc,
                }
                for o in options
            ]
        )
        return EXIT_OK
    table(
        ["PROFILE", "FROM", "WHAT IT IS"],
        [[f"{o.group}={o.name}", o.kind, first_sentence(o.doc)] for o in options],
    )
    return EXIT_OK


def new(*, name: str, copy_from: str | None, profiles_dir: Path | None) -> int:
    """Make a profile; see `traindeck profiles new --help`."""
    from trainer.config.scaffold import new_profile
    from trainer.config.sources import list_groups

    before = list_groups(profiles_dir)
    for path in new_profile(name, folder=profiles_dir or Path("profiles"), copy_from=copy_from):
        line(f"made {path}")
    group, option = name.rsplit("/", 1)
    if group in before:
        line(f"use it with  traindeck train {group}={option}")
        return EXIT_OK
    hint = nearest(group, before)
    line(f"the group '{group}' is new{'. ' + hint if hint else ''}")
    line(f"use it with  traindeck train +{group}={option}")
    return EXIT_OK
