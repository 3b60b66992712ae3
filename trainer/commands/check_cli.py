"""`traindeck check …`: parsing only."""

from __future__ import annotations

from typing import Any

import click

from trainer.commands.options import (
    CONFIG_FILE,
    JSON,
    PROFILES_DIR,
    RUNS_DIR,
    Group,
    complete,
)
from trainer.errors import EXIT_FAILED, EXIT_OK, EXIT_WRONG_INPUT

_CODES = f"""\b
Exit codes:
  {EXIT_OK}    all is well; of two runs: every figure is the same
  {EXIT_FAILED}    something is missing, or figures differ
  {EXIT_WRONG_INPUT}    wrong input
"""


@click.group(cls=Group)
def check() -> None:
    """Check what is easily overlooked; nothing of a run is changed."""


@check.command("repro", epilog=_CODES, short_help="Can a run be repeated to the last bit?")
@click.argument(
    "words",
    nargs=-1,
    metavar="[RUN|RUN RUN|OVERRIDES]...",
    shell_complete=complete("runs or words"),
)
@RUNS_DIR
@CONFIG_FILE
@PROFILES_DIR
@click.option(
    "--verify", is_flag=True, help="Repeat the first steps of RUN and compare them bit for bit."
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many steps --verify repeats.",
)
@JSON
def check_repro(**options: Any) -> int:
    """Walk the checklist of reproducibility for a run, or for what would be launched.

    A word that names a run is that run; anything else is a preset or an override, as for
    `traindeck train`. Of two runs it tells in what they differ, whether their figures are the same
    to the last bit, and from which step on they are not.

    \b
      traindeck check repro last                     can this run be repeated?
      traindeck check repro quickstart seed=null     and what I am about to launch?
      traindeck check repro bcdfghj kmnpqrs          are these two the same?
      traindeck check repro last --verify            repeat its first 20 steps, and compare
    """
    from trainer.commands import check as command

    return command.repro(**options)
