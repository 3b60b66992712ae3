"""`traindeck data …`: parsing only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trainer.commands.options import JSON, Group


@click.group(cls=Group)
def data() -> None:
    """Make data to train on."""


@data.command("make-spectra", short_help="Generate planets as the Ariel Data Challenge has them.")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--planets", type=click.IntRange(min=1), required=True, metavar="N", help="How many planets."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all planets."
)
@click.option(
    "--frames",
    type=click.IntRange(min=16),
    metavar="N",
    help="Frames of AIRS-CH0 for each planet, even; the challenge has 11250.  [default: 96]",
)
@click.option(
    "--fgs-frames",
    type=click.IntRange(min=16),
    metavar="N",
    help="Frames of FGS1, even; the challenge has 135000.  [default: 2 for each of AIRS-CH0]",
)
@click.option(
    "--noise",
    type=click.FloatRange(min=0.0),
    default=1.0,
    show_default=True,
    help="Factor of all noise of the measurement; 0 is none.",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Planets made side by side.")
@JSON
def make_spectra(**options: Any) -> int:
    """Generate planets into the folder OUT, in the file layout of the Ariel Data Challenge.

    Each planet depends on the seed and its number alone: asking for more planets adds to those
    that are there, and what was interrupted goes on. A folder that holds anything else is left
    alone. What the planets are made of stands in OUT/truth.csv.

    \b
      traindeck data make-spectra planets --planets 8
      traindeck data make-spectra planets --planets 200 --jobs 4
      traindeck train data=spectra data.root=planets
    """
    from trainer.commands import data as command

    return command.make_spectra(**options)
