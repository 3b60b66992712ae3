"""Texts of `trainer` that Lightning would refuse, judged before launch and without Lightning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.config.durations import seconds
from trainer.config.torch_rules import origin, text_of
from trainer.errors import Problem, nearest

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")
"""What Lightning registers, and its own words for a choice."""

# Of packages that people use with Lightning; their names are too like "cpu".
_OF_OTHERS = ("hpu", "ipu", "npu", "xpu")

STRATEGIES = (
    "auto",
    "ddp",
    "ddp_spawn",
    "ddp_fork",
    "ddp_notebook",
    "ddp_find_unused_parameters_false",
    "ddp_find_unused_parameters_true",
    "ddp_spawn_find_unused_parameters_false",
    "ddp_spawn_find_unused_parameters_true",
    "ddp_fork_find_unused_parameters_false",
    "ddp_fork_find_unused_parameters_true",
    "ddp_notebook_find_unused_parameters_false",
    "ddp_notebook_find_unused_parameters_true",
    "deepspeed",
    "deepspeed_stage_1",
    "deepspeed_stage_2",
    "deepspeed_stage_2_offload",
    "deepspeed_stage_3",
    "deepspeed_stage_3_offload",
    "deepspeed_stage_3_offload_nvme",
    "fsdp",
    "fsdp_cpu_offload",
    "single_device",
    "single_xla",
    "single_tpu",
    "xla",
    "xla_debug",
)
"""What Lightning registers."""

_INDICES = re.compile(r"\s*\d+\s*(,\s*\d+\s*)*,?\s*")
_CLOCK = re.compile(r"\s*\d+\s*(:\s*\d+\s*){3}")


def lightning_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find texts that name no accelerator, no strategy, no devices and no length of time.

    Packages may register accelerators and strategies of their own: a name that is like none of
    Lightning's is left to Lightning.

    Args:
        config: A canonical, resolved config.
        where: For each dotted key what set it.
    """
    trainer = config.get("trainer")
    if not isinstance(trainer, Mapping):
        return
    for name, known in (("accelerator", ACCELERATORS), ("strategy", STRATEGIES)):
        written = trainer.get(name)
        if not isinstance(written, str) or written in known or written in _OF_OTHERS:
            continue
        meant = nearest(written.lower(), known)
        if meant:
            key = f"trainer.{name}"
            what = f"'{key}': Lightning has no {name} {text_of(written)}."
            yield Problem(what, origin(key, where), meant, key)
    yield from _devices(trainer.get("devices"), where)
    yield from _interval(trainer.get("val_check_interval"), where)


def _devices(written: Any, where: Mapping[str, Any]) -> Iterator[Problem]:
    if not isinstance(written, str) or written.strip() in ("auto", "-1"):
        return
    if not _INDICES.fullmatch(written):
        key = "trainer.devices"
        kind = written.strip().lower()
        remedy = "Give a count, indices such as [0,1] or '0,1', -1 or auto."
        if kind in ACCELERATORS:
            remedy = f"The kind of device is trainer.accelerator={kind}. {remedy}"
        what = f"'{key}' cannot be {text_of(written)}."
        yield Problem(what, origin(key, where), remedy, key)


def _interval(written: Any, where: Mapping[str, Any]) -> Iterator[Problem]:
    """Lightning reads one form of a time only, and divides by a count of batches."""
    key = "trainer.val_check_interval"
    if type(written) is int and written == 0:
        remedy = "Validation is switched off by trainer.limit_val_batches=0."
        yield Problem(f"'{key}' cannot be 0.", origin(key, where), remedy, key)
    if not isinstance(written, str) or _CLOCK.fullmatch(written):
        return
    remedy = "Give a count of batches, a share of an epoch, or a time as DD:HH:MM:SS."
    try:
        meant = seconds(written)
    except ValueError:
        meant = None
    # A bare number is no time: it was a count in quotes.
    if meant and not re.fullmatch(r"[\d.\s]+", written):
        minutes, second = divmod(round(meant), 60)
        hours, minute = divmod(minutes, 60)
        day, hour = divmod(hours, 24)
        remedy = f"Write a time as DD:HH:MM:SS: {key}='{day:02}:{hour:02}:{minute:02}:{second:02}'."
    yield Problem(f"'{key}' cannot be {text_of(written)}.", origin(key, where), remedy, key)
