"""The commands that control a live run."""

from __future__ import annotations

from typing import Any

import click

from trainer.commands.options import RUNS_DIR, run_argument


@click.command()
@run_argument()
@RUNS_DIR
@click.option(
    "--after",
    type=click.Choice(["step", "epoch"]),
    default="step",
    show_default=True,
    help="When to stop; a checkpoint is written first.",
)
@click.option(
    "--now", is_flag=True, help="End it at once: TERM, and KILL if it has not ended in seconds."
)
@click.option("--no-wait", is_flag=True, help="Return at once.")
def stop(**options: Any) -> int:
    """Stop a run, with a checkpoint."""
    from trainer.commands import control as command

    return command.stop(**options)


@click.command()
@run_argument()
@RUNS_DIR
@click.option("--no-wait", is_flag=True, help="Return at once.")
def checkpoint(**options: Any) -> int:
    """Write a checkpoint of a live run now."""
    from trainer.commands import control as command

    return command.ask(kind="checkpoint", **options)


@click.command("validate-now")
@run_argument()
@RUNS_DIR
@click.option("--no-wait", is_flag=True, help="Return at once.")
def validate_now(**options: Any) -> int:
    """Run validation in a live run now."""
    from trainer.commands import control as command

    return command.ask(kind="validate", **options)
