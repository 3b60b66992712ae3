"""`traindeck evaluate`, `adapter` and `merge`: parsing only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trainer.commands.options import JSON, RUNS_DIR, run_argument


@click.command(short_help="Measure a fine-tuned language model, and let it answer.")
@run_argument()
@click.option(
    "--checkpoint",
    default="last",
    show_default=True,
    metavar="NAME",
    help="`last`, `best`, or the path of a checkpoint.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "val"]),
    help="Samples to measure on.  [default: evaluation.split]",
)
@click.option(
    "--max-samples",
    type=click.IntRange(min=1),
    metavar="N",
    help="Most of them.  [default: evaluation.max_samples]",
)
@click.option(
    "--answers",
    type=click.IntRange(min=0),
    metavar="N",
    help="Samples that are answered.  [default: evaluation.answers]",
)
@click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    metavar="N",
    help="Tokens of an answer.  [default: evaluation.max_new_tokens]",
)
@click.option(
    "--device", type=click.Choice(["cpu", "cuda", "mps"]), help="Where to.  [default: as trained]"
)
@RUNS_DIR
@JSON
def evaluate(**options: Any) -> int:
    """Measure the perplexity of a run's language model with and without its adapter.

    Both are measured on the same tokens of the test split, and answer a few of its instructions.
    The figures are kept in the run's outputs/evaluation.json.

    \b
      traindeck evaluate last
      traindeck evaluate last --checkpoint best --split val --answers 0
    """
    from trainer.commands import lora as command

    return command.evaluate(**options)


@click.command(short_help="Write a fine-tuned model's folder from a checkpoint.")
@run_argument()
@click.option(
    "--checkpoint",
    default="last",
    show_default=True,
    metavar="NAME",
    help="`last`, `best`, or the path of a checkpoint.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where to; a new folder.  [default: as the run's output says]",
)
@RUNS_DIR
@JSON
def adapter(**options: Any) -> int:
    """Write a run's adapter as a folder of its own, from one of its checkpoints.

    A run that completes leaves such a folder by itself. This makes one of a run that was stopped or
    failed, or of another checkpoint than the last.

    \b
      traindeck adapter last
      traindeck adapter last --checkpoint best --out models/best
    """
    from trainer.commands import lora as command

    return command.adapter(**options)


@click.command(short_help="Merge an adapter into its base model.")
@click.argument("adapter", metavar="ADAPTER|RUN")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="Where to; a new folder.",
)
@click.option(
    "--base",
    metavar="NAME",
    help="The base model, where it lies elsewhere than the adapter says: a folder, or a name on the hub.",
)
@RUNS_DIR
@JSON
def merge(**options: Any) -> int:
    """Write a model that needs no adapter: the base with the adapter's change in its weights.

    ADAPTER is the folder that a fine-tuning has left, RUN such a run. The result is loaded as any
    model of transformers', and may be the base of the next fine-tuning.

    \b
      traindeck merge last --out models/merged
      traindeck merge models/oracle-rauru-asm-qwen25-coder-15b-20251222 --out merged --base ./base
    """
    from trainer.commands import lora as command

    return command.merge(**options)
