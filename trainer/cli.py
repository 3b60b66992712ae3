"""The command line: parse, then hand over to `trainer.commands`.

Nothing heavier than click is imported until a command runs, so that `--help` and completion are
instant.
"""

from __future__ import annotations

if __name__ == "__main__":  # before anything that takes its time to import
    from trainer import start

    start.listen()

import os
import sys
from pathlib import Path
from typing import Any

import click

from trainer import __version__
from trainer.commands.ablate_cli import ablate
from trainer.commands.check_cli import check
from trainer.commands.config_cli import config, profiles
from trainer.commands.control_cli import checkpoint, stop, validate_now
from trainer.commands.data_cli import data
from trainer.commands.estimate_cli import estimate
from trainer.commands.hardware_cli import hardware
from trainer.commands.lora_cli import adapter, evaluate, merge
from trainer.commands.options import (
    CLAMP,
    CONFIG_FILE,
    EXPERT,
    HARDWARE,
    JSON,
    LISTS,
    PROFILES_DIR,
    QUEUE,
    RUNS_DIR,
    VERBOSE,
    Group,
    complete,
    overrides_argument,
    run_argument,
    several,
)
from trainer.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_OUT_OF_MEMORY,
    EXIT_TIMEOUT,
    EXIT_WRONG_INPUT,
    Problem,
    TraindeckError,
)

EXIT_CODES = f"""\b
Exit codes:
  {EXIT_OK}    completed, or stopped on request
  {EXIT_FAILED}    failed, killed or lost
  {EXIT_WRONG_INPUT}    wrong input: nothing was started, or the data or model refused it at once
  {EXIT_TIMEOUT}    ended at its wall-clock limit
  {EXIT_OUT_OF_MEMORY}    out of memory
  {EXIT_INTERRUPTED}  interrupted with Ctrl-C here
"""


@click.group(
    cls=Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, prog_name="traindeck")
@RUNS_DIR
@PROFILES_DIR
@CONFIG_FILE
@click.option("--no-tui", is_flag=True, help="Print the list of runs instead of opening the app.")
@click.pass_context
def cli(ctx: click.Context, /, **options: Any) -> int | None:
    """The terminal flight deck for PyTorch training.

    Without a command it opens the app, on the list of runs. Profiles compose into a config, a
    config becomes a run folder, a process trains in it, and everything else watches the folder.

    \b
      traindeck                               the app: runs, monitor, profiles, launch
      traindeck train quickstart              train a small GPT on Python's own sources
      traindeck runs                          what is going on?
      traindeck watch last                    follow a run, also one started elsewhere
      traindeck config diff trainer=ci_fast   what would run, and how does it differ?
    """
    if ctx.invoked_subcommand is not None:
        given = ctx.get_parameter_source
        for parameter in ctx.command.params:
            name = parameter.name or ""
            if given(name) == click.core.ParameterSource.COMMANDLINE:
                raise click.UsageError(
                    f"{parameter.opts[0]} stands before the command. Give it behind:"
                    f" traindeck {ctx.invoked_subcommand} {parameter.opts[0]} …"
                )
        return None
    from trainer.commands import app

    return app.open_app(ctx, **options)


cli.add_command(config)
cli.add_command(profiles)
cli.add_command(check)
cli.add_command(data)
cli.add_command(ablate)
cli.add_command(hardware)
cli.add_command(estimate)
cli.add_command(evaluate)
cli.add_command(adapter)
cli.add_command(merge)
cli.add_command(stop)
cli.add_command(checkpoint)
cli.add_command(validate_now)


# ── training ─────────────────────────────────────────────────────────────────────────────────


@cli.command(epilog=EXIT_CODES, short_help="Compose a config, launch it and follow the run.")
@overrides_argument()
@CONFIG_FILE
@PROFILES_DIR
@RUNS_DIR
@click.option("--name", help="Name of the run.  [default: the preset's name]")
@click.option("--tag", "tags", multiple=True, help="Tag of the run; may be given several times.")
@click.option("--no-tui", is_flag=True, help="Plain lines, also on a terminal.")
@JSON
@click.option("--detach", "-d", is_flag=True, help="Start, print the run's id and return.")
@click.option("--dry-run", is_flag=True, help="Show config, diff and command; start nothing.")
@CLAMP
@QUEUE
@click.option("--interval", type=click.FloatRange(min=0.1), help="Seconds between progress lines.")
@click.option("-m", "--multirun", is_flag=True, help="Sweep, as `ablate` does.")
@EXPERT
@HARDWARE
@VERBOSE
@several(*LISTS)
def train(**options: Any) -> int:
    """Compose a config, launch it in a process of its own and follow it.

    A bare word is a preset (quickstart is preset=quickstart). Overrides follow Hydra's grammar:
    trainer=ci_fast picks an option of a group, trainer.max_epochs=3 sets a value, ~key restores
    the default. Training outlives this command: closing the terminal does not hurt it.

    \b
      traindeck train quickstart
      traindeck train trainer=ci_fast optimizer.config.lr=1e-3
      traindeck train quickstart --detach --name night --tag baseline
      traindeck train oracle-rauru-mac --config my_config.toml
      traindeck train --list-presets
    """
    listed = options.pop("listed")
    if listed:
        from trainer.commands import lists

        asked = ("config_file", "profiles_dir", "as_json", "verbose")
        return lists.show(listed, **{name: options[name] for name in asked})
    from trainer.commands import train as command

    return command.train(**options)


@cli.command(epilog=EXIT_CODES)
@run_argument()
@overrides_argument()
@RUNS_DIR
@CLAMP
@click.option("--no-tui", is_flag=True, help="Plain lines, also on a terminal.")
@JSON
@click.option("--detach", "-d", is_flag=True, help="Start, print the run's id and return.")
@QUEUE
@click.option("--interval", type=click.FloatRange(min=0.1), help="Seconds between progress lines.")
def resume(**options: Any) -> int:
    """Go on with a run from its last checkpoint.

    Without overrides the run goes on in its own folder. With overrides a new run starts from the
    old one's checkpoint, with the old one as its parent; with --clamp it keeps to its hardware
    profile. An epoch goes on after the samples that were trained on, whatever the batch is now.

    \b
      traindeck resume last
      traindeck resume last trainer.max_steps=5000
      traindeck resume last hardware.max_batch_size=4 --clamp
    """
    from trainer.commands import train as command

    return command.resume(**options)


@cli.command(epilog=EXIT_CODES, short_help="Repeat a run from its folder alone.")
@run_argument()
@RUNS_DIR
@click.option("--name", help="Name of the new run.  [default: the old one's]")
@click.option("--tag", "tags", multiple=True, help="Tag of the new run.")
@click.option("--no-tui", is_flag=True, help="Plain lines, also on a terminal.")
@JSON
@click.option("--detach", "-d", is_flag=True, help="Start, print the run's id and return.")
@QUEUE
@click.option("--interval", type=click.FloatRange(min=0.1), help="Seconds between progress lines.")
def rerun(**options: Any) -> int:
    """Repeat a run from its folder alone: the same config, the same hash, a new folder."""
    from trainer.commands import train as command

    return command.rerun(**options)


# ── watching ─────────────────────────────────────────────────────────────────────────────────


@cli.command(epilog=EXIT_CODES, short_help="Follow a run, also one started elsewhere.")
@click.argument("source", metavar="RUN|PATH|-", shell_complete=complete("run"))
@RUNS_DIR
@click.option("--no-tui", is_flag=True, help="Plain lines, also on a terminal.")
@JSON
@click.option("--interval", type=click.FloatRange(min=0.1), help="Seconds between progress lines.")
def watch(**options: Any) -> int:
    """Follow a run: by id, name, 'last', its folder, an events file, or '-' for standard input.

    Leaving with Ctrl-C leaves the run running. The exit code is the run's.
    """
    from trainer.commands import watch as command

    return command.watch(**options)


@cli.command()
@run_argument()
@RUNS_DIR
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=50, help="Last lines to show.")
def logs(**options: Any) -> int:
    """Show what a run's process printed."""
    from trainer.commands import runs as command

    return command.logs(**options)


@cli.group(cls=Group, invoke_without_command=True)
@RUNS_DIR
@click.option(
    "--state",
    "states",
    multiple=True,
    help="Only runs in this state, or in these: running,queued.",
    shell_complete=complete("state"),
)
@click.option("--tag", "tags", multiple=True, help="Only runs with this tag.")
@click.option("--name", help="Only runs whose name holds this text.")
@click.option("--sweep", help="Only runs of this sweep.", shell_complete=complete("sweep"))
@click.option("-n", "--limit", type=click.IntRange(min=1), help="At most this many, newest first.")
@JSON
@click.pass_context
def runs(ctx: click.Context, /, **options: Any) -> int:
    """List the runs, newest first."""
    if ctx.invoked_subcommand is not None:
        ctx.obj = options["runs_dir"]
        return EXIT_OK
    from trainer.commands import runs as command

    return command.list_runs(**options)


@runs.command("rm")
@run_argument("names", nargs=-1, required=True)
@RUNS_DIR
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def runs_rm(ctx: click.Context, /, **options: Any) -> int:
    """Delete runs that have ended, with their checkpoints."""
    from trainer.commands import runs as command

    if ctx.get_parameter_source("runs_dir") is click.core.ParameterSource.DEFAULT:
        options["runs_dir"] = ctx.obj
    return command.remove(**options)


@cli.command()
@run_argument()
@RUNS_DIR
@JSON
def show(**options: Any) -> int:
    """Show one run: state, progress, how it ended, its files. Of a sweep, its trials and results."""
    from trainer.commands import runs as command

    return command.show(**options)


@cli.command()
@run_argument("a")
@run_argument("b")
@RUNS_DIR
@JSON
def diff(**options: Any) -> int:
    """Show in which config keys two runs differ."""
    from trainer.commands import config as command

    return command.diff_runs(**options)


@cli.command(short_help="Write a run's metrics as CSV or JSON lines.")
@run_argument()
@RUNS_DIR
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    show_default=True,
    help="How rows are written.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File.")
@click.option("--metric", "metrics", multiple=True, help="Only this metric; may be repeated.")
def export(**options: Any) -> int:
    """Write a run's metrics to a file or to stdout, one row a step.

    After a resume the later value of a step counts.
    """
    from trainer.commands import export as command

    return command.export(**options)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script for a shell.

    \b
      eval "$(traindeck completion bash)"       in ~/.bashrc
      eval "$(traindeck completion zsh)"        in ~/.zshrc
      traindeck completion fish | source        in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    if shell == "bash":
        from trainer.commands.complete import BASH

        click.echo(BASH, nl=False)
        return EXIT_OK
    kind = get_completion_class(shell)
    if kind is None:
        raise TraindeckError(Problem(f"no completion for {shell}"))
    click.echo(kind(cli, {}, "traindeck", "_TRAINDECK_COMPLETE").source())
    return EXIT_OK


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    try:
        code = cli.main(args=args, prog_name="traindeck", standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        error.show()
        code = EXIT_WRONG_INPUT
    except TraindeckError as error:
        from trainer.commands.output import print_error

        print_error(error)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`traindeck runs | head`): that is no fault of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_OK
    except OSError as error:
        # A disk that is full, a folder that may not be written: the person's to mend.
        from trainer.commands.output import note

        place = f"{error.filename}: " if error.filename else ""
        note(f"traindeck: {place}{error.strerror or error}")
        code = EXIT_WRONG_INPUT
    sys.exit(code if isinstance(code, int) else EXIT_OK)


if __name__ == "__main__":
    start.run(main)
