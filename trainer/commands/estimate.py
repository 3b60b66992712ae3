"""`traindeck estimate`: how much memory a training will take, before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainer.commands.output import json_line, line, note
from trainer.display import aligned
from trainer.errors import EXIT_OK, ConfigError
from trainer.events.text import clean

if TYPE_CHECKING:
    from trainer.config.compose import Composed
    from trainer.runs.estimate import Estimate


def show(
    *,
    overrides: tuple[str, ...],
    config_file: Path | None,
    profiles_dir: Path | None,
    clamp: bool,
    as_json: bool,
) -> int:
    """Estimate and print; see `traindeck estimate --help`."""
    from dataclasses import asdict

    from trainer.commands.config import change_rows
    from trainer.config.compose import compose
    from trainer.config.recipe_rules import lacking_for_estimate
    from trainer.runs.again import need_training_packages
    from trainer.runs.estimate import EstimateProcess, error_of, limit_of

    composed = compose(overrides, config_file=config_file, profiles_dir=profiles_dir, clamp=clamp)
    need_training_packages()
    if problems := list(lacking_for_estimate(composed.config)):
        raise ConfigError(*problems)
    with EstimateProcess() as process:
        found = process.estimate(composed.config, prepare=True)
    limit = limit_of(composed.config)
    if not as_json:
        _print(composed, found, limit)
        return EXIT_OK
    json_line(
        {
            "hash": composed.hash,
            "clamped": change_rows(composed.clamped),
            **asdict(found),
            "total": found.total,
            "error": error_of(found, composed.config),
            "limit": limit,
            "fits": found.fits(limit),
        }
    )
    return EXIT_OK


def _print(composed: Composed, found: Estimate, limit: int | None) -> None:
    from trainer.display import count, size
    from trainer.runs.estimate import verdict
    from trainer.runs.plan import batch_lines, clamped_lines

    if composed.clamped:
        for text in [*clamped_lines(composed), *batch_lines(composed), ""]:
            line(text)
        for text in (text for text in composed.notes if text.startswith("--clamp")):
            note(text)
    trainer = composed.config.get("trainer") or {}
    line(f"memory of each process, in {trainer.get('precision') or '32-true'}")
    line()
    values = f"{count(found.parameters)} values"
    if found.trained != found.parameters:
        values += f", {count(found.trained)} of them trained"
    if found.shards > 1:
        values += f", divided among {found.shards} devices"
    rows = [
        ("weights", found.weights, values),
        ("gradients", found.gradients, ""),
        ("optimiser state", found.state, str(composed.config["optimizer"].get("type") or "")),
    ]
    if found.gathered:
        rows.append(
            ("gathered", found.gathered, "weights and gradients, whole while they are used")
        )
    if found.averages:
        rows.append(("averaged weights", found.averages, "kept by a callback"))
    if found.buckets:
        rows.append(("buckets of DDP", found.buckets, "in which gradients are sent"))
    how = {
        "shapes": "a step traced on shapes",
        "scaled": "small batches trained, and scaled",
    }.get(found.method, "")
    if found.batch is not None and how:
        how += f", batch of {count(found.batch)}"
    rows.append(("activations", found.activations, how))
    table = [
        ["", name, "unknown" if bytes_ is None else size(bytes_), text]
        for name, bytes_, text in rows
    ]
    table.append(["", "total", size(found.total), verdict(found, composed.config, limit)])
    for text in aligned(table, right=(2,)):
        line(clean(text))
    for text in found.notes:
        note(clean(text))
