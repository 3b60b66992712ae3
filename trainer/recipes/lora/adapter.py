"""Puts a LoRA adapter of PEFT's beside a base."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from trainer.engine.targets import check_arguments
from trainer.errors import ConfigError, Problem

#: Beginnings that change the base's own weights, or come from a pass over the data.
_BEGINNINGS = {
    "pissa": "takes the adapter out of the base's own weights, which would then be others",
    "olora": "takes the adapter out of the base's own weights, which would then be others",
    "loftq": "rounds the base's own weights, which would then be others",
    "corda": "needs a pass over the data before training",
    "eva": "needs a pass over the data before training",
    "lora_ga": "needs a pass over the data before training",
}


def adapted(loaded: nn.Module, lora: Mapping[str, Any]) -> Any:
    """Give a base with an adapter beside its frozen weights.

    Args:
        loaded: The base.
        lora: Keywords of PEFT's `LoraConfig`.

    Raises:
        ConfigError: PEFT refuses, or the adapter could not be told apart from the base.
    """
    from peft import LoraConfig, get_peft_model

    keywords = {name: value for name, value in lora.items() if value is not None}
    keywords.setdefault("task_type", "CAUSAL_LM")
    check_arguments(LoraConfig, keywords, key="lora")
    _check_beginning(keywords.get("init_lora_weights"))
    if isinstance(keywords.get("lora_alpha"), float) and keywords["lora_alpha"].is_integer():
        keywords["lora_alpha"] = int(keywords["lora_alpha"])
    layers = _layers(loaded)
    try:
        with warnings.catch_warnings():
            # It says that it has set what GPT-2's layers need.
            warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")
            return get_peft_model(loaded, LoraConfig(**keywords))
    except (ValueError, TypeError, KeyError, ImportError, RuntimeError) as error:
        told = " ".join(str(error).split())[:300]
        raise ConfigError(
            Problem(
                f"PEFT refuses the adapter: {told}",
                remedy=f"The base's linear layers are {', '.join(layers)}; lora.target_modules="
                "all-linear takes all but the last.",
                key="lora",
            )
        ) from error


def own_values(network: nn.Module) -> dict[str, Tensor]:
    """Give the base's values of what is trained in place: biases, where `lora.bias` says so."""
    return {
        name: parameter.detach().clone()
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and name.endswith(".bias") and not _of_adapter(name)
    }


@contextmanager
def without(network: Any, own: Mapping[str, Tensor]) -> Iterator[None]:
    """Let a model be its base for now, biases and all.

    Args:
        network: PEFT's model.
        own: What `own_values` gave before training.
    """
    trained: dict[str, Tensor] = {}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Careful, disabling adapter")
        named = dict(network.named_parameters()) if own else {}
        for name, value in own.items():
            trained[name] = named[name].detach().clone()
            named[name].copy_(value)
        try:
            with network.disable_adapter():
                yield
        finally:
            for name, value in trained.items():
                named[name].copy_(value)


def _of_adapter(name: str) -> bool:
    return "lora_" in name or "modules_to_save" in name


def _check_beginning(wanted: Any) -> None:
    for name, why in _BEGINNINGS.items():
        if isinstance(wanted, str) and wanted.startswith(name):
            raise ConfigError(
                Problem(
                    f"An adapter that begins as '{wanted}' {why}.",
                    remedy="Set lora.init_lora_weights to true, gaussian or orthogonal.",
                    key="lora.init_lora_weights",
                )
            )


def _layers(loaded: nn.Module) -> list[str]:
    from transformers.pytorch_utils import Conv1D

    kinds = (nn.Linear, Conv1D)  # GPT-2's layers are of the latter kind
    return sorted({n.rpartition(".")[2] for n, p in loaded.named_modules() if isinstance(p, kinds)})
