"""Terms that need no recipe: errors against a target, and wishes about the prediction's shape."""

from __future__ import annotations

import math
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.engine.losses.outputs import Outputs
from trainer.engine.losses.terms import Term, needs_target
from trainer.errors import ConfigError, Problem

Reduction = Literal["mean", "sum"]
Value = TypeVar("Value")


class _Error(Term):
    """Compares the prediction with a target of the same shape."""

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction = _one_of("reduction", reduction, ("mean", "sum"))

    def _pair(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        prediction, target = outputs.prediction, _target(self, outputs)
        if prediction.shape != target.shape:
            raise ConfigError(
                Problem(
                    f"{type(self).__name__} compares a prediction of shape "
                    f"{tuple(prediction.shape)} with a target of shape {tuple(target.shape)}.",
                    "",
                    "They must be equal: torch would repeat the smaller one silently.",
                    "loss",
                )
            )
        return prediction, target.to(prediction.dtype)


class MSE(_Error):
    """Mean of squared errors over all elements.

    Args:
        reduction: `mean`, or `sum` over all elements.
    """

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the squared error, a scalar."""
        return functional.mse_loss(*self._pair(outputs), reduction=self.reduction)


class L1(_Error):
    """Mean of absolute errors over all elements.

    Args:
        reduction: `mean`, or `sum` over all elements.
    """

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the absolute error, a scalar."""
        return functional.l1_loss(*self._pair(outputs), reduction=self.reduction)


class Huber(_Error):
    """Half the squared error below `delta`, delta · (|error| − delta / 2) above (Huber 1964).

    Args:
        delta: Where the square becomes a line; above 0.
        reduction: `mean`, or `sum` over all elements.
    """

    def __init__(self, delta: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.delta = _above_zero("delta", delta)

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the error, a scalar."""
        pair = self._pair(outputs)
        return functional.huber_loss(*pair, delta=self.delta, reduction=self.reduction)


class CrossEntropy(Term):
    """Cross entropy in nats: logits (..., classes) against classes (...), int64.

    Args:
        label_smoothing: Share of the probability that is spread over all classes, in training.
        ignore_index: Targets of this value are left out.
    """

    unit = "nats"

    def __init__(self, label_smoothing: float = 0.0, ignore_index: int = -100) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.ignore_index = ignore_index

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the mean over all targets that count, a scalar."""
        logits, target = outputs.prediction, _target(self, outputs)
        return functional.cross_entropy(
            logits.flatten(0, -2),
            target.flatten(),
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing if self.training else 0.0,
        )


class Smoothness(Term):
    """Mean squared difference of neighbours along the last dimension.

    Order 1 punishes slopes: mean (x[i+1] − x[i])². Order 2 punishes bends:
    mean (x[i+1] − 2 x[i] + x[i−1])².

    Args:
        order: 1 or 2.
        skip: Leading values left out, such as another instrument's, which are no neighbours.
    """

    def __init__(self, order: int = 2, skip: int = 0) -> None:
        super().__init__()
        self.order = _one_of("order", order, (1, 2))
        self.skip = _not_negative("skip", skip)

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the mean over all differences, a scalar."""
        x = _long_enough(self, outputs, self.order + 1, self.skip)
        return torch.diff(x, n=self.order).square().mean()


class HighFrequency(Term):
    """Mean power of the mean-removed prediction above a frequency, along the last dimension.

    With X the real FFT of x − mean(x) over N samples, scaled by 1/√N (so that by Parseval's theorem
    the powers of white noise do not depend on N): the mean of |X[f]|² over all f > `cutoff_freq`.

    Args:
        cutoff_freq: In cycles per sample, 0 up to but not including 0.5, the highest there is.
        skip: Leading values left out, such as another instrument's.
    """

    def __init__(self, cutoff_freq: float = 0.25, skip: int = 0) -> None:
        super().__init__()
        self.skip = _not_negative("skip", skip)
        if not 0 <= cutoff_freq < 0.5:
            raise ConfigError(
                Problem(
                    f"cutoff_freq is {cutoff_freq:g}, and must be at least 0 and below 0.5: the "
                    "highest frequency is half a cycle per sample.",
                    key="loss",
                )
            )
        self.cutoff_freq = cutoff_freq

    def forward(self, outputs: Outputs) -> Tensor | None:
        """Give the mean power above the cutoff; None if a prediction so short has none."""
        x = _long_enough(self, outputs, 2, self.skip)
        spectrum = torch.fft.rfft(x - x.mean(dim=-1, keepdim=True), norm="ortho")
        # Frequencies are bin / N: the first bin above the cutoff, known without looking at a tensor.
        first = math.floor(self.cutoff_freq * x.shape[-1] + 1e-9) + 1
        high = spectrum[..., first:]
        if not high.shape[-1]:
            return None
        power: Tensor = high.real.square() + high.imag.square()
        return power.mean()


class Nonnegativity(Term):
    """Barrier against negative predictions.

    With z = −x · `sharpness`, the mean over all elements of max(z, 0) for `hinge`,
    log(1 + exp(z)) for `softplus`, exp(z) for `exp`.

    Args:
        barrier: `hinge`, `softplus` or `exp`.
        sharpness: How fast the barrier rises; above 0.
    """

    def __init__(
        self, barrier: Literal["hinge", "softplus", "exp"] = "hinge", sharpness: float = 1.0
    ) -> None:
        super().__init__()
        self.barrier = _one_of("barrier", barrier, ("hinge", "softplus", "exp"))
        self.sharpness = _above_zero("sharpness", sharpness)

    def forward(self, outputs: Outputs) -> Tensor:
        """Give the mean height of the barrier, a scalar."""
        z = -outputs.prediction * self.sharpness
        if self.barrier == "hinge":
            return functional.relu(z).mean()
        if self.barrier == "softplus":
            return functional.softplus(z).mean()
        return z.exp().mean()


def _target(term: nn.Module, outputs: Outputs) -> Tensor:
    if outputs.target is None:
        raise ConfigError(needs_target(term))
    return outputs.target


def _long_enough(term: nn.Module, outputs: Outputs, length: int, skip: int) -> Tensor:
    """Give the prediction without its first `skip` values, of which `length` must be left."""
    x = outputs.prediction
    if x.ndim == 0 or x.shape[-1] < length + skip:
        raise ConfigError(
            Problem(
                f"{type(term).__name__} needs predictions of {length + skip} or more values along "
                f"their last dimension, and theirs is {x.shape[-1] if x.ndim else 0}.",
                key="loss",
            )
        )
    return x[..., skip:]


def _not_negative(name: str, value: int) -> int:
    if value < 0:
        raise ConfigError(Problem(f"{name} is {value}, and must be 0 or more.", key="loss"))
    return value


def _one_of(name: str, value: Value, known: tuple[Value, ...]) -> Value:
    if value not in known:
        raise ConfigError(
            Problem(f"{name} is {value!r}, and must be {' or '.join(map(str, known))}.", key="loss")
        )
    return value


def _above_zero(name: str, value: float) -> float:
    if not value > 0:
        raise ConfigError(Problem(f"{name} is {value:g}, and must be above 0.", key="loss"))
    return value
