"""MixUp and mu-law tokens: what `MixupDataLoader` does to a batch.

MixUp: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization" (2018).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.engine import rng
from trainer.errors import ConfigError, Problem

#: Inputs are cut to this share of full scale before companding.
FULL_SCALE = 0.999
# Keeps these draws apart from those that fetching the batch has made from the same seed.
_SALT = 0x4D69785570


@dataclasses.dataclass(frozen=True)
class MixUp:
    """Mixes each batch with a permutation of itself, then turns its inputs into mu-law tokens.

    A batch is a tensor of inputs, a pair (inputs, targets), or a mapping with `inputs` and perhaps
    `targets`; both may hold several tensors, nested in any way. Of the inputs only the first
    floating tensor is mixed and quantised: positions and types of sensors stay as they are.

    There is one weight λ for a batch, drawn from Beta(alpha, alpha) and made at least ½, so that a
    sample stays the greater part of itself: x ← λ·x + (1 − λ)·x[permutation]. Floating targets are
    blended alike. Integer targets of shape (…) become one-hot of shape (…, num_classes), and booleans
    numbers, before that. Targets take that form in every batch, mixed or not, as inputs are always
    quantised: the types do not change from one batch to the next. A batch of one has nothing to be
    mixed with.

    Everything drawn is a function of the seed of the batch, so it does not depend on workers or on
    what was drawn before, and is the same after a resume.

    Args:
        alpha: Parameter of the Beta distribution; 0 mixes nothing and leaves targets as they are.
        prob: Probability that a batch is mixed.
        num_classes: Classes of integer targets.
        quantize: Whether inputs become tokens.
        mu: Parameter of the mu-law; tokens are 0…mu.
        max_val: Value of full scale.
    """

    alpha: float = 0.0
    prob: float = 1.0
    num_classes: int | None = None
    quantize: bool = False
    mu: int = 255
    max_val: float = 10.0

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> MixUp:
        """Make it from the config's `dataloader` section."""
        names = {"alpha": "mixup_alpha", "prob": "mixup_prob"}
        given = {f.name: section.get(names.get(f.name, f.name)) for f in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in given.items() if value is not None})

    @property
    def mixes(self) -> bool:
        """Tell whether any batch is mixed."""
        return self.alpha > 0.0 and self.prob > 0.0

    def for_training(self) -> MixUp | None:
        """Give what training batches go through; None for nothing."""
        return self if self.mixes or self.quantize else None

    def for_validation(self) -> MixUp | None:
        """Give what validation batches go through: they are quantised and never mixed."""
        return dataclasses.replace(self, alpha=0.0).for_training()

    def __call__(self, batch: Any, seed: int) -> Any:
        """Mix and quantise one batch.

        Args:
            batch: Collated, on the host; it is not changed.
            seed: 64 bits, unlike those of other batches.

        Raises:
            ConfigError: The batch has another form than those above, no floating inputs, or
                integer targets that the number of classes does not fit; or inputs to be quantised
                are not a number.
        """
        inputs, targets, rebuild = _parts(batch)
        signal = _first_floating(inputs)
        if signal is None:
            raise _refusal(
                "MixupDataLoader needs a tensor of floating numbers among the inputs.",
                "Let the data set give floats, or set dataloader.type=DataLoader.",
            )
        mixed = signal
        if self.mixes:
            targets = _each_tensor(targets, self._blendable)
            drawn = self._draw(len(signal), seed)
            if drawn is not None:
                weight, order = drawn
                mixed = _blend(signal, weight, order)
                targets = _each_tensor(targets, lambda target: _blend(target, weight, order))
        if self.quantize:
            mixed = mu_law(mixed, self.mu, self.max_val)
        return rebuild(_replaced(inputs, signal, mixed), targets)

    def _draw(self, samples: int, seed: int) -> tuple[float, Tensor] | None:
        """Draw weight and partners, int64 of shape (samples,); None for a batch to be left."""
        if samples < 2:
            return None
        numbers = np.random.Generator(np.random.PCG64(rng.mix(seed, _SALT)))
        if numbers.random() >= self.prob:
            return None
        weight = float(numbers.beta(self.alpha, self.alpha))
        return max(weight, 1.0 - weight), torch.from_numpy(numbers.permutation(samples))

    def _blendable(self, target: Tensor) -> Tensor:
        """Give targets in a form that can be blended."""
        if target.is_floating_point() or target.is_complex():
            return target
        if target.dtype == torch.bool:
            return target.float()
        if self.num_classes is None:
            raise _refusal(
                "MixUp cannot blend integer targets without knowing how many classes there are.",
                "Set dataloader.num_classes, or dataloader.mixup_alpha=0.",
                "dataloader.num_classes",
            )
        least, most = (int(end) for end in target.aminmax()) if target.numel() else (0, 0)
        if least < 0 or most >= self.num_classes:
            raise _refusal(
                f"a target is {least if least < 0 else most}, and dataloader.num_classes is "
                f"{self.num_classes}.",
                "Integer targets of MixUp are 0 to num_classes - 1.",
                "dataloader.num_classes",
            )
        return functional.one_hot(target.long(), self.num_classes).float()


def mu_law(signal: Tensor, mu: int = 255, max_val: float = 10.0) -> Tensor:
    """Compand a signal to integers by the mu-law (ITU-T G.711, continuous form).

    x / max_val is cut to ±0.999, y = sign(x)·ln(1 + mu·|x|) / ln(1 + mu), and the token is
    (y + 1) / 2 · mu, rounded.

    Args:
        signal: Floating, any shape.
        mu: Parameter of the law, at least 1.
        max_val: Value of full scale, above 0.

    Returns:
        int64 of the same shape, 0…mu.

    Raises:
        ConfigError: The signal holds values that are not a number.
    """
    # Half precision would lose tokens; single would from 2^16 on.
    x = signal.to(torch.float64 if mu > 0xFFFF else torch.float32) / max_val
    if bool(x.isnan().any()):
        raise _refusal(
            "inputs to be quantised hold values that are not a number.",
            "Mend the data: no token stands for them.",
            "dataloader.quantize",
        )
    x = x.clamp(-FULL_SCALE, FULL_SCALE)
    y = x.sign() * torch.log1p(mu * x.abs()) / math.log1p(mu)
    return ((y + 1.0) / 2.0 * mu + 0.5).floor().long().clamp(0, mu)


def _parts(batch: Any) -> tuple[Any, Any, Callable[[Any, Any], Any]]:
    """Give inputs, targets (None for none), and what makes a batch of the two again."""
    if isinstance(batch, Tensor):
        return batch, None, lambda inputs, _: inputs
    if isinstance(batch, Mapping) and "inputs" in batch:
        found = dict(batch)
        if "targets" in found:
            return (
                found["inputs"],
                found["targets"],
                lambda inputs, targets: {**found, "inputs": inputs, "targets": targets},
            )
        return found["inputs"], None, lambda inputs, _: {**found, "inputs": inputs}
    if isinstance(batch, tuple | list) and len(batch) in (1, 2):
        targets = batch[1] if len(batch) == 2 else None
        return batch[0], targets, lambda *parts: _like(batch, parts[: len(batch)])
    kind = type(batch).__name__
    if isinstance(batch, Mapping):
        kind = f"{kind} with {', '.join(map(str, batch)) or 'nothing'}"
    elif isinstance(batch, tuple | list):
        kind = f"{kind} of {len(batch)}"
    raise _refusal(
        f"MixupDataLoader cannot tell inputs from targets in a batch that is a {kind}.",
        "Give (inputs, targets), or a mapping with inputs and targets.",
    )


def _first_floating(value: Any) -> Tensor | None:
    """Find the first floating tensor that has samples."""
    if isinstance(value, Tensor):
        return value if value.is_floating_point() and value.ndim else None
    found = (_first_floating(item) for item in _items(value))
    return next((tensor for tensor in found if tensor is not None), None)


def _replaced(value: Any, old: Tensor, new: Tensor) -> Any:
    """Give the same with another tensor in the first place that holds the old one."""
    left = [new]
    return _each_tensor(value, lambda tensor: left.pop() if left and tensor is old else tensor)


def _each_tensor(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Give the same with each tensor changed; whatever else it holds stays."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _each_tensor(item, change) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return _like(value, [_each_tensor(item, change) for item in value])
    return value


def _items(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, tuple | list) else ()


def _like(kind: tuple[Any, ...] | list[Any], items: Any) -> Any:
    """Make a tuple, named tuple or list of the same kind."""
    return type(kind)(*items) if hasattr(kind, "_fields") else type(kind)(items)


def _blend(tensor: Tensor, weight: float, order: Tensor) -> Tensor:
    # What is one for the whole batch has nothing to be blended with.
    if tensor.ndim == 0 or len(tensor) != len(order):
        return tensor
    return weight * tensor + (1.0 - weight) * tensor[order]


def _refusal(what: str, remedy: str, key: str = "dataloader.type") -> ConfigError:
    return ConfigError(Problem(what, "", remedy, key))
