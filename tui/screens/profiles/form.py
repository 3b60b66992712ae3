"""What the form shows of a profile: a row for each key that it sets, and its facts on a card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.config.edit import ProfileText
from trainer.config.provenance import Origin
from trainer.config.values import about, known_keys, shown
from trainer.display import plural
from tui.screens.profiles.editing import Look, effective
from tui.sources.profiles import Catalogue
from tui.text import clean
from tui.widgets.factsrow import Facts
from tui.widgets.field import Row

#: Begins the key of a row that stands for an entry of the defaults list.
CHOICE = "defaults."
#: Keys that people set most, offered first.
_WANTED = (
    "optimizer.config.lr",
    "optimizer.config.weight_decay",
    "trainer.max_epochs",
    "trainer.max_steps",
    "dataloader.batch_size",
    "optimizer.type",
    "scheduler.type",
    "scheduler.warmup",
    "trainer.precision",
    "trainer.accumulate_grad_batches",
    "trainer.gradient_clip_val",
    "limits.wall_clock",
    "seed",
    "run.name",
)


def rows_of(profile: ProfileText, seen: Look | None, catalogue: Catalogue) -> list[Row]:
    """Give the rows of a profile's form."""
    if profile.problems:
        return [Row("The YAML cannot be read, so there is no form; p goes there.", heading=True)]
    composed = seen.composed if seen is not None else None
    config = composed.config if composed is not None else None
    wrong = {p.key: p.what for p in seen.problems if p.key} if seen is not None else {}
    rows: list[Row] = []
    for at, entry in enumerate(profile.defaults):
        if entry.group is None:
            continue
        group = entry.group.removeprefix("/")
        names: Sequence[Any] = (*catalogue.names(group), None)
        chosen = catalogue.find(f"{group}/{entry.value}")
        plain = not isinstance(entry.value, list) and entry.package is None
        known_facts = catalogue.facts.get(group, ())
        abouts = [each.doc for name, found in catalogue.groups if name == group for each in found]
        rows.append(
            Row(
                f"{CHOICE}{at}.{group}",
                entry.value,
                note=chosen.doc if chosen and plain else "" if plain else "changed in the YAML",
                choices=tuple(names) if plain else (),
                fixed=not plain,
                label=f"{group} (option)",
                abouts=(*abouts, "leave this group out"),
                facts=Facts.of(group, known_facts) if known_facts else None,
            )
        )
    own = f"{'.'.join(profile.package)}." if profile.package else ""
    for leaf in profile.leaves:
        known = about(leaf.key, config)
        notes = []
        dotted = ".".join((*profile.package, *leaf.path))
        if dotted != leaf.key:
            notes.append(f"written {dotted}")
        if leaf.refers:
            notes.append(f"from *{leaf.refers}")
        origin = composed.provenance.get(leaf.key) if composed is not None else None
        if origin is not None and _is_elsewhere(origin, profile):
            value = shown(effective(composed, leaf.key))
            notes.append(f"becomes {value} by {origin}")
        if known is None and leaf.key not in wrong:
            notes.append("a keyword of its own")
        elif known is not None and not known.acted_on and not leaf.key.startswith("hardware."):
            notes.append("not acted on yet")
        rows.append(
            Row(
                leaf.key,
                leaf.value,
                known,
                ", ".join(notes),
                wrong.get(leaf.key, ""),
                label=leaf.key.removeprefix(own),
            )
        )
    return rows


def _is_elsewhere(origin: Origin, profile: ProfileText) -> bool:
    return origin.kind not in ("finalize", "schema") and origin.where != profile.shown


def addable(profile: ProfileText, seen: Look | None) -> list[Row]:
    """Give the keys that a profile does not set, those that it can set first."""
    composed = seen.composed if seen is not None else None
    config = composed.config if composed is not None else None
    there = {leaf.key for leaf in profile.leaves}
    own = profile.package[0] if profile.package else ""
    rows = []
    for known in known_keys(config):
        if known.key in there:
            continue
        value = effective(composed, known.key)
        reached = profile.reaches(known.key)
        note = f"now {shown(value)}  {known.doc}"
        if not reached:
            note = f"other section: asks first  {known.doc}"
        rows.append(Row(known.key, value, known, note))
    return sorted(
        rows,
        key=lambda row: (
            bool(own) and not row.key.startswith(f"{own}."),
            _WANTED.index(row.key) if row.key in _WANTED else len(_WANTED),
        ),
    )


def card(profile: ProfileText) -> str:
    """Describe a hardware profile in a few lines."""

    def of(name: str) -> Any:
        leaf = profile.find(f"hardware.{name}")
        return leaf.value if leaf is not None else None

    def number(name: str, unit: str) -> str:
        value = of(name)
        return f"{shown(value)} {unit}" if value is not None else ""

    lines = []
    memory = number("available_memory_gb", "GB")
    devices = of("devices")
    device = f"{shown(of('device') or '?')}" + (f" x {devices}" if devices else "")
    status = str(of("status") or "supported")
    cost = number("cost_per_hour", "$/h")
    lines.append(_facts(str(of("name") or "unnamed"), device, memory, status, cost))
    limits = _facts(
        _labelled("batch", of("max_batch_size")),
        _labelled("sequence", of("max_sequence_length")),
        _labelled("LoRA rank", of("max_lora_rank")),
    )
    accumulate = of("recommended_gradient_accumulation")
    if isinstance(accumulate, int):
        limits = _facts(limits, f"accumulate {plural(accumulate, 'batch').replace('chs', 'ches')}")
    if limits:
        lines.append(f"up to {limits}")
    words = []
    for key, word in (
        ("supports_fp16", "fp16"),
        ("supports_bf16", "bf16"),
        ("supports_gradient_checkpointing", "gradient checkpointing"),
    ):
        value = of(key)
        words.append(f"{word} {'yes' if value is True else 'no' if value is False else 'unknown'}")
    lines.append(_facts(*words))
    if of("notes"):
        lines.append(str(of("notes")))
    return "\n".join(clean(line) for line in lines)


def _labelled(name: str, value: Any) -> str:
    return f"{name} {shown(value)}" if value is not None else ""


def _facts(*parts: str) -> str:
    return "  ".join(part for part in parts if part)
