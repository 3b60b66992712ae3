"""The weighted sum of named terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from trainer.engine.losses.outputs import ForwardPass, Outputs, Supervised, outputs_of, parts_of
from trainer.engine.losses.terms import Measure, call
from trainer.errors import ConfigError, Problem

NON_FINITE = "non_finite_terms"
"""Metric: how many terms of a batch were left out because they were not finite."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """One term in the sum.

    Attributes:
        name: What metrics call it.
        term: A `Term`, or a module called with prediction and target.
        weight: What its value is multiplied by; above 0.
        key: The config key that describes it, for messages.
        optional: Whether a model that has no such value is let pass.
    """

    name: str
    term: nn.Module
    weight: float = 1.0
    key: str = ""
    optional: bool = False


class WeightedSum(nn.Module):
    """Σ weight · term over named terms, called as `loss(model, batch) -> (loss, metrics)`.

    Each term's value is capped, weighted and added:

    * **Cap.** A value v above `cap` is scaled down to it, and its gradient with it by cap / v. (A
      hard cut would leave a capped term without gradient: it could never come down again.)
    * **Guard.** A value that is NaN or infinite contributes zero, and so does its gradient: what
      would flow back into the prediction, or into parameters of the term itself, is replaced by
      zeros. This blocks what the *term* made of a finite prediction (a logarithm of zero, an
      overflow). Where the model's own output is not finite, its own derivatives are no better.
    * **All of them.** If no term at all is finite the loss is NaN: a run that learns nothing must
      not look healthy. Gradients are zero in that step.

    Metrics, in training and in validation, all of them tensors that nobody waits for:

    | name | value |
    |---|---|
    | `loss/<term>` | the term as it is: neither capped nor weighted, NaN if it is |
    | `loss_weighted/<term>` | what it adds to the loss |
    | `non_finite_terms` | how many were left out |

    Terms are computed in float32 (or float64, if the model is) also under mixed precision: squares
    and sums of half-precision numbers overflow. Validation also gives the measures of
    `evaluation`, each under its bare name.

    Args:
        base: A loss of a recipe's own, called as `base(model, batch) -> (loss, metrics)`, which is
            then the first term; or a `ForwardPass`, which is none; None: `Supervised()`.
        terms: The terms.
        evaluation: Measures for validation only.
        cap: Greatest value of a term before its weight; None: no cap.
        base_name: What metrics call the base.
    """

    def __init__(
        self,
        base: nn.Module | None,
        terms: Sequence[Weighted],
        *,
        evaluation: Sequence[Weighted] = (),
        cap: float | None = None,
        base_name: str = "main",
    ) -> None:
        super().__init__()
        if not terms and (base is None or isinstance(base, ForwardPass)):
            raise ConfigError(
                Problem(
                    "Nothing would be minimised: the loss has no term.",
                    "",
                    "Enable one, such as loss.composite.mse.weight=1.",
                    "loss",
                )
            )
        names = [w.name for w in terms]
        self.base: nn.Module = Supervised() if base is None else base
        self.base_name = "main" if base_name in names else base_name
        self.cap = cap
        self.terms = nn.ModuleList(w.term for w in terms)
        self.evaluation = nn.ModuleList(w.term for w in evaluation)
        self._terms = tuple(terms)
        self._evaluation = tuple(evaluation)
        self._made: dict[tuple[Any, ...], Tensor] = {}
        self._gates = tuple(_Gate() for _ in terms)
        for gate, weighted in zip(self._gates, terms, strict=True):
            for parameter in weighted.term.parameters():
                if parameter.requires_grad:
                    parameter.register_hook(gate.close)  # type: ignore[no-untyped-call]  # torch has no types here
        self.finishers = {w.name: w.term.finish for w in evaluation if isinstance(w.term, Measure)}
        self.metric_info = self._metric_info()

    @property
    def has_base_term(self) -> bool:
        """Whether the base is a loss itself, and not only a forward pass."""
        return not isinstance(self.base, ForwardPass)

    @property
    def term_names(self) -> tuple[str, ...]:
        """The names of all terms, the base first if it is one."""
        names = tuple(w.name for w in self._terms)
        return (self.base_name, *names) if self.has_base_term else names

    def forward(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss, a scalar, and the metrics of one batch.

        Args:
            model: The network.
            batch: A batch as the base takes it.

        Raises:
            ConfigError: The model or the batch lacks what a term needs.
        """
        metrics: dict[str, Tensor] = {}
        terms = _Sum(self.cap, self._weights_like)
        if isinstance(self.base, ForwardPass):
            outputs = self.base(model, batch)
        else:
            gate = _Gate()
            watched = _Watched(model, gate)
            value, metrics = self.base(watched, batch)
            metrics = dict(metrics)
            if not self._terms and (self.training or not self._evaluation) and self.cap is None:
                return value, metrics
            terms.add(self.base_name, value, 1.0, gate)
            outputs = self._seen(watched, batch)
        with torch.autocast(outputs.prediction.device.type, enabled=False):
            for weighted, own in zip(self._terms, self._gates, strict=True):
                gate = _Gate()
                value = call(weighted.term, _gated(outputs, gate), weighted.key)
                if value is not None:
                    terms.add(weighted.name, value, weighted.weight, gate, own)
                elif not weighted.optional:
                    raise ConfigError(_no_value(weighted, outputs))
            if not self.training and self._evaluation:
                plain = _gated(outputs, None)
                for weighted in self._evaluation:
                    value = call(weighted.term, plain, weighted.key)
                    if value is not None:
                        metrics[weighted.name] = value
        if not terms:
            raise ConfigError(_no_value(self._terms[0], outputs))
        loss, told = terms.close()
        # A lone loss of a recipe's own is told as the loss already.
        return loss, metrics | told if self._terms else metrics

    def _weights_like(self, weights: tuple[float, ...], like: Tensor) -> Tensor:
        """Give weights as a tensor; made once, because a copy to a GPU would wait for it."""
        key = (weights, like.device, like.dtype)
        if key not in self._made:
            # A validation may come first; autograd does not take what is made in its mode.
            with torch.inference_mode(False):
                self._made[key] = torch.tensor(weights, device=like.device, dtype=like.dtype)
        return self._made[key]

    def _seen(self, watched: _Watched, batch: Any) -> Outputs:
        """Give what the base's own forward pass has given, for the other terms."""
        if watched.output is None:
            raise ConfigError(
                Problem(
                    f"{type(self.base).__name__} does not call the model as `model(inputs)`, so "
                    "that other terms see nothing of it.",
                    "",
                    "Let it be a ForwardPass, with its own value as a term.",
                    "loss",
                )
            )
        try:
            target = parts_of(batch)[1]
        except ConfigError:
            target = None  # only terms that need one are concerned
        return outputs_of(watched.output, target)

    def _metric_info(self) -> dict[str, dict[str, Any]]:
        """Declare units and goals of the metrics, for charts and leaderboards."""
        known: dict[str, dict[str, Any]] = {}
        base = getattr(self.base, "metric_info", None)
        if isinstance(base, Mapping):
            known |= {str(name): dict(about) for name, about in base.items()}
        if self._terms:
            for stage in ("train", "val"):
                for name in self.term_names:
                    known[f"{stage}/loss/{name}"] = {"goal": "min"}
                    known[f"{stage}/loss_weighted/{name}"] = {"goal": "min"}
                known[f"{stage}/{NON_FINITE}"] = {"goal": "min"}
        for weighted in self._evaluation:
            about = {"goal": goal_of(weighted.term)}
            if unit := getattr(weighted.term, "unit", ""):
                about["unit"] = str(unit)
            known[f"val/{weighted.name}"] = about
        return known


def goal_of(term: nn.Module) -> str:
    """Say whether less or more of a measure is better: its `goal`, or torchmetrics' own word."""
    goal = getattr(term, "goal", None)
    if goal in ("min", "max"):
        return str(goal)
    return "max" if getattr(term, "higher_is_better", False) else "min"


class _Gate:
    """Lets a term's gradients pass, unless its value turned out not to be finite."""

    def __init__(self) -> None:
        self.finite: Tensor | None = None

    def open(self, tensor: Tensor) -> Tensor:
        """Give the tensor through the gate."""
        if not tensor.requires_grad:
            return tensor
        behind = tensor.view_as(tensor)
        behind.register_hook(self.close)  # type: ignore[no-untyped-call]  # torch has no types here
        return behind

    def close(self, gradient: Tensor) -> Tensor:
        """Give the gradient, or zeros of its shape; nothing is read back from the device."""
        if self.finite is None:
            return gradient
        return torch.where(self.finite, gradient, torch.zeros_like(gradient))


class _Watched:
    """Stands in for the model while a loss of a recipe's own calls it, and keeps what it gave."""

    def __init__(self, model: nn.Module, gate: _Gate) -> None:
        self._model = model
        self._gate = gate
        self.output: Any = None

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        self.output = self._model(*arguments, **keywords)
        return _through(self.output, self._gate.open)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class _Sum:
    """The sum under way: values are collected, then weighed all at once, in few operations.

    Args:
        cap: Greatest value of a term before its weight; None: no cap.
        weights: Makes a tensor of weights that lies on a device already.
    """

    def __init__(self, cap: float | None, weights: Callable[[tuple[float, ...], Tensor], Tensor]):
        self._cap = cap
        self._tensor_of = weights
        self._names: list[str] = []
        self._values: list[Tensor] = []
        self._weights: list[float] = []
        self._gates: list[tuple[_Gate, ...]] = []

    def __len__(self) -> int:
        """Give how many terms have been added."""
        return len(self._names)

    def add(self, name: str, value: Tensor, weight: float, *gates: _Gate) -> None:
        """Add a term's value, a scalar, and the gates that its gradients pass."""
        self._names.append(name)
        self._values.append(value)
        self._weights.append(weight)
        self._gates.append(gates)

    def close(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the sum, a scalar, NaN if no term is finite; and the metrics of the terms, scalars."""
        values = torch.stack(self._values)
        raw = values.detach()
        finite = torch.isfinite(raw)
        for gates, passes in zip(self._gates, finite.unbind(), strict=True):
            for gate in gates:
                gate.finite = passes
        factors = self._tensor_of(tuple(self._weights), raw)
        if self._cap is not None:
            factors = factors * torch.where(raw > self._cap, self._cap / raw, 1.0)
        added = torch.where(finite, values * factors, 0.0)
        loss = torch.where(finite.any(), added.sum(), torch.nan)
        metrics = {
            f"loss/{name}": value for name, value in zip(self._names, raw.unbind(), strict=True)
        }
        for name, value in zip(self._names, added.detach().unbind(), strict=True):
            metrics[f"loss_weighted/{name}"] = value
        metrics[NON_FINITE] = (~finite).sum().to(raw.dtype)
        return loss, metrics


def _gated(outputs: Outputs, gate: _Gate | None) -> Outputs:
    """Give the same outputs in single precision at least, through the gate if there is one."""

    def change(tensor: Tensor) -> Tensor:
        if tensor.dtype in (torch.float16, torch.bfloat16):
            tensor = tensor.float()
        return tensor if gate is None else gate.open(tensor)

    return Outputs(
        prediction=change(outputs.prediction),
        target=None if outputs.target is None else change(outputs.target),
        info=_through(outputs.info, change) if outputs.info else outputs.info,
        extra=_through(outputs.extra, change) if outputs.extra else outputs.extra,
    )


def _through(values: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(values, Tensor):
        return change(values)
    return pytree.tree_map_only(Tensor, change, values)


def _no_value(weighted: Weighted, outputs: Outputs) -> Problem:
    has = ", ".join(map(str, outputs.info)) or "nothing"
    return Problem(
        f"The term '{weighted.name}' has no value: the model's loss_info holds {has}.",
        "",
        "Choose a model that gives it, or leave the term out.",
        weighted.key or "loss",
    )
