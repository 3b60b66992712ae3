"""`traindeck estimate`: parsing only."""

from __future__ import annotations

from typing import Any

import click

from trainer.commands.options import CLAMP, CONFIG_FILE, JSON, PROFILES_DIR, overrides_argument


@click.command(short_help="Tell how much memory a training will take, and whether it fits.")
@overrides_argument()
@CONFIG_FILE
@PROFILES_DIR
@CLAMP
@JSON
def estimate(**options: Any) -> int:
    """Tell how much memory each process of a training will take; nothing is trained.

    Weights, gradients and the optimiser's state are exact. Activations come of a step traced on
    shapes alone, whatever the size of the model: no machine has to have that much memory. Beside
    the total stands what the hardware profile has. What is beyond the profile's limits is refused as
    it is before a training, and with --clamp estimated as it would be trained.

    \b
      traindeck estimate quickstart
      traindeck estimate quickstart model=gpt_medium hardware=kaggle-t4x2
      traindeck estimate quickstart hardware=cloud-rtx-4090 --clamp
      traindeck estimate my_preset dataloader.batch_size=64 --json
    """
    from trainer.commands import estimate as command

    return command.show(**options)
