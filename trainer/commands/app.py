"""`traindeck` without a command: the app, or what a place without a terminal gets."""

from __future__ import annotations

from pathlib import Path

import click

from trainer.commands.terminal import app_fits, screen_on_stderr
from trainer.errors import EXIT_OK


def open_app(
    ctx: click.Context,
    *,
    runs_dir: Path,
    profiles_dir: Path | None,
    config_file: Path | None,
    no_tui: bool,
) -> int:
    """Open the list of runs; see `traindeck --help`."""
    if app_fits(plain=no_tui):
        from tui.entry import open_runs

        with screen_on_stderr():
            return open_runs(runs_dir, profiles_dir=profiles_dir, config_file=config_file)
    if no_tui:
        from trainer.commands.runs import list_runs

        return list_runs(
            runs_dir=runs_dir, states=(), tags=(), name=None, sweep=None, limit=None, as_json=False
        )
    click.echo(ctx.get_help())
    return EXIT_OK
