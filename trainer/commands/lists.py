"""`traindeck train --list-presets`, `--list-experts` and `--list-hardware`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.output import json_line, line, note, table
from trainer.errors import EXIT_OK, EXIT_WRONG_INPUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.config.sources import Option, Sources

Row = dict[str, Any]


def show(
    what: str, config_file: Path | None, profiles_dir: Path | None, as_json: bool
) -> int:  # fmt: skip
    """List presets, experts or hardware profiles with what tells them apart.

    Args:
        what: `preset`, `expert` or `hardware`.
        config_file: The file given with `--config`.
        profiles_dir: The project's profiles, if named.
        as_json: Whether a program reads it.
    """
    from trainer.config.sources import options_of, search_path

    sources = search_path(profiles_dir, config_file=config_file)
    broken = [problem for file in sources.toml_files() for problem in file.problems]
    options = options_of(sources, what)
    give = {"preset": _preset, "expert": _expert, "hardware": _hardware}[what]
    rows: list[Row] = []
    for option in options:
        row, problem = _row(sources, option, give)
        rows.append(row)
        if problem:
            broken.append(problem)
    for problem in dict.fromkeys(broken):
        note(f"traindeck: {problem}")
    if as_json:
        json_line(rows)
    elif not rows:
        line(f"There is no {what}.")
    else:
        _print(what, rows)
    return EXIT_WRONG_INPUT if broken else EXIT_OK


def _row(sources: Sources, option: Option, give: Any) -> tuple[Row, Any]:
    from trainer.config.tables import profile
    from trainer.errors import ConfigError

    about = {"from": option.kind, "doc": option.doc}
    try:
        found = profile(sources, f"{option.group}/{option.name}")
    except ConfigError as error:
        return {option.group: option.name, **about, "problem": str(error.problems[0])}, (
            error.problems[0]
        )
    values: Mapping[str, Any] = {}
    if found is not None:
        values = found.values
        if found.package is None:
            values = {option.group: values}
    return {option.group: option.name, **give(values, found), **about}, None


def _preset(values: Mapping[str, Any], found: Any) -> Row:
    from trainer.config.aliases import rewrite_mapping
    from trainer.config.tables import chosen_by

    values = rewrite_mapping(dict(values))[0]
    chosen = chosen_by(found)
    return {
        "expert": chosen.get("expert"),
        "hardware": chosen.get("hardware"),
        "dataset": chosen.get("data"),
        "hyperparameters": chosen.get("hyperparameters"),
        "lora": chosen.get("lora"),
        "sequence_length": _at(values, "data", "sequence_length"),
        "batch_size": _at(values, "dataloader", "batch_size"),
        "gradient_accumulation": _at(values, "trainer", "accumulate_grad_batches"),
    }


def _expert(values: Mapping[str, Any], found: Any) -> Row:
    del found
    keys = ("display_name", "role", "group", "base_model", "context_window", "specialization")
    return {key: _at(values, "expert", key) for key in keys}


def _hardware(values: Mapping[str, Any], found: Any) -> Row:
    del found
    keys = (
        "name", "device", "devices", "available_memory_gb", "max_batch_size", "max_sequence_length",
        "max_lora_rank", "supports_fp16", "supports_bf16", "supports_gradient_checkpointing",
        "recommended_gradient_accumulation", "cost_per_hour", "status", "notes",
    )  # fmt: skip
    return {key: _at(values, "hardware", key) for key in keys}


def _at(values: Mapping[str, Any], section: str, key: str) -> Any:
    below = values.get(section)
    return below.get(key) if isinstance(below, dict) else None


# Title and key of each column; what a narrow terminal does without, the least needed first.
_COLUMNS: dict[str, tuple[Sequence[tuple[str, str]], Sequence[str]]] = {
    "preset": (
        [("PRESET", "preset"), ("EXPERT", "expert"), ("HARDWARE", "hardware"),
         ("DATASET", "dataset"), ("LORA", "lora"), ("HYPERPARAMETERS", "hyperparameters"),
         ("LENGTH", "sequence_length"), ("BATCH", "batch"), ("FROM", "from"),
         ("WHAT IT IS", "doc")],
        ["WHAT IT IS", "FROM", "HYPERPARAMETERS", "LORA", "DATASET", "LENGTH", "BATCH"],
    ),
    "expert": (
        [("EXPERT", "expert"), ("NAME", "display_name"), ("ROLE", "role"), ("GROUP", "group"),
         ("BASE MODEL", "base_model"), ("CONTEXT", "context_window"), ("FROM", "from"),
         ("SPECIALIZATION", "specialization")],
        ["FROM", "GROUP", "SPECIALIZATION", "CONTEXT", "NAME"],
    ),
    "hardware": (
        [("HARDWARE", "hardware"), ("NAME", "name"), ("DEVICE", "device"),
         ("GB", "available_memory_gb"), ("BATCH", "max_batch_size"),
         ("LENGTH", "max_sequence_length"), ("RANK", "max_lora_rank"), ("PRECISION", "precision"),
         ("$/H", "cost_per_hour"), ("STATUS", "status"), ("FROM", "from"), ("NOTES", "notes")],
        ["NOTES", "FROM", "NAME", "$/H", "PRECISION", "RANK"],
    ),
}  # fmt: skip


def _print(what: str, rows: Sequence[Row]) -> None:
    from trainer.commands.profiles import first_sentence

    columns, expendable = _COLUMNS[what]
    cells = []
    for row in rows:
        shown = dict(row)
        shown["doc"] = first_sentence(str(row.get("problem") or row["doc"]))
        if what == "preset" and row.get("batch_size"):
            shown["batch"] = f"{row['batch_size']} x {row.get('gradient_accumulation') or 1}"
        if what == "hardware":
            kinds = (("supports_bf16", "bf16"), ("supports_fp16", "fp16"))
            known = ["fp32"] if row.get("device") else []
            shown["precision"] = " ".join([*known, *(n for k, n in kinds if row.get(k) is True)])
            count = row.get("devices")
            if isinstance(count, int) and count > 1:
                shown["device"] = f"{count} x {row.get('device')}"
            shown["notes"] = first_sentence(str(row.get("notes") or ""))
        cells.append([_text(shown.get(key)) for _, key in columns])
    titles = [title for title, _ in columns]
    numbers = ("GB", "LENGTH", "RANK", "CONTEXT", "$/H") + (("BATCH",) if what != "preset" else ())
    right = [at for at, title in enumerate(titles) if title in numbers]
    table(titles, cells, right, [titles.index(title) for title in expendable])


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
