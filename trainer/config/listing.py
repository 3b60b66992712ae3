"""What tells the options of a group apart: their facts, and the columns that show them.

The lists of the command line, the choosers and the browser of the app are made of these, so that one
fact has one name and one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainer.config import merge as merging
from trainer.config.aliases import rewrite_mapping
from trainer.config.sources import options_of
from trainer.config.tables import chosen_by, inherited_by, profile
from trainer.errors import ConfigError, Problem

if TYPE_CHECKING:
    from trainer.config.hardware_detect import Machine
    from trainer.config.loader import Profile
    from trainer.config.sources import Option, Sources

__all__ = ["FITS", "Column", "Listed", "columns", "first_sentence", "is_compared", "listed"]

FITS = "fits"
"""What is said of hardware that this machine has."""

Facts = dict[str, Any]

_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list of options.

    Attributes:
        title: What stands above it.
        key: The cell that it shows.
        need: How much it is needed; 0 is never left out, and of the others those with the greatest
            number go first where a terminal is too narrow.
        right: Whether it is aligned at the right.
        said: The words around it where there are no columns, with `{}` for it; empty: the title's.
    """

    title: str
    key: str
    need: int = 0
    right: bool = False
    said: str = ""

    def say(self, text: str) -> str:
        """Say a cell's text in a sentence."""
        return (self.said or f"{self.title.lower()} {{}}").replace("{}", text)


@dataclass(frozen=True, slots=True)
class Listed:
    """One option of a group.

    Attributes:
        option: Which one.
        facts: What there is to know of it, for programs.
        cells: The same as texts, for people, by the key of the column.
        inherited: Keys whose values come from another option.
        problem: Why it cannot be read; None if it can.
    """

    option: Option
    facts: Mapping[str, Any] = field(default_factory=dict)
    cells: Mapping[str, str] = field(default_factory=dict)
    inherited: frozenset[str] = frozenset()
    problem: Problem | None = None


_WHAT = Column("WHAT IT IS", "doc", 9, said="{}")
_FROM = Column("FROM", "from", 8)

_COLUMNS: dict[str, tuple[Column, ...]] = {
    "preset": (
        Column("PRESET", "name"), Column("TRAINS", "trains", said="trains {}"), Column("HARDWARE", "hardware", said="on {}"),
        Column("DATASET", "dataset", 4), Column("LORA", "lora", 5),
        Column("HYPERPARAMETERS", "hyperparameters", 6),
        Column("LENGTH", "sequence_length", 3, True), Column("BATCH", "batch", 2), _FROM, _WHAT,
    ),
    "expert": (
        Column("EXPERT", "name"), Column("NAME", "display_name", 3, said="{}"), Column("ROLE", "role"),
        Column("GROUP", "group", 7), Column("BASE MODEL", "base_model", said="{}"),
        Column("CONTEXT", "context_window", 1, True), _FROM,
        Column("SPECIALIZATION", "specialization", 5, said="{}"),
    ),
    "hardware": (
        Column("HARDWARE", "name"), Column("NAME", "display_name", 7, said="{}"), Column("DEVICE", "device", said="{}"),
        Column("GB", "available_memory_gb", 0, True, "{} GB"), Column("BATCH", "max_batch_size", 2, True),
        Column("LENGTH", "max_sequence_length", 2, True), Column("RANK", "max_lora_rank", 4, True),
        Column("PRECISION", "precision", 5, said="{}"), Column("$/H", "cost_per_hour", 1, True, "{} $/h"),
        Column("STATUS", "status", 6, said="{}"), _FROM, Column("HERE", "here", said="here: {}"), Column("NOTES", "notes", 9, said="{}"),
    ),
    "lora": (
        Column("LORA", "name"), Column("R", "r", 0, True), Column("ALPHA", "lora_alpha", 0, True),
        Column("DROPOUT", "lora_dropout", 2, True), Column("BIAS", "bias", 3),
        Column("TARGETS", "target_modules", said="on {}"), _FROM, _WHAT,
    ),
    "hyperparameters": (
        Column("HYPERPARAMETERS", "name"), Column("EPOCHS", "epochs", 0, True),
        Column("STEPS", "max_steps", 1, True),
        Column("LR", "lr", 0, True), Column("WARMUP", "warmup", 2, True),
        Column("DECAY", "weight_decay", 3, True), Column("SCHEDULE", "scheduler", 1), _FROM, _WHAT,
    ),
    "data": (
        Column("DATASET", "name"), Column("PATH", "root", said="{}"), Column("QUALITY", "quality_threshold", 1, True, "quality from {}"),
        Column("DOMAINS", "domains", 2), Column("ITEMS", "max_items", 4, True),
        Column("KIND", "kind", 5, said="{}"), _FROM, _WHAT,
    ),
}  # fmt: skip


def is_compared(group: str) -> bool:
    """Say whether a group's options are told apart by more than a name and a sentence."""
    return group in _COLUMNS


def columns(group: str, *, here: bool = False) -> tuple[Column, ...]:
    """Give the columns of a group's list, the option's name first.

    Args:
        group: The group.
        here: Whether what this machine means for the options is known.
    """
    found = _COLUMNS.get(group)
    if found is None:
        return (Column(group.upper(), "name"), _FROM, Column("WHAT IT IS", "doc"))
    return tuple(column for column in found if here or column.key != "here")


def listed(sources: Sources, group: str, machine: Machine | None = None) -> tuple[Listed, ...]:
    """List a group's options with their facts; one that cannot be read says why.

    Args:
        sources: Where profiles are looked for.
        group: The group.
        machine: Says which hardware profiles fit it; None leaves that out.
    """
    return tuple(_listed(sources, option, machine) for option in options_of(sources, group))


def _listed(sources: Sources, option: Option, machine: Machine | None) -> Listed:
    cells = {"name": option.name, "from": option.kind, "doc": first_sentence(option.doc)}
    try:
        found = profile(sources, f"{option.group}/{option.name}")
        give = _FACTS.get(option.group)
        if found is None or give is None:
            return Listed(option, {}, cells)
        chosen, values = _whole(sources, option.group, found)
        facts = give(chosen, values)
        own = inherited_by(sources, f"{option.group}/{option.name}")
    except ConfigError as error:
        problem = error.problems[0]
        return Listed(option, {}, {**cells, "doc": str(problem)}, problem=problem)
    cells |= {key: text_of(value) for key, value in facts.items() if key != "name"}
    cells |= _shown(option, facts, machine)
    theirs = frozenset(key for key, path in _HYPERPARAMETERS.items() if path in own)
    return Listed(option, facts, cells, theirs)


def first_sentence(doc: str) -> str:
    """Give the first sentence of a profile's doc comment."""
    return doc.split(". ", 1)[0].rstrip(".")


def text_of(value: Any) -> str:
    """Write a fact in a cell; nothing where nothing is set."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(map(text_of, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _whole(
    sources: Sources, group: str, found: Profile, depth: int = _DEPTH
) -> tuple[dict[str, str], dict[str, Any]]:
    """Give the options that a profile chooses and its values, with those of the ones it builds on."""
    chosen: dict[str, str] = {}
    values: dict[str, Any] = {}
    for entry in found.defaults or ():
        if entry.group is None and isinstance(entry.value, str) and not entry.is_self and depth:
            name = entry.value
            below = profile(sources, name[1:] if name.startswith("/") else f"{group}/{name}")
            if below is not None:
                options, lower = _whole(sources, group, below, depth - 1)
                chosen |= options
                values = _over(values, lower)
    own: Mapping[Any, Any] = found.values
    if found.package is None:
        own = {group: own}
    return {**chosen, **chosen_by(found)}, _over(values, rewrite_mapping(dict(own))[0])


def _over(lower: dict[str, Any], upper: dict[Any, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = merging.copy(lower)
    # What does not fit together is told when a config is composed.
    merging.merge(merged, {}, upper, {}, [], lenient=True)
    return merged


def _at(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


# ── what each group is chosen by ─────────────────────────────────────────────────────────────────


def _preset(chosen: Mapping[str, str], values: Mapping[str, Any]) -> Facts:
    return {
        "expert": chosen.get("expert"),
        "model": chosen.get("model"),
        "hardware": chosen.get("hardware"),
        "dataset": chosen.get("data"),
        "hyperparameters": chosen.get("hyperparameters"),
        "lora": chosen.get("lora"),
        "sequence_length": _at(values, "data.sequence_length"),
        "batch_size": _at(values, "dataloader.batch_size"),
        "gradient_accumulation": _at(values, "trainer.accumulate_grad_batches"),
    }


_HYPERPARAMETERS = {
    "epochs": "trainer.max_epochs",
    "max_steps": "trainer.max_steps",
    "lr": "optimizer.config.lr",
    "warmup": "scheduler.warmup",
    "weight_decay": "optimizer.config.weight_decay",
    "scheduler": "scheduler.type",
}
_KEYS = {
    "expert": (
        "display_name", "role", "group", "base_model", "context_window", "specialization",
    ),
    "hardware": (
        "name", "device", "devices", "available_memory_gb", "max_batch_size", "max_sequence_length",
        "max_lora_rank", "supports_fp16", "supports_bf16", "supports_gradient_checkpointing",
        "recommended_gradient_accumulation", "cost_per_hour", "status", "notes",
    ),
    "lora": ("r", "lora_alpha", "lora_dropout", "bias", "target_modules"),
    "data": (
        "root", "quality_threshold", "domains", "max_items", "train_split", "val_split", "test_split",
        "description", "_target_",
    ),
}  # fmt: skip


def _section(group: str) -> Callable[[Mapping[str, str], Mapping[str, Any]], Facts]:
    return lambda _chosen, values: {key: _at(values, f"{group}.{key}") for key in _KEYS[group]}


def _hyperparameters(_chosen: Mapping[str, str], values: Mapping[str, Any]) -> Facts:
    return {key: _at(values, path) for key, path in _HYPERPARAMETERS.items()}


_FACTS: dict[str, Callable[[Mapping[str, str], Mapping[str, Any]], Facts]] = {
    "preset": _preset,
    "hyperparameters": _hyperparameters,
    **{group: _section(group) for group in _KEYS},
}


# ── in cells ─────────────────────────────────────────────────────────────────────────────────────


def _shown(option: Option, facts: Facts, machine: Machine | None) -> dict[str, str]:
    """Give the cells that are more than a fact's own text."""
    if option.group == "preset":
        size, times = facts["batch_size"], facts["gradient_accumulation"]
        return {
            "trains": text_of(facts["expert"] or facts["model"]),
            "batch": f"{size} x {times or 1}" if size else "",
        }
    if option.group == "hyperparameters":
        steps = facts["max_steps"]
        return {"max_steps": text_of(steps) if _is_set(steps) else ""}
    if option.group == "data":
        return {"kind": str(facts["_target_"] or "").rpartition(".")[2]}
    if option.group == "hardware":
        return _hardware_cells(facts, machine)
    return {}


def _hardware_cells(facts: Facts, machine: Machine | None) -> dict[str, str]:
    from trainer.config.hardware_fit import misfits

    kinds: Sequence[tuple[str, str]] = (("supports_bf16", "bf16"), ("supports_fp16", "fp16"))
    known = ["fp32"] if facts["device"] else []
    count, device = facts["devices"], text_of(facts["device"])
    return {
        "display_name": text_of(facts["name"]),
        "device": f"{count} x {device}" if isinstance(count, int) and count > 1 else device,
        "precision": " ".join([*known, *(word for key, word in kinds if facts[key] is True)]),
        "notes": first_sentence(text_of(facts["notes"])),
        "here": "" if machine is None else "; ".join(misfits(facts, machine)) or FITS,
    }


def _is_set(steps: Any) -> bool:
    return isinstance(steps, int) and steps > 0
