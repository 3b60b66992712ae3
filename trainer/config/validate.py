"""Everything wrong with a config at once: each problem with its place and the nearest right name.

Nothing that a config names is imported or run here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from pydantic import ValidationError

from trainer.config.aliases import ALIASES, canonical_key
from trainer.config.schema import Config, fields, sections
from trainer.config.schema_base import Key
from trainer.config.schema_trainer import HANDLED_ELSEWHERE
from trainer.config.targets_allowed import TARGET, problem_with_target
from trainer.config.torch_args import NEED_CODE, OPTIMIZERS, SCHEDULERS, Keyword
from trainer.errors import Problem, nearest

# Their learning rate depends on more than a count of steps: a warmup cannot hand over to them.
_NOT_AFTER_WARMUP = {
    "OneCycleLR": "it brings a warmup of its own (`pct_start`)",
    "CyclicLR": "it sets learning rate and momentum between bounds of its own",
    "ReduceLROnPlateau": "it follows a metric and not a count of steps",
}
# Keywords that torch takes as any number, though nothing works with less than one.
_AT_LEAST_ONE = frozenset(
    {"T_max", "T_0", "total_iters", "step_size", "step_size_up", "total_steps", "epochs"}
    | {"steps_per_epoch", "max_iter", "ns_steps"}
)
_NOT_NEGATIVE = frozenset({"lr", "weight_decay", "eps", "momentum", "min_lr", "eta_min", "max_lr"})
_INDEX = re.compile(r"\.\d+(?=\.|$)")
_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "float or list": "a number or a list of numbers",
}


def validate(
    config: Mapping[str, Any], provenance: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Check a canonical, resolved config.

    Args:
        config: Plain nested values without interpolations, as `finalize` leaves them.
        provenance: For each dotted key what set it; shown by its `str()`.

    Returns:
        Every problem in the config's order; empty if it is valid.
    """
    where = provenance or {}
    problems: list[Problem] = []
    try:
        Config.model_validate(config)
    except ValidationError as error:
        problems += problems_of(error, config, where)
    problems += _targets(config, "", where)
    problems += _optimizer(config, where)
    problems += _scheduler(config, where)
    problems += _together(config, where)
    order = {key: at for at, (key, _) in enumerate(_leaves(config, ""))}
    unique = {(p.key, p.what): p for p in problems}
    return sorted(unique.values(), key=lambda p: _position(p.key, order))


def problems_of(
    error: ValidationError, config: Mapping[str, Any], where: Mapping[str, Any]
) -> list[Problem]:
    """Turn what the schema found into problems, one for each key."""
    found: dict[str, Problem] = {}
    for item in error.errors(include_url=False, include_context=False):
        path = _config_path(item["loc"], config)
        key = ".".join(map(str, path))
        if item["type"] == "extra_forbidden":
            found[key] = _unknown(key, where)
        elif item["type"] == "missing":
            found.setdefault(key, Problem(f"'{key}' is missing.", origin(key, where), "", key))
        else:
            found.setdefault(key, _wrong_value(key, _at(config, path), where))
    # A problem inside a value says more than one about the whole value.
    return [
        problem
        for key, problem in found.items()
        if not any(other.startswith(f"{key}.") for other in found)
    ]


def origin(key: str, where: Mapping[str, Any]) -> str:
    """Say what set a key: itself, something in it, or the nearest section above it."""
    if key in where:
        return str(where[key])
    below = key + "."
    for name in where:
        if name.startswith(below):
            return str(where[name])
    while "." in key:
        key = key.rsplit(".", 1)[0]
        if key in where:
            return str(where[key])
    return ""


def text_of(value: Any) -> str:
    """Write a value as a person would in YAML, cut to a line."""
    try:
        text = json.dumps(value, ensure_ascii=True, default=str)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def expected(known: Key) -> str:
    """Say what a key takes: `int | null, ≥ 1, in seconds`."""
    kind = known.type
    if known.choices and len(kind) > 80:
        kind = " | ".join(str(choice) for choice in known.choices if isinstance(choice, str))
    unit = f", in {known.unit}" if known.unit else ""
    return f"{kind}{f', {known.bounds}' if known.bounds else ''}{unit}"


def _config_path(loc: tuple[int | str, ...], config: Any) -> list[int | str]:
    """Take the names of a union's members out of pydantic's location."""
    path: list[int | str] = []
    node = config
    for at, part in enumerate(loc):
        if _holds(node, part):
            node = node[part]
        elif at == len(loc) - 1 and ".".join(map(str, [*path, part])) in fields():
            pass  # a required key that is not there
        else:
            continue
        path.append(part)
    while path and isinstance(path[-1], int):  # the list as a whole is what the schema knows
        path.pop()
    return path


def _holds(node: Any, part: int | str) -> bool:
    if isinstance(node, list):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, Mapping) and part in node


def _at(config: Any, path: Iterable[int | str]) -> Any:
    for part in path:
        config = config[part]
    return config


def _unknown(key: str, where: Mapping[str, Any]) -> Problem:
    section, _, name = key.rpartition(".")
    place = origin(key, where)
    if section == "trainer" and name in HANDLED_ELSEWHERE:
        return Problem(f"'{key}' cannot be given.", place, HANDLED_ELSEWHERE[name], key)
    prefix = f"{section}." if section else ""
    beside = [
        known.removeprefix(prefix)
        for known in fields()
        if known.startswith(prefix) and "." not in known.removeprefix(prefix)
    ]
    remedy = _same_name(name)
    if not remedy and not section:
        remedy = _nearest_at_top(name, beside) or f"There are {', '.join(sections())}."
    if not remedy:
        remedy = nearest(name, beside).replace("mean '", f"mean '{prefix}")
    if not remedy:
        remedy = nearest(name, [known for known in fields() if "." in known])
    return Problem(f"there is no key '{key}'.", place, remedy, key)


def _same_name(name: str) -> str:
    """Find a key of that very name in another section."""
    for known, about in fields().items():
        if known.rpartition(".")[2] == name and not about.section:
            return f"Did you mean '{known}'?"
    return ""


def _nearest_at_top(name: str, beside: Iterable[str]) -> str:
    """Find a section, or another spelling that stands at the top, much like a name."""
    spellings = [row.old for row in ALIASES if "." not in row.old]
    close = nearest(name, [*beside, *spellings])
    written = close.split("'")[1] if close else ""
    if written in spellings:
        return f"Did you mean '{written}', which is '{canonical_key(written)}'?"
    return close


def _wrong_value(key: str, value: Any, where: Mapping[str, Any]) -> Problem:
    known = fields().get(_INDEX.sub(".*", key))
    shown = text_of(value)
    if known is None:
        return Problem(f"'{key}' cannot be {shown}.", origin(key, where), "", key)
    if known.section:
        return Problem(f"'{key}' is a section of keys, not {shown}.", origin(key, where), "", key)
    remedy = ""
    if isinstance(value, str) and known.choices:
        remedy = nearest(value, [str(choice) for choice in known.choices])
    return Problem(
        f"'{key}' cannot be {shown}: it takes {expected(known)}.", origin(key, where), remedy, key
    )


def _targets(value: Any, key: str, where: Mapping[str, Any]) -> Iterator[Problem]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            inner = f"{key}.{name}" if key else str(name)
            if name == TARGET:
                wrong = problem_with_target(below)
                if wrong is not None:
                    yield Problem(f"'{key}': {wrong[0]}", origin(inner, where), wrong[1], inner)
            else:
                yield from _targets(below, inner, where)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _targets(item, f"{key}.{at}", where)


def _optimizer(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    section = config.get("optimizer")
    name = section.get("type", "AdamW") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(name, str):
        return
    if name not in OPTIMIZERS:
        yield _no_class("optimizer.type", name, OPTIMIZERS, "optimiser", where)
        return
    written = section.get("config")
    if not isinstance(written, Mapping):
        return
    keywords = OPTIMIZERS[name]
    if name == "Muon":
        # The engine pairs it with AdamW for all that is no matrix; these are AdamW's keywords.
        keywords = (*keywords, Keyword("adamw", "any", None, False, True))
        if isinstance(written.get("adamw"), Mapping):
            yield from _keywords(
                "AdamW", OPTIMIZERS["AdamW"], written["adamw"], "optimizer.config.adamw", where
            )
    yield from _keywords(name, keywords, written, "optimizer.config", where)


def _scheduler(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    section = config.get("scheduler")
    if not isinstance(section, Mapping) or section.get("enabled") is False:
        return
    name, warmup = section.get("type"), section.get("warmup")
    if isinstance(warmup, Mapping):
        counted, inner = section.get("interval"), warmup.get("interval")
        if counted and inner and counted != inner:
            yield Problem(
                f"the scheduler counts by {counted} and its warmup by {inner}.",
                origin("scheduler.warmup.interval", where),
                "Write one interval only; it governs both.",
                "scheduler.warmup.interval",
            )
        warmup = warmup.get("steps")
    if not isinstance(name, str):
        return
    if name in NEED_CODE:
        yield Problem(
            f"scheduler.type: {name} cannot be described in a config: {NEED_CODE[name]}.",
            origin("scheduler.type", where),
            "A LightningModule of your own can use it in configure_optimizers.",
            "scheduler.type",
        )
        return
    if name not in SCHEDULERS:
        yield _no_class("scheduler.type", name, SCHEDULERS, "scheduler", where)
        return
    if warmup and name in _NOT_AFTER_WARMUP:
        yield Problem(
            f"{name} cannot follow a warmup: {_NOT_AFTER_WARMUP[name]}.",
            origin("scheduler.warmup", where),
            "Set scheduler.warmup=null or choose another scheduler.",
            "scheduler.warmup",
        )
    written = section.get("config")
    if isinstance(written, Mapping):
        yield from _keywords(name, SCHEDULERS[name], written, "scheduler.config", where)
        yield from _special(name, written, where)


def _special(name: str, written: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """What the signatures do not say."""
    key = "scheduler.config"
    if name == "InverseLR":
        warmup, gamma = written.get("warmup", 0.0), written.get("inv_gamma", 1.0)
        if _is_number(warmup) and not 0.0 <= warmup < 1.0:
            yield Problem(
                f"'{key}.warmup' cannot be {text_of(warmup)}: it takes a number, ≥ 0, < 1.",
                origin(f"{key}.warmup", where),
                "Steps of warmup go into scheduler.warmup." if warmup >= 1 else "",
                f"{key}.warmup",
            )
        if _is_number(gamma) and gamma <= 0.0:
            yield Problem(
                f"'{key}.inv_gamma' cannot be {text_of(gamma)}: it takes a number, > 0.",
                origin(f"{key}.inv_gamma", where),
                "",
                f"{key}.inv_gamma",
            )
    counted = all(written.get(part) is not None for part in ("epochs", "steps_per_epoch"))
    if name == "OneCycleLR" and written.get("total_steps") is None and not counted:
        yield Problem(
            "OneCycleLR needs 'total_steps', or both 'epochs' and 'steps_per_epoch'.",
            origin("scheduler.type", where),
            "Set scheduler.config.total_steps.",
            f"{key}.total_steps",
        )


def _no_class(
    key: str, name: str, table: Mapping[str, Any], kind: str, where: Mapping[str, Any]
) -> Problem:
    return Problem(
        f"'{key}': torch has no {kind} {text_of(name)}.",
        origin(key, where),
        nearest(name, table) or f"There are {', '.join(table)}.",
        key,
    )


def _keywords(
    name: str,
    keywords: Iterable[Keyword],
    written: Mapping[str, Any],
    section: str,
    where: Mapping[str, Any],
) -> Iterator[Problem]:
    known = {word.name: word for word in keywords}
    for word, value in written.items():
        key = f"{section}.{word}"
        if word not in known:
            allowed = ", ".join(known)
            remedy = f"{nearest(str(word), known)} It takes {allowed}.".strip()
            yield Problem(f"{name} takes no '{word}'.", origin(key, where), remedy, key)
            continue
        wants = _wants(known[word], value)
        if wants:
            yield Problem(
                f"'{key}' cannot be {text_of(value)}: {name} takes {wants}.",
                origin(key, where),
                "",
                key,
            )
    for needed in known.values():
        if needed.required and needed.name not in written:
            yield Problem(
                f"{name} needs '{needed.name}', {_KINDS.get(needed.kind, 'a value')}.",
                origin(section, where),
                f"Set {section}.{needed.name}.",
                f"{section}.{needed.name}",
            )


def _wants(word: Keyword, value: Any) -> str:
    """Say what a keyword takes if the value is not that; an empty text if it is."""
    null = " or null" if word.nullable else ""
    if value is None:
        return "" if word.nullable else _KINDS.get(word.kind, "another value")
    kind, _, count = word.kind.partition("*")
    if count:
        fits = isinstance(value, list | tuple) and len(value) == int(count)
        # Adafactor's first epsilon may be null.
        fits = fits and all(_is_number(n) or (word.nullable and n is None) for n in value)
        return "" if fits else f"{count} numbers{null}"
    fits = {
        "float": _is_number(value),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
        "list": isinstance(value, list | tuple),
        "float or list": _is_number(value)
        or (isinstance(value, list | tuple) and all(map(_is_number, value))),
        "function": False,
    }.get(kind, True)
    if kind == "function":
        return "a function, which no config can hold"
    if not fits:
        return _KINDS[kind] + null
    if word.name in _AT_LEAST_ONE and _is_number(value) and value < 1:
        return f"{_KINDS[kind]}, ≥ 1{null}"
    if word.name in _NOT_NEGATIVE and _is_number(value) and value < 0:
        return f"{_KINDS[kind]}, ≥ 0{null}"
    return ""


def _together(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong only in keys taken together."""
    hardware, trainer = _section(config, "hardware"), _section(config, "trainer")
    if hardware.get("status") == "unsupported":
        name = hardware.get("name") or hardware.get("device") or "this hardware"
        why = str(hardware.get("notes") or "").rstrip(".")
        yield Problem(
            f"Hardware {text_of(name)} is unsupported{f': {why}' if why else ''}.",
            origin("hardware.status", where),
            "Choose another (hardware=cpu, hardware=cloud-rtx-4090, …), or set "
            "hardware.status=supported if it works for you.",
            "hardware.status",
        )
    precision = str(trainer.get("precision"))
    same_device = trainer.get("accelerator") in _ACCELERATORS.get(str(hardware.get("device")), ())
    for prefix, flag in (("bf16", "supports_bf16"), ("16", "supports_fp16")):
        mixed_or_true = precision == prefix or precision.startswith(f"{prefix}-")
        if same_device and mixed_or_true and hardware.get(flag) is False:
            yield Problem(
                f"'trainer.precision' is {precision}, which the hardware profile "
                f"({hardware.get('name')}) does not support.",
                origin("trainer.precision", where),
                "Set trainer.precision=null trainer.amp=true to have it chosen.",
                "trainer.precision",
            )
    loader = _section(config, "dataloader")
    if loader.get("persistent_workers") is True and loader.get("num_workers") == 0:
        yield Problem(
            "'dataloader.persistent_workers' needs workers, and 'dataloader.num_workers' is 0.",
            origin("dataloader.persistent_workers", where),
            "Set dataloader.num_workers to 1 or more.",
            "dataloader.persistent_workers",
        )
    limits = _section(config, "limits")
    wall, grace = limits.get("wall_clock"), limits.get("grace")
    if _is_number(wall) and _is_number(grace) and 0 < wall <= grace:
        yield Problem(
            f"'limits.grace' ({grace:g} s) leaves nothing of 'limits.wall_clock' ({wall:g} s).",
            origin("limits.wall_clock", where),
            "Make the grace shorter than the wall clock.",
            "limits.grace",
        )
    run = _section(config, "run")
    for name in ("hash_file", "debug_log"):
        file = run.get(name)
        if isinstance(file, str) and not _is_file_name(file):
            yield Problem(
                f"'run.{name}' must be the name of a file, not {text_of(file)}.",
                origin(f"run.{name}", where),
                "Leave out folders and control characters.",
                f"run.{name}",
            )


_ACCELERATORS = {"cuda": ("gpu", "cuda"), "mps": ("mps",), "cpu": ("cpu",)}


def _is_file_name(text: str) -> bool:
    return (
        0 < len(text) <= 200
        and text not in (".", "..")
        and "/" not in text
        and "\\" not in text
        and text.isprintable()
    )


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, Mapping) else {}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if prefix:
        yield prefix, value
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _leaves(below, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _leaves(item, f"{prefix}.{at}")


def _position(key: str, order: Mapping[str, int]) -> int:
    while key:
        if key in order:
            return order[key]
        key = key.rpartition(".")[0]
    return len(order)
