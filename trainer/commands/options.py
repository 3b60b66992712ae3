"""Options, arguments and groups that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from trainer.errors import nearest

F = TypeVar("F", bound=Callable[..., Any])

RUNS_DIR = click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=lambda: Path(os.environ.get("TRAINDECK_RUNS_DIR", "runs")),
    show_default="$TRAINDECK_RUNS_DIR or ./runs",
    help="Folder that holds the runs.",
)
PROFILES_DIR = click.option(
    "--profiles-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with this project's profiles, in place of ./profiles.",
)
CONFIG_FILE = click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A YAML file of your own that overlays the built-in config, or a TOML file of tables in place"
    " of config/training.toml.",
)
CLAMP = click.option(
    "--clamp",
    is_flag=True,
    help="Lower what is beyond the hardware profile to what it allows; the effective batch stays.",
)
LISTS = (
    click.option(
        "--list-presets",
        "listed",
        flag_value="preset",
        multiple=True,
        help="List all presets, and start nothing.",
    ),
    click.option(
        "--list-experts",
        "listed",
        flag_value="expert",
        multiple=True,
        help="List the experts to train.",
    ),
    click.option(
        "--list-hardware",
        "listed",
        flag_value="hardware",
        multiple=True,
        help="List the hardware profiles.",
    ),
)
EXPERT = click.option(
    "--expert", metavar="NAME", help="Train this expert; the same as expert=NAME.",
    shell_complete=lambda ctx, _, word: options_named("expert", ctx, word),
)  # fmt: skip
HARDWARE = click.option(
    "--hardware", metavar="NAME", help="Train on this; the same as hardware=NAME.",
    shell_complete=lambda ctx, _, word: options_named("hardware", ctx, word),
)  # fmt: skip
VERBOSE = click.option(
    "--verbose", "-v", is_flag=True,
    help="Tell before the start which files were read and where each value comes from.",
)  # fmt: skip
QUEUE = click.option("--queue", is_flag=True, help="Wait until the device is free of other runs.")
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output on stdout.")


def complete(kind: str) -> Any:
    """Make the completion of a parameter; what it offers is found only when asked for."""

    def find(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        from trainer.commands.complete import candidates

        return candidates(kind, incomplete, ctx.params)

    return find


def options_named(group: str, ctx: click.Context, incomplete: str) -> list[str]:
    """Offer a group's options to the shell, without the group's name."""
    from trainer.commands.complete import candidates

    prefix = f"{group}="
    found = candidates("overrides", prefix + incomplete, ctx.params)
    return [word.removeprefix(prefix) for word in found]


def several(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Make one decorator of several options, which help lists in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def overrides_argument(name: str = "overrides") -> Callable[[F], F]:
    """Make the argument that takes a preset and overrides."""
    return click.argument(name, nargs=-1, metavar="[OVERRIDES]...", shell_complete=complete(name))


def run_argument(name: str = "run", **options: Any) -> Callable[[F], F]:
    """Make the argument that names a run."""
    return click.argument(name, metavar="RUN", shell_complete=complete("run"), **options)


class Group(click.Group):
    """A group that names the nearest command when it does not know one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names."""
        name = args[0] if args else ""
        if name and self.get_command(ctx, name) is None:
            hint = nearest(name, self.commands) or f"See '{ctx.command_path} --help'."
            raise click.UsageError(f"No such command '{name}'. {hint}", ctx)
        return super().resolve_command(ctx, args)
