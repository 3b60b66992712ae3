"""`traindeck hardware`: parsing only."""

from __future__ import annotations

from typing import Any

import click

from trainer.commands.options import CONFIG_FILE, JSON, PROFILES_DIR


@click.command(short_help="Show this machine, which hardware profiles fit it, and what to type.")
@click.option("--write", metavar="NAME", help="Write a profile hardware/NAME for this machine.")
@CONFIG_FILE
@PROFILES_DIR
@JSON
def hardware(**options: Any) -> int:
    """Show this machine, which hardware profiles fit it and why others do not, and what to type.

    Cores and memory are those that this process may use, also in a container. GPUs are asked for
    without loading torch; only where one is found is the installed PyTorch asked, in a process of
    its own and once, which architectures it knows.

    \b
      traindeck hardware
      traindeck hardware --write workstation
      traindeck train quickstart hardware=auto
    """
    from trainer.commands import hardware as command

    return command.show(**options)
