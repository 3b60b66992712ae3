"""What would be launched, told before it is: the command, the name, the whole config and its diff."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.display import aligned, duration
from trainer.events.text import clean

if TYPE_CHECKING:
    from trainer.config.compose import Composed
    from trainer.config.diff import Change
    from trainer.runs.layout import RunFolder

SIGNS = {"changed": "~", "added": "+", "removed": "-"}
"""How each kind of change is marked."""

NO_CHANGES = "no difference"

PLAIN_TRAINER = "defaults"
"""The profile of `trainer` that is taken when nobody chooses one: no name for a run."""

DEFAULT_DATA = "trainer.recipes.spectra.data.SpectraData"
"""The data of the default composition."""


def default_name(composed: Composed) -> str:
    """Name a run after its preset, or the trainer profile that was chosen, or its recipe."""
    choices = composed.choices
    trainer = choices.get("trainer") or "run"
    if "preset" in choices or trainer != PLAIN_TRAINER:
        return choices.get("preset") or trainer
    recipe = (composed.config.get("run") or {}).get("recipe")
    return recipe if isinstance(recipe, str) and recipe else trainer


def untold(composed: Composed) -> str:
    """Say what is trained where nobody said it; empty if somebody did.

    Somebody did who named a preset or chose data, a model or a loss.
    """
    said = {word.partition("=")[0].lstrip("+") for word in composed.overrides}
    data = composed.config.get("data") or {}
    if (
        "preset" in composed.choices
        or {"data", "model", "loss"} & said
        or data.get("_target_") != DEFAULT_DATA
    ):
        return ""
    planets = "generated planets" if data.get("root") is None else "planets"
    return (
        f"no preset is named: this trains on spectra of {planets} (preset spectramind);"
        " a small GPT is `traindeck train quickstart`"
    )


def train_command(
    overrides: Sequence[str],
    config_file: Path | None = None,
    profiles_dir: Path | None = None,
    *,
    runs_dir: Path | None = None,
    cwd: Path | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
    queue: bool = False,
    clamp: bool = False,
) -> list[str]:
    """Give the command that trains so, as a list of words.

    Args:
        overrides: A preset's name, choices and values.
        config_file: A primary file of the person's own.
        profiles_dir: The project's profiles, if named.
        runs_dir: The folder of runs; left out where it is the usual one.
        cwd: Where the command is typed; the present folder if None.
        name: The run's name, if one was given.
        tags: Words to find it by.
        queue: Whether it waits until the device is free.
        clamp: Whether it is lowered to what the hardware profile allows.
    """
    words = ["traindeck", "train", *overrides]
    if config_file is not None:
        words += ["--config", str(config_file)]
    if profiles_dir is not None:
        words += ["--profiles-dir", str(profiles_dir)]
    if runs_dir is not None:
        from trainer.runs.layout import runs_dir_words

        words += runs_dir_words(runs_dir, cwd)
    if name:
        words += ["--name", name]
    for tag in tags:
        words += ["--tag", tag]
    if clamp:
        words.append("--clamp")
    if queue:
        words.append("--queue")
    return words


def text_of(value: Any) -> str:
    """Write a value as it would stand in YAML's flow style; harmless, whatever it is."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return clean(value)
    return clean(json.dumps(value, ensure_ascii=False, default=str))


def cells(change: Change, arrow: str = "→") -> list[str]:
    """Give a change as four texts: sign, key, old and new value, origin."""
    if change.kind == "changed":
        value = f"{text_of(change.old)} {arrow} {text_of(change.new)}"
    else:
        value = text_of(change.new if change.kind == "added" else change.old)
    origin = str(change.origin) if change.origin else ""
    return [SIGNS[change.kind], clean(change.key), value, clean(origin)]


def diff_lines(changes: Sequence[Change], same: str = NO_CHANGES) -> list[str]:
    """Write changes as a table: sign, key, old → new, origin."""
    if not changes:
        return [same]
    return aligned([[" ", "KEY", "VALUE", "FROM"], *(cells(change) for change in changes)])


def clamped_lines(composed: Composed) -> list[str]:
    """Write what `--clamp` changed, as a diff; empty if it changed nothing."""
    if not composed.clamped:
        return []
    from trainer.config.hardware_rules import hardware_name

    return [f"clamped to {hardware_name(composed.config)}", *diff_lines(composed.clamped)]


def batch_lines(composed: Composed) -> list[str]:
    """Write how many samples a step sees, if that is not one batch, and what the run may cost."""
    from trainer.config.hardware_batch import batch_of

    lines = []
    batch = batch_of(composed.config)
    if batch is not None and batch.effective != batch.size:
        lines.append(f"batch: {batch}")
    hardware, limits = (composed.config.get(name) or {} for name in ("hardware", "limits"))
    hourly, wall = hardware.get("cost_per_hour"), limits.get("wall_clock")
    if isinstance(hourly, int | float) and hourly > 0:
        most = ""
        if isinstance(wall, int | float):
            most = f", at most {hourly * wall / 3600:.2f} $ within {duration(wall)}"
        lines.append(f"cost: {hourly:.2f} $ an hour{most}")
    return lines


def batch_facts(config: Mapping[str, Any]) -> dict[str, int | None] | None:
    """Give the batch of a config as plain data; None where it is not known."""
    from trainer.config.hardware_batch import batch_of

    batch = batch_of(config)
    return batch.facts() if batch is not None else None


def dry_run_lines(
    composed: Composed, changes: Sequence[Change], command: Sequence[str]
) -> list[str]:
    """Write all that is known before a launch: config, diff, notes, hash and command.

    Args:
        composed: What would be launched.
        changes: How it differs from the defaults.
        command: What launches it.
    """
    told = batch_lines(composed)
    return [
        "# config",
        *clean(composed.yaml().rstrip(), keep_newlines=True).split("\n"),
        "",
        "# diff against the defaults",
        *diff_lines(changes),
        *(f"note: {clean(text)}" for text in composed.notes),
        "",
        *(["# clamped", *clamped_lines(composed), ""] if composed.clamped else ()),
        *(["# batch and cost", *told, ""] if told else ()),
        "# config hash",
        composed.hash,
        "",
        "# command",
        *clean(shlex.join(command), keep_newlines=True).split("\n"),
    ]


def words_of(run: RunFolder) -> list[str]:
    """Give the overrides that a run was launched with, as typed; empty if none can be read.

    Those in which a secret was masked are left out: the mask is not the value.
    """
    import yaml

    from trainer.secrets import MASK

    path = run.overrides
    try:
        if path.stat().st_size > 1 << 20:
            return []
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []
    words = found if isinstance(found, list) else []
    return [word for word in words if isinstance(word, str) and MASK not in word]
