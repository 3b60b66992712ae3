"""The schema: every key of a config with its type, bounds, unit, default and help.

No Hydra here: the training process imports this module to read its resolved `config.yaml`.
"""

from __future__ import annotations

import copy
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from trainer.config.schema_ablation import Ablation
from trainer.config.schema_base import Key, Section, key, section, walk
from trainer.config.schema_health import Health
from trainer.config.schema_logger import Logger
from trainer.config.schema_lora import Evaluation, Expert, Lora, Output
from trainer.config.schema_parts import (
    Callbacks,
    Data,
    Dataloader,
    EvalLoss,
    Loss,
    Model,
    Optimizer,
    Scheduler,
    Symbolic,
)
from trainer.config.schema_run import Hardware, Limits, Run
from trainer.config.schema_trainer import HANDLED_ELSEWHERE, LightningArgs, Trainer
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem

__all__ = [
    "HANDLED_ELSEWHERE",
    "Config",
    "Key",
    "LightningArgs",
    "defaults",
    "fields",
    "load_resolved",
    "path_keys",
    "sections",
]


class Config(Section):
    """A whole config, as the training process sees it."""

    seed: int | None = key(
        42,
        "Seed of every random generator; null: the launcher draws one and writes it down.",
        source="002",
        ge=0,
        le=2**32 - 1,
    )
    trainer: Trainer = section(Trainer, "How training runs.", source="000 001 002 003")
    optimizer: Optimizer = section(Optimizer, "How parameters are updated.", source="002 003 004")
    scheduler: Scheduler = section(Scheduler, "How the learning rate moves.", source="002 003 004")
    dataloader: Dataloader = section(Dataloader, "How data is loaded in batches.", source="002 003")
    data: Data = section(Data, "What is trained on.", source="002 004")
    model: Model = section(Model, "What is trained.", source="002 003")
    loss: Loss = section(
        Loss,
        "What is minimised: an `nn.Module`, called with model and batch.",
        source="001 002 003",
    )
    eval_loss: EvalLoss = section(EvalLoss, "What else is measured in validation.", source="002")
    callbacks: Callbacks = section(Callbacks, "The recipe's own callbacks, by name.")
    symbolic: Symbolic = section(Symbolic, "Rules that outputs should follow.", source="001")
    ablation: Ablation = section(Ablation, "What a systematic sweep varies.", source="001")
    logger: Logger = section(Logger, "Where metrics go besides the events.", source="000 002 003")
    hardware: Hardware = section(Hardware, "What the machine has.", source="004")
    lora: Lora = section(Lora, "Low-rank adapters.", source="004")
    expert: Expert = section(Expert, "Whom a language model is trained to be.", source="004")
    output: Output = section(Output, "Where a fine-tuned model is left.", source="004")
    evaluation: Evaluation = section(Evaluation, "How a finished model is judged.", source="004")
    limits: Limits = section(Limits, "What a run may use.", source="000 001")
    health: Health = section(
        Health, "Which signs of illness raise an alert, and what it does.", source="002 004"
    )
    run: Run = section(Run, "What a run is called and how it begins.", source="000")


@cache
def fields() -> dict[str, Key]:
    """Give every key of the schema by its dotted name, sections before their keys.

    Shared: not to be changed.
    """
    return {found.key: found for found in walk(Config)}


@cache
def sections() -> tuple[str, ...]:
    """Give the names of the sections and keys at the top of a config."""
    return tuple(Config.model_fields)


@cache
def path_keys() -> frozenset[str]:
    """Give the keys that say where something lies on this machine."""
    return frozenset(name for name, found in fields().items() if found.path)


@cache
def _defaults() -> dict[str, Any]:
    # From the flat view and not from a `Config()`: composing need not build the validators for that.
    tree: dict[str, Any] = {}
    for name, known in fields().items():
        *above, last = name.split(".")
        node: Any = tree
        for part in above:
            node = node.get(part) if isinstance(node, dict) else None
        # Keys below a value such as `trainer.early_stopping` are part of that value.
        parent = fields().get(".".join(above))
        if known.absent or not isinstance(node, dict) or (parent and not parent.section):
            continue
        node[last] = {} if known.section else copy.deepcopy(known.default)
    return tree


def defaults() -> dict[str, Any]:
    """Give the schema's defaults as a new nested dict: the lowest layer of every config.

    Keys that become keywords of a class when present (`data.max_items`) are not in it.
    """
    return copy.deepcopy(_defaults())


def load_resolved(path: Path) -> Config:
    """Read a resolved `config.yaml`.

    Args:
        path: The file; it holds no interpolations.

    Raises:
        ConfigError: The file can't be read, is no YAML mapping, or does not fit the schema; holds
            every problem.
    """
    from trainer.config.validate import problems_of

    try:
        config = yaml.load(path.read_text(encoding="utf-8"), Loader=_resolved_loader())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        told = clean(str(error).rstrip("."))
        raise ConfigError(
            Problem(f"The config cannot be read: {told}.", clean(str(path)))
        ) from None
    if not isinstance(config, dict):
        raise ConfigError(Problem("The config is no mapping of keys.", str(path)))
    try:
        return Config.model_validate(config)
    except ValidationError as error:
        raise ConfigError(*problems_of(error, config, dict.fromkeys(fields(), str(path)))) from None


@cache
def _resolved_loader() -> type[yaml.SafeLoader]:
    """Give a safe loader that reads `1e-3` as a number, as the composer does."""
    # The one in C takes a tenth of the time, where PyYAML was built with it.
    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc, valid-type]
        pass

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
        list("-+.0123456789"),
    )
    return Loader
