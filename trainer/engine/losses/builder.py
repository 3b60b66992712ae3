"""Makes the loss that a config describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from trainer.config.loss_rules import TermSpec, read_terms
from trainer.config.symbolic_rules import read_rules
from trainer.engine import targets
from trainer.engine.losses.outputs import ForwardPass
from trainer.engine.losses.weighted import Weighted, WeightedSum
from trainer.errors import ConfigError, Problem

SECTION_KEYS = ("name", "composite", "groups", "max_component_penalty")
"""Keys of `loss` that are no keywords of its class."""


def loss_of(config: Mapping[str, Any]) -> nn.Module:
    """Make the loss, called as `loss(model, batch) -> (loss, metrics)`.

    Symbolic rules are terms like any other, called `symbolic/<rule>`. A term that is not enabled, or whose weight is 0, is not built. A loss of a recipe's own, alone,
    is a sum of one term: it is given as it is.

    Raises:
        ConfigError: A class may not be loaded or takes other arguments, a weight is negative, or
            nothing is left to be minimised.
    """
    section = dict(config.get("loss") or {})
    name, cap = section.get("name"), section.get("max_component_penalty")
    keywords = {key: value for key, value in section.items() if key not in SECTION_KEYS}
    read = read_terms(config)
    rules, wrong = read_rules(config)
    if problems := [*read.problems, *wrong]:
        raise ConfigError(*problems)
    base: nn.Module | None = None
    if keywords or not read.loss:
        base = targets.build(keywords, nn.Module, key="loss")
    terms, evaluation = _built([*read.loss, *rules]), _built(read.evaluation)
    alone = not terms and not evaluation and cap is None
    if base is not None and alone and not isinstance(base, ForwardPass):
        return base
    return WeightedSum(base, terms, evaluation=evaluation, cap=cap, base_name=str(name or "main"))


def own_module_problems(config: Mapping[str, Any]) -> list[Problem]:
    """Say what of the losses a LightningModule, which computes its own, would leave undone."""
    read = read_terms(config)
    return [
        Problem(
            f"'{spec.key}' does nothing here: the model is a LightningModule, which computes its "
            "own loss.",
            "",
            "Give it as a plain nn.Module with a `loss`, or leave the term out.",
            spec.key,
        )
        for spec in (*read.loss, *read_rules(config)[0], *read.evaluation)
    ]


def _built(specs: Sequence[TermSpec]) -> list[Weighted]:
    return [
        Weighted(
            name=spec.name,
            term=targets.build({"_target_": spec.target, **spec.keywords}, nn.Module, key=spec.key),
            weight=spec.weight,
            key=spec.key,
            optional=spec.optional,
        )
        for spec in specs
    ]
