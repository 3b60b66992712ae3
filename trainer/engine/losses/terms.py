"""Terms: what a loss is summed of."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from trainer.engine.losses.outputs import Outputs
from trainer.errors import ConfigError, Problem


class Term(nn.Module):
    """Base of terms that look at more than prediction and target.

    A term gives one number, a mean over the batch, which the sum multiplies by the term's weight. It
    may give None where there is nothing to measure: it then adds nothing. Half-precision tensors
    reach it as float32.

    Any other `nn.Module` may be a term too; it is called as `module(prediction, target)`, as torch's
    own losses are.
    """

    #: Whether less or more is better, for charts and leaderboards.
    goal = "min"
    #: Of its value; empty if none.
    unit = ""

    def forward(self, outputs: Outputs) -> Tensor | None:
        """Give the term's value, a scalar tensor."""
        raise NotImplementedError


class Measure(Term):
    """Base of what is measured in validation and is no mean of its batches' values.

    `forward` gives numbers, a vector, whose means over all samples of the validation, and of all
    ranks, `finish` makes one number of: a ratio of sums, a root of a mean, a value that is clipped.
    """

    def finish(self, means: Tensor) -> Tensor:
        """Give the measure, a scalar, from the means of what `forward` gave."""
        raise NotImplementedError


class ValueLoss(Term):
    """A number that the model gives by itself, such as `loss_info["kl"]` of a VAE's bottleneck.

    Args:
        key: Its name in `loss_info`.
    """

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key

    def forward(self, outputs: Outputs) -> Tensor | None:
        """Give the value, averaged if it is more than one number; None if there is none."""
        value: Any = outputs.info.get(self.key)
        if value is None:
            return None
        if not isinstance(value, Tensor):
            return outputs.prediction.new_tensor(float(value))
        return value if value.ndim == 0 else value.mean()


def call(term: nn.Module, outputs: Outputs, key: str) -> Tensor | None:
    """Call a term, ours or torch's, and make sure of what it gives.

    Args:
        term: The term.
        outputs: The forward pass.
        key: The config key that describes it, for messages.

    Raises:
        ConfigError: There is no target, or the term gives no single number.
    """
    if isinstance(term, Term):
        value = term(outputs)
        if value is None:
            return None
    elif outputs.target is None:
        raise ConfigError(needs_target(term, key))
    else:
        value = term(outputs.prediction, outputs.target)
    if isinstance(term, Measure) and isinstance(value, Tensor):
        return value
    if not isinstance(value, Tensor) or value.numel() != 1:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ConfigError(
            Problem(
                f"The term '{key}' gave {shape} instead of one number.",
                "",
                "Give it a reduction, such as mean.",
                key,
            )
        )
    return value.reshape(()) if value.ndim else value


def needs_target(term: nn.Module, key: str = "loss") -> Problem:
    """Say that a batch without target is not enough."""
    return Problem(
        f"{type(term).__name__} compares with a target, and the batch has none.",
        "",
        "Give batches as (inputs, target).",
        key,
    )
