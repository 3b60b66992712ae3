"""`traindeck ablate`: parsing only."""

from __future__ import annotations

from typing import Any

import click

from trainer.commands.options import (
    CLAMP,
    CONFIG_FILE,
    JSON,
    PROFILES_DIR,
    RUNS_DIR,
    complete,
    overrides_argument,
)
from trainer.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_WRONG_INPUT

_CODES = f"""\b
Exit codes:
  {EXIT_OK}    every trial has trained to its end
  {EXIT_FAILED}    trials failed, were killed or lost; the rest has ended
  {EXIT_WRONG_INPUT}    wrong input, and nothing was started
  {EXIT_INTERRUPTED}  interrupted with Ctrl-C here; --resume goes on
"""


@click.command(epilog=_CODES, short_help="Sweep: train a trial for each combination of values.")
@overrides_argument()
@click.option(
    "-m", "--multirun", is_flag=True, help="As Hydra has it; what has several values varies anyway."
)
@click.option(
    "--one-at-a-time", is_flag=True, help="Each value against the baseline, not all combinations."
)
@click.option("--paired", is_flag=True, help="All keys in step: first values, second values, …")
@click.option("--seeds", help="Repeat each trial with these seeds: 0,1,2.")
@click.option(
    "--parallel",
    type=click.IntRange(min=1),
    help="Trials at the same time.  [default: ablation.parallel_runs]",
)
@click.option(
    "--metric",
    help="What trials are compared by, also with --status, --leaderboard, --diagnostics, --publish.  [default: trainer.monitor]",
)
@click.option(
    "--goal",
    type=click.Choice(["min", "max"]),
    help="Whether less or more of it is better.  [default: trainer.monitor_mode]",
)
@CLAMP
@click.option("--name", help="Name of the sweep; its runs' names begin with it.")
@click.option("--tag", "tags", multiple=True, help="Tag of its runs; may be given several times.")
@click.option("--dry-run", is_flag=True, help="Check and list the trials; start nothing.")
@click.option("--detach", "-d", is_flag=True, help="Go on without this terminal; print the id.")
@click.option(
    "--fresh",
    is_flag=True,
    help="Start each trial in a fresh process, not from a warm one (ablation.warm_workers).",
)
@click.option(
    "--resume",
    metavar="SWEEP",
    shell_complete=complete("sweep"),
    help="Finish what is missing of a sweep, and repeat nothing.",
)
@click.option("--retry-failed", is_flag=True, help="With --resume: also what failed.")
@click.option(
    "--status",
    metavar="SWEEP",
    shell_complete=complete("sweep"),
    help="Show the trials and results of a sweep.",
)
@click.option(
    "--leaderboard",
    metavar="SWEEP",
    shell_complete=complete("sweep"),
    help="Write the leaderboard of a sweep as it stands; print where it is.",
)
@click.option(
    "--diagnostics",
    metavar="SWEEP",
    shell_complete=complete("sweep"),
    help="Draw the plots of a sweep as it stands; print where they are.",
)
@click.option(
    "--publish",
    metavar="SWEEP",
    shell_complete=complete("sweep"),
    help="Put the model of the best trial, as the sweep stands, among the finished models.",
)
@click.option(
    "--stop",
    metavar="SWEEP",
    shell_complete=complete("sweep"),
    help="Stop a sweep: its trials write a checkpoint and end.",
)
@click.option("--list", "list_them", is_flag=True, help="List the sweeps, newest first.")
@click.option("--interval", type=click.FloatRange(min=0.1), help="Seconds between progress lines.")
@CONFIG_FILE
@PROFILES_DIR
@RUNS_DIR
@JSON
def ablate(**options: Any) -> int:
    """Train one run for each combination of values, and compare them.

    What has several values varies: k=a,b, choice(…), range(…), and glob(…) over the profiles of a
    group, as Hydra writes them. Without any, the profile's own list (ablation.sweep) is taken.
    Every trial's config is checked before the first one starts.

    Each trial is an ordinary run. Kill anything at any time: --resume finishes what is missing.

    \b
      traindeck ablate -m loss.composite.smoothness.weight=0.0,0.05,0.1
      traindeck ablate quickstart optimizer.config.lr=1e-3,3e-3 --seeds 0,1,2 --parallel 2
      traindeck ablate trainer=ablation --one-at-a-time --dry-run
      traindeck ablate --status last
    """
    from trainer.commands import ablate as command

    return command.ablate(**options)
