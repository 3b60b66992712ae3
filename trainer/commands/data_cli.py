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
    type=float,
    default=1.0,
    show_default=True,
    help="Factor of all noise of the measurement, 0 (none) to 1000.",
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


@data.command("make-instruct", short_help="Make instructions from Python's standard library.")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Python files to take instead of the standard library's.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split."
)
@click.option(
    "--max-items",
    type=click.IntRange(min=10),
    metavar="N",
    help="Most samples, spread over all modules.  [default: all]",
)
@JSON
def make_instruct(**options: Any) -> int:
    """Make a set of instructions in the folder OUT: from a docstring to its signature or its body.

    OUT holds train.jsonl, val.jsonl and test.jsonl, split by module, each line with instruction,
    input, output, domain (signature or body) and quality_score. The same Python and settings give
    the same bytes. A folder that holds anything else is left alone.

    \b
      traindeck data make-instruct data/instruct
      traindeck train lora_quickstart data.root=data/instruct data.domains='[body]' data.quality_threshold=0.6
    """
    from trainer.commands import lora as command

    return command.make_instruct(**options)


@data.command("make-base", short_help="Train a small language model to fine-tune.")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Python files to take instead of the standard library's.",
)
@click.option(
    "--steps", type=click.IntRange(min=0), metavar="N", help="Of training.  [default: 800]"
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Of all.  [default: 0]")
@click.option(
    "--vocab-size", type=click.IntRange(min=300), metavar="N", help="Tokens.  [default: 2048]"
)
@click.option(
    "--hidden-size", type=click.IntRange(min=8), metavar="N", help="Width.  [default: 128]"
)
@click.option("--layers", type=click.IntRange(min=1), metavar="N", help="Blocks.  [default: 4]")
@click.option("--heads", type=click.IntRange(min=2), metavar="N", help="Heads.  [default: 4]")
@click.option(
    "--context", type=click.IntRange(min=16), metavar="N", help="Longest sequence.  [default: 2048]"
)
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Of the computation.  [default: 2]"
)
@JSON
def make_base(**options: Any) -> int:
    """Train a small language model and its tokenizer in the folder OUT, for where no hub is in reach.

    Its architecture is Qwen2's; it sees the modules of the standard library that `make-instruct`
    makes training samples of, and no others. It takes minutes on two cores. The same Python,
    libraries and settings give the same weights on the same kind of CPU.

    \b
      traindeck data make-base models/base
      traindeck train lora_quickstart model.base_model=models/base
    """
    from trainer.commands import lora as command

    return command.make_base(**options)
