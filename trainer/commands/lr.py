"""`traindeck config lr`: the learning rate over the whole run, before it is launched."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.commands.output import json_line, line, note
from trainer.errors import EXIT_OK, ConfigError
from trainer.events.text import clean

if TYPE_CHECKING:
    from trainer.config.compose import Composed
    from trainer.runs.lr import Curve, CurveProcess

_HEIGHT = 16


def show_lr(
    *,
    overrides: tuple[str, ...],
    config_file: Path | None,
    profiles_dir: Path | None,
    batches_per_epoch: int | None,
    as_csv: bool,
    as_json: bool,
) -> int:
    """Plot the learning rate; see `traindeck config lr --help`."""
    from trainer.config.compose import compose
    from trainer.runs.again import need_training_packages
    from trainer.runs.lr import CurveProcess

    composed = compose(overrides, config_file=config_file, profiles_dir=profiles_dir)
    need_training_packages()
    with CurveProcess() as process:
        process.start()  # torch is imported while we go on
        batches, why = _batches(process, composed, batches_per_epoch)
        curve = process.curve(composed.config, batches)
    if why:
        curve.notes.insert(0, why)
    if as_json:
        json_line(
            {
                "hash": composed.hash,
                "groups": curve.groups,
                "unit": curve.unit,
                "total": curve.total,
                "known": curve.known,
                "batches_per_epoch": batches,
                "every_step": curve.stepped,
                "rows": [{"at": at, "lr": lrs} for at, *lrs in curve.rows],
                "points": [{"name": name, "at": at, "lr": lrs} for name, at, *lrs in curve.points],
                "notes": curve.notes,
            }
        )
    elif as_csv:
        _print_csv(curve)
    else:
        _print_plot(curve)
    return EXIT_OK


def _batches(
    process: CurveProcess, composed: Composed, given: int | None
) -> tuple[int | None, str]:
    """Give the batches of an epoch, and why they are unknown if they are needed and unknown."""
    from trainer.runs.lr import needs_batches

    if given is not None or not needs_batches(composed.config):
        return given, ""
    note("builds the data to count the batches of an epoch; --batches-per-epoch N saves that")
    try:
        return process.batches(composed.config), ""
    except ConfigError as error:
        return None, f"The batches of an epoch are unknown: {clean(str(error.problems[0]))}"


def _print_csv(curve: Curve) -> None:
    numbers = curve.distinct
    names = ["lr"] if len(numbers) == 1 else [f"lr of {curve.name(number)}" for number in numbers]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([curve.unit, *names])
    for at, *lrs in curve.rows:
        writer.writerow([int(at), *(repr(lrs[number]) for number in numbers)])
    line(out.getvalue().rstrip("\n"))
    for text in curve.notes:
        note(clean(text))


def _print_plot(curve: Curve) -> None:
    from tui.glyphs import choose
    from tui.widgets.chart.lr import lr_rows, lr_summary, lr_table, plain

    width = max(20, min(100, shutil.get_terminal_size().columns - 1))
    line(f"learning rate {lr_summary(curve)}")
    numbers = curve.distinct
    if len(numbers) > 1:
        line("curves: " + "; ".join(curve.name(number) for number in numbers))
    line("")
    for text in plain(lr_rows(curve, width, _HEIGHT, choose())):
        line(text)
    line("")
    for text in lr_table(curve):
        line(text)
    for text in curve.notes:
        line(f"note: {clean(text)}")
