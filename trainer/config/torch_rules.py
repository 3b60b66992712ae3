"""Are an optimiser and a scheduler classes of torch, with keywords that these classes take?

Judged by the generated tables, without importing torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from trainer.config.torch_args import NEED_CODE, OPTIMIZERS, SCHEDULERS, Keyword
from trainer.config.torch_bounds import Bounds, bounds_of, choices_of, is_count
from trainer.errors import Problem, nearest

NOT_AFTER_WARMUP = {
    "OneCycleLR": "it brings a warmup of its own (`pct_start`), and would jump at the change",
    "CyclicLR": "it sets learning rate and momentum between bounds of its own",
    "ReduceLROnPlateau": "it follows a metric and not a count of steps",
    "SequentialLR": "it is made of other schedulers",
    "ChainedScheduler": "it is made of other schedulers",
}
"""Schedulers that a warmup cannot hand over to, with the reason."""

WHOLE = "auto"
"""What the length of a schedule may be instead of a count: to the end of training, less the warmup."""

LENGTHS = {
    "LinearLR": "total_iters",
    "PolynomialLR": "total_iters",
    "CosineAnnealingLR": "T_max",
    "OneCycleLR": "total_steps",
}
"""The keyword of each scheduler that may be `auto`."""

SCALES = {"InverseLR": "inv_gamma"}
"""The keyword of each scheduler that may be `auto` for as long as the warmup, or `SCALE` without one."""

SCALE = 10_000
"""Steps; transformers' choice for its `inverse_sqrt`."""


def is_whole(scheduler: Mapping[str, Any]) -> bool:
    """Say whether a `scheduler` section without a warmup asks for a schedule as long as training."""
    keywords = scheduler.get("config")
    word = LENGTHS.get(str(scheduler.get("type")), "")
    return not scheduler.get("warmup") and (
        isinstance(keywords, Mapping) and keywords.get(word) == WHOLE
    )


# What an unset trainer.max_steps or trainer.max_epochs becomes in a profile that follows it.
_FOLLOWS = (
    "Where it follows trainer.max_steps or trainer.max_epochs, set that first; or write auto for the "
    "whole training."
)
# As other libraries call what torch calls otherwise.
_SAME = {
    "learning_rate": "lr",
    "wd": "weight_decay",
    "l2": "weight_decay",
    "epsilon": "eps",
    "beta1": "betas",
    "beta2": "betas",
    "adam_beta1": "betas",
    "adam_beta2": "betas",
    "min_lr": "eta_min",
    "lr_min": "eta_min",
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "float or list": "a number or a list of numbers",
    "section": "a section of keywords",
}


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


def is_number(value: Any) -> TypeGuard[float]:
    """Say whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def optimizer_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong with the class and the keywords in the `optimizer` section."""
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
        keywords = (*keywords, Keyword("adamw", "section", None, False, True))
        if isinstance(written.get("adamw"), Mapping):
            yield from _keywords(
                "AdamW", OPTIMIZERS["AdamW"], written["adamw"], "optimizer.config.adamw", where
            )
    yield from _keywords(name, keywords, written, "optimizer.config", where)


def scheduler_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong with the class, the keywords and the warmup in the `scheduler` section."""
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
        # What else stands there is told as an unknown key, with the right name.
        if warmup.get("steps") is None and not set(warmup) - {"steps", "interval"}:
            yield Problem(
                "scheduler.warmup needs 'steps', a whole number.",
                origin("scheduler.warmup", where),
                "Set scheduler.warmup.steps, or scheduler.warmup=null for none.",
                "scheduler.warmup.steps",
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
    if warmup and name in NOT_AFTER_WARMUP:
        yield Problem(
            f"{name} cannot follow a warmup: {NOT_AFTER_WARMUP[name]}.",
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
    counted = all(written.get(part) is not None for part in ("epochs", "steps_per_epoch"))
    if name == "OneCycleLR" and written.get("total_steps") is None and not counted:
        yield Problem(
            "OneCycleLR needs 'total_steps', or both 'epochs' and 'steps_per_epoch'.",
            origin("scheduler.type", where),
            "Set scheduler.config.total_steps.",
            f"{key}.total_steps",
        )
    stones = written.get("milestones")
    if isinstance(stones, list) and any(type(s) is not int or s < 0 for s in stones):
        yield Problem(
            f"'{key}.milestones' cannot be {text_of(stones)}: {name} takes whole numbers, ≥ 0.",
            origin(f"{key}.milestones", where),
            "",
            f"{key}.milestones",
        )


def _no_class(
    key: str, name: str, table: Mapping[str, Any], kind: str, where: Mapping[str, Any]
) -> Problem:
    return Problem(
        f"'{key}': torch has no {kind} {text_of(name)}.",
        origin(key, where),
        _nearest(name, table) or f"There are {', '.join(table)}.",
        key,
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    """Suggest a name that differs in capitals only before one that differs in letters."""
    for right in known:
        if right.lower() == name.lower():
            return f"Did you mean '{right}'?"
    return nearest(name, known)


def _meant(word: str, known: Iterable[str]) -> str:
    """Suggest a keyword for another library's word, or for a slip of the pen."""
    same = _SAME.get(word.lower(), "")
    return f"Did you mean '{same}'?" if same in known else _nearest(word, known)


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
            remedy = f"{_meant(str(word), known)} It takes {allowed}.".strip()
            yield Problem(f"{name} takes no '{word}'.", origin(key, where), remedy, key)
            continue
        wants = _wants(name, known[word], value)
        if wants:
            yield Problem(
                f"'{key}' cannot be {text_of(value)}: {name} takes {wants}.",
                origin(key, where),
                _remedy(name, word, value),
                key,
            )
    slips = " ".join(_meant(str(word), known) for word in written if word not in known)
    for needed in known.values():
        # One slip is one problem: a name that was nearly right is told above.
        if needed.required and needed.name not in written and f"'{needed.name}'" not in slips:
            yield Problem(
                f"{name} needs '{needed.name}', {_KINDS.get(needed.kind, 'a value')}.",
                origin(f"{section.partition('.')[0]}.type", where),
                f"Set {section}.{needed.name}.",
                f"{section}.{needed.name}",
            )


def _remedy(name: str, word: str, value: Any) -> str:
    if is_count(word) and value in (-1, None):
        return _FOLLOWS if LENGTHS.get(name) == word else _FOLLOWS.partition(";")[0] + "."
    if (name, word) == ("InverseLR", "warmup") and is_number(value) and value >= 1:
        return "Steps of warmup go into scheduler.warmup."
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return f"Write {value.strip()} without quotes."
    return _nearest(value, choices_of(name, word)) if isinstance(value, str) else ""


def _wants(name: str, word: Keyword, value: Any) -> str:
    """Say what a keyword of a class takes if the value is not that; an empty text if it is."""
    null = " or null" if word.nullable else ""
    if word.name in (LENGTHS.get(name), SCALES.get(name)):
        if value == WHOLE:
            return ""
        null = f"{null} or {WHOLE}"
    if value is None:
        return "" if word.nullable else _KINDS.get(word.kind, "another value")
    kind, _, count = word.kind.partition("*")
    if count:
        return _wants_numbers(name, word, value, int(count))
    fits = {
        "float": is_number(value),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
        "list": isinstance(value, list | tuple),
        "float or list": is_number(value)
        or (isinstance(value, list | tuple) and all(map(is_number, value))),
        "section": isinstance(value, Mapping),
        "function": False,
    }.get(kind, True)
    if kind == "function":
        return "a function, which no config can hold"
    if not fits:
        return _KINDS[kind] + null
    choices = choices_of(name, word.name)
    if choices and value not in choices:
        return " or ".join(f"'{choice}'" for choice in choices) + null
    bounds = bounds_of(name, word.name) or Bounds()
    numbers = [value] if is_number(value) else value if isinstance(value, list | tuple) else []
    if not all(bounds.holds(number) for number in numbers if is_number(number)):
        same = bounds.low == bounds.high
        return (f"{bounds.low:g}" if same else f"{_KINDS[kind]}, {bounds}") + null
    return ""


def _wants_numbers(name: str, word: Keyword, value: Any, count: int) -> str:
    fits = isinstance(value, list | tuple) and len(value) == count
    # Adafactor's first epsilon may be null.
    fits = fits and all(is_number(n) or (word.nullable and n is None) for n in value)
    if not fits:
        return f"{count} numbers{' or null' if word.nullable else ''}"
    for at, number in enumerate(value):
        bounds = bounds_of(name, word.name, at) or Bounds()
        if number is not None and not bounds.holds(number):
            return f"{count} numbers, the {('first', 'second', 'third')[at]} {bounds}"
    return ""
