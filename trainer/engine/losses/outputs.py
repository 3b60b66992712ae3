"""What the terms of a loss look at, whichever model and data it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from trainer.errors import ConfigError, Problem

_INPUTS = ("inputs", "input", "x")
_TARGETS = ("targets", "target", "labels", "label", "y")
_PREDICTIONS = ("prediction", "predictions", "logits")
_INFO = "loss_info"


@dataclass(frozen=True, slots=True)
class Outputs:
    """One forward pass.

    Attributes:
        prediction: What the model says, any shape.
        target: What it should say; None where there is no such thing.
        info: Numbers that the model gives by itself (`loss_info`), such as a bottleneck's `kl`.
        extra: Further tensors by name, such as `sigma`, for terms that know them.
    """

    prediction: Tensor
    target: Tensor | None = None
    info: Mapping[str, Tensor] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


class ForwardPass(nn.Module):
    """Base of what turns a batch into `Outputs`: how a recipe's data meets its model.

    A config names one as `loss._target_`; the terms of `loss.composite` and `loss.groups` then see
    what it gives.
    """

    def forward(self, model: nn.Module, batch: Any) -> Outputs:
        """Run the model on a batch."""
        raise NotImplementedError


class Supervised(ForwardPass):
    """Calls the model with a batch's inputs; the batch also holds the target.

    Args:
        inputs: Position or name of the inputs in a batch; None finds them (see `parts_of`).
        target: Position or name of the target; None finds it.
    """

    def __init__(self, inputs: int | str | None = None, target: int | str | None = None) -> None:
        super().__init__()
        self._inputs = inputs
        self._target = target

    def forward(self, model: nn.Module, batch: Any) -> Outputs:
        """Run the model on the batch's inputs."""
        inputs, target = parts_of(batch, self._inputs, self._target)
        return outputs_of(model(inputs), target)


def parts_of(
    batch: Any, inputs: int | str | None = None, target: int | str | None = None
) -> tuple[Any, Any]:
    """Give inputs and target of a batch.

    A tuple or list is (inputs, target, …); a mapping has them under the usual names (`inputs`,
    `input`, `x`; `targets`, `target`, `labels`, `label`, `y`). Where there are inputs only, such as
    a tensor alone, they are the target as well: what an autoencoder is to give back.

    Args:
        batch: Any batch.
        inputs: Position or name of the inputs; None finds them.
        target: Position or name of the target; None finds it.

    Raises:
        ConfigError: The batch has no such part.
    """
    if isinstance(batch, Mapping):
        given: Any = _named(batch, _INPUTS) if inputs is None else _part(batch, inputs)
        if target is not None:
            return given, _part(batch, target)
        wanted = _named(batch, _TARGETS, given)
        return given, wanted
    if isinstance(batch, list | tuple) and batch:
        given = _part(batch, 0 if inputs is None else inputs)
        if target is not None:
            return given, _part(batch, target)
        return given, batch[1] if len(batch) > 1 else given
    return batch, batch


def outputs_of(output: Any, target: Any) -> Outputs:
    """Read what a model gave: a tensor, (tensor, `loss_info`), or a mapping or object of these.

    Raises:
        ConfigError: There is no tensor to compare with the target.
    """
    prediction, info = output, None
    if isinstance(output, tuple) and len(output) == 2 and isinstance(output[1], Mapping):
        prediction, info = output
    elif isinstance(output, Mapping):
        prediction, info = _named(output, _PREDICTIONS), output.get(_INFO)
    elif not isinstance(output, Tensor):
        info = getattr(output, _INFO, None)
        prediction = next(
            (getattr(output, name) for name in _PREDICTIONS if hasattr(output, name)), output
        )
    if not isinstance(prediction, Tensor):
        raise ConfigError(
            Problem(
                f"The terms of the loss need a prediction, and the model gave "
                f"{type(output).__name__}.",
                "",
                "Let it give a tensor, a pair of a tensor and a mapping `loss_info`, or a mapping "
                "with `prediction`; or name a ForwardPass of your own as `loss._target_`.",
                "loss",
            )
        )
    return Outputs(prediction, target if isinstance(target, Tensor) else None, info or {})


def _named(mapping: Mapping[Any, Any], names: tuple[str, ...], otherwise: Any = None) -> Any:
    for name in names:
        if name in mapping:
            return mapping[name]
    if otherwise is not None:
        return otherwise
    raise _missing(names[0], mapping)


def _part(batch: Any, place: int | str) -> Any:
    try:
        return batch[place]
    except (KeyError, IndexError, TypeError):
        raise _missing(str(place), batch) from None


def _missing(name: str, batch: Any) -> ConfigError:
    has = ", ".join(map(str, batch)) if isinstance(batch, Mapping) else f"{len(batch)} parts"
    return ConfigError(
        Problem(
            f"There is no '{name}' among {has}.",
            "",
            "Name the parts of a batch with loss._target_=trainer.engine.losses.outputs.Supervised "
            "and its `inputs` and `target`.",
            "loss",
        )
    )
