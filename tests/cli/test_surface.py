"""The public surface of the command line is frozen: a change must be made on purpose.

To accept one: `python -m pytest tests/cli/test_surface.py` shows the difference; edit surface.txt.
"""

from __future__ import annotations

from pathlib import Path

import click

from trainer.cli import cli

SNAPSHOT = Path(__file__).with_name("surface.txt")


def surface(command: click.Command, path: str) -> list[str]:
    lines = []
    for param in command.params:
        names = (
            "|".join(param.opts) if isinstance(param, click.Option) else param.human_readable_name
        )
        lines.append(f"{path} {names}")
    if isinstance(command, click.Group):
        for name, child in sorted(command.commands.items()):
            lines += [f"{path} {name}", *surface(child, f"{path} {name}")]
    return lines


def test_commands_and_options_are_as_recorded() -> None:
    assert "\n".join(surface(cli, "traindeck")) + "\n" == SNAPSHOT.read_text()


def test_every_command_and_option_has_help() -> None:
    def check(command: click.Command, path: str) -> None:
        assert command.help, path
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help, f"{path} {param.opts}"
        if isinstance(command, click.Group):
            for name, child in command.commands.items():
                check(child, f"{path} {name}")

    check(cli, "traindeck")


def test_the_page_on_commands_is_in_step() -> None:
    from trainer.commands.docs import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page(), "run make docs"
