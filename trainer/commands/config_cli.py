"""`traindeck config …` and `traindeck profiles …`: parsing only."""

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
    overrides_argument,
)


@click.group(cls=Group)
def config() -> None:
    """Compose, compare and check configs; nothing is started."""


@config.command("show")
@overrides_argument()
@CONFIG_FILE
@PROFILES_DIR
@JSON
def config_show(**options: Any) -> int:
    """Print the composed config as YAML."""
    from trainer.commands import config as command

    return command.show(**options)


@config.command("diff")
@overrides_argument()
@click.option("--against", help="A preset, GROUP=OPTION, a run, or a config.yaml to compare with.")
@CONFIG_FILE
@PROFILES_DIR
@RUNS_DIR
@JSON
def config_diff(**options: Any) -> int:
    """Show what differs from the defaults, and which file or override each value came from."""
    from trainer.commands import config as command

    return command.diff(**options)


@config.command("validate")
@overrides_argument()
@CONFIG_FILE
@PROFILES_DIR
@JSON
def config_validate(**options: Any) -> int:
    """Check a config; every problem is listed, and the exit code is 2 if there is one."""
    from trainer.commands import config as command

    return command.validate(**options)


@config.command("where")
@click.argument("key", shell_complete=complete("key"))
@overrides_argument()
@CONFIG_FILE
@PROFILES_DIR
@JSON
def config_where(**options: Any) -> int:
    """Tell where the value of KEY comes from, and what the key means."""
    from trainer.commands import config as command

    return command.where(**options)


@config.command("lr")
@overrides_argument()
@click.option(
    "--batches-per-epoch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Batches of an epoch for each device; saves building the data to count them.",
)
@click.option(
    "--csv", "as_csv", is_flag=True, help="A row wherever the learning rate changes, as CSV."
)
@CONFIG_FILE
@PROFILES_DIR
@JSON
def config_lr(**options: Any) -> int:
    """Plot the learning rate over the whole run, by the classes that will train it.

    Torch's own optimiser and scheduler are stepped as the run would step them, on a few tiny
    tensors. Where the run's length depends on the data, they are built to count their batches.
    """
    from trainer.commands import lr as command

    return command.show_lr(**options)


@config.command("aliases")
@JSON
def config_aliases(**options: Any) -> int:
    """List other spellings of keys, and the canonical key of each."""
    from trainer.commands import config as command

    return command.aliases(**options)


@click.group(cls=Group)
def profiles() -> None:
    """Browse profiles and make new ones."""


@profiles.command("list")
@click.argument("group", required=False, shell_complete=complete("group"))
@PROFILES_DIR
@JSON
def profiles_list(**options: Any) -> int:
    """List the groups, or the options of one group, and where each file comes from."""
    from trainer.commands import profiles as command

    return command.list_profiles(**options)


@profiles.command("new")
@click.argument("name", metavar="GROUP/NAME", shell_complete=complete("profile"))
@click.option("--from", "copy_from", metavar="OPTION", help="Copy this option of the group.")
@PROFILES_DIR
def profiles_new(**options: Any) -> int:
    """Make a new profile: the YAML file, its line in the group's README, and a test."""
    from trainer.commands import profiles as command

    return command.new(**options)
