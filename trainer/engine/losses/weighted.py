"""The weighted sum of named terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from trainer.engine.losses.outputs import ForwardPass, Outputs, Supervised, outputs_of, parts_of
from trainer.engine.losses.terms import call
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
        self._gates = tuple(_Gate() for _ in terms)
        for gate, weighted in zip(self._gates, terms, strict=True):
            for parameter in weighted.term.parameters():
                if parameter.requires_grad:
                    parameter.register_hook(gate.close)  # type: ignore[no-untyped-call]  # torch has no types here
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
        sums = _Sums(self.cap)
        if isinstance(self.base, ForwardPass):
            outputs = self.base(model, batch)
        else:
            gate = _Gate()
            watched = _Watched(model, gate)
            value, metrics = self.base(watched, batch)
            metrics = dict(metrics)
            if not self._terms and (self.training or not self._evaluation) and self.cap is None:
                return value, metrics
            sums.add(self.base_name, value, 1.0, gate)
            outputs = self._seen(watched, batch)
        with torch.autocast(outputs.prediction.device.type, enabled=False):
            for weighted, own in zip(self._terms, self._gates, strict=True):
                gate = _Gate()
                value = call(weighted.term, _gated(outputs, gate), weighted.key)
                if value is not None:
                    own.finite = sums.add(weighted.name, value, weighted.weight, gate)
                elif not weighted.optional:
                    raise ConfigError(_no_value(weighted, outputs))
            if not self.training and self._evaluation:
                plain = _gated(outputs, None)
                for weighted in self._evaluation:
                    value = call(weighted.term, plain, weighted.key)
                    if value is not None:
                        metrics[weighted.name] = value
        if not sums.names:
            raise ConfigError(_no_value(self._terms[0], outputs))
        loss = sums.total()
        # A lone loss of a recipe's own is told as the loss already.
        if self._terms or not self.has_base_term:
            metrics |= sums.metrics()
        return loss, metrics

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
        if self._terms or not self.has_base_term:
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
        """Give the gradient, or zeros; nothing is read back from the device."""
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


class _Sums:
    """The sum under way."""

    def __init__(self, cap: float | None) -> None:
        self._cap = cap
        self.names: list[str] = []
        self._raw: list[Tensor] = []
        self._finite: list[Tensor] = []
        self._added: list[Tensor] = []

    def add(self, name: str, value: Tensor, weight: float, gate: _Gate) -> Tensor:
        """Add a term's value; gives whether it is finite, as a tensor."""
        raw = value.detach()
        gate.finite = finite = torch.isfinite(raw)
        if self._cap is not None:
            value = value * torch.where(raw > self._cap, self._cap / raw, 1.0)
        if weight != 1.0:
            value = value * weight
        self.names.append(name)
        self._raw.append(raw)
        self._finite.append(finite)
        self._added.append(torch.where(finite, value, 0.0))
        return finite

    def total(self) -> Tensor:
        """Give the sum; NaN if no term at all is finite."""
        total = self._added[0]
        for value in self._added[1:]:
            total = total + value
        return torch.where(torch.stack(self._finite).any(), total, torch.nan)

    def metrics(self) -> dict[str, Tensor]:
        """Give each term as it was and as it was added, and how many were left out."""
        found = {f"loss/{name}": raw for name, raw in zip(self.names, self._raw, strict=True)}
        for name, value in zip(self.names, self._added, strict=True):
            found[f"loss_weighted/{name}"] = value.detach()
        found[NON_FINITE] = (~torch.stack(self._finite)).sum().float()
        return found


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
