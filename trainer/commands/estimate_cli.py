"""`traindeck estimate`: parsing only."""

from __future__ import annotations

from typing import Any

import click

from trainer.commands.options import CONFIG_FILE, JSON, PROFILES_DIR, overrides_argument


@click.command(short_help="Tell how much memory a training will take, and whether it fits.")
@overrides_argument()
@CONFIG_FILE
@PROFILES_DIR
@JSON
def estimate(**options: Any) -> int:
    """Tell how much memory each process of a training will take; nothing is trained.

    Weights, gradients and the optimiser's state are exact. Activations come of a step traced on
    shapes alone, whatever the size of the model: no machine has to have that much memory. Beside
    the total stands what the hardware profile has.

    \b
      traindeck estimate quickstart
      traindeck estimate quickstart model=gpt_medium hardware=kaggle-t4x2
      traindeck estimate my_preset dataloader.batch_size=64 --json
    """
    from trainer.commands import estimate as command

    return command.show(**options)
