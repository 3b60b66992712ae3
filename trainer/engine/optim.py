"""Any torch optimiser by name, with groups that spare norms and biases the weight decay."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainer.engine.targets import check_arguments
from trainer.errors import ConfigError, Problem, nearest

_NORMS = (
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.modules.batchnorm._NormBase,
)


NO_DECAY = "no_decay"
"""Key of the parameter groups that the weight decay spares."""


def make_optimizer(module: nn.Module, section: Mapping[str, Any]) -> Optimizer:
    """Make the optimiser that the config's `optimizer` section describes.

    Args:
        module: Whose parameters are trained; frozen ones are left out.
        section: `type`, `config` (keywords of the class), `no_decay`, `no_decay_verbose`.

    Raises:
        ConfigError: No such class, wrong keywords or values, or nothing to train.
    """
    cls = optimizer_class(str(section.get("type") or "AdamW"))
    keywords = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in (section.get("config") or {}).items()
    }
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    if not named:
        raise ConfigError(Problem("The model has no parameter to train.", key="model"))
    spared = spared_parameters(module) if section.get("no_decay") else set()
    if section.get("no_decay_verbose"):
        _tell_spared(named, spared)
    if cls is getattr(torch.optim, "Muon", None):  # older releases of torch have none
        return _muon(module, named, keywords, spared)
    check_arguments(cls, keywords, key="optimizer.config", given=1)
    if cls is torch.optim.LBFGS:  # it knows one group only, and has no weight decay
        return _construct(cls, [p for _, p in named], keywords)
    return _construct(cls, _groups([p for _, p in named], spared), keywords)


def optimizer_class(name: str) -> type[Optimizer]:
    """Find a class of `torch.optim` by name.

    Raises:
        ConfigError: There is none; names the nearest.
    """
    found = getattr(torch.optim, name, None)
    if inspect.isclass(found) and issubclass(found, Optimizer) and found is not Optimizer:
        return found
    known = [
        known
        for known, value in vars(torch.optim).items()
        if inspect.isclass(value) and issubclass(value, Optimizer) and value is not Optimizer
    ]
    raise ConfigError(
        Problem(
            f"torch.optim has no optimiser '{name}'.",
            "",
            nearest(name, known) or f"There are {', '.join(sorted(known))}.",
            "optimizer.type",
        )
    )


def spared_parameters(module: nn.Module) -> set[Tensor]:
    """Give the parameters that weight decay should spare: norms, biases and all that are 1-D."""
    spared: set[Tensor] = {p for p in module.parameters() if p.ndim <= 1}
    for part in module.modules():
        if isinstance(part, _NORMS):
            spared.update(part.parameters(recurse=False))
        bias = getattr(part, "bias", None)
        if isinstance(bias, nn.Parameter):
            spared.add(bias)
    return spared


class MuonWithAdamW(Optimizer):
    """Muon for the matrices and AdamW for everything else, as one optimiser.

    Muon orthogonalises the update of a matrix and takes nothing but matrices. Groups are those of
    both parts, so that schedulers and clipping see every parameter.

    Args:
        matrices: Parameter groups for Muon.
        rest: Parameter groups for AdamW.
        muon: Keywords of Muon.
        adamw: Keywords of AdamW.
    """

    def __init__(
        self,
        matrices: list[dict[str, Any]],
        rest: list[dict[str, Any]],
        muon: Mapping[str, Any],
        adamw: Mapping[str, Any],
    ) -> None:
        self.parts: dict[str, Optimizer] = {}
        if matrices:
            self.parts["muon"] = torch.optim.Muon(matrices, **muon)
        if rest:
            self.parts["adamw"] = torch.optim.AdamW(rest, **adamw)
        super().__init__([{"params": group["params"]} for group in matrices + rest], {})
        self._share_groups()

    def _share_groups(self) -> None:
        # The very same dicts: a scheduler that sets `lr` here sets it in the part as well.
        self.param_groups = [group for part in self.parts.values() for group in part.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step both parts once; the closure is evaluated once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts.values():
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Give both parts' states by name."""
        return {
            "state": {},
            "param_groups": [],
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore both parts.

        Raises:
            ValueError: The state was made by other parts or other groups.
        """
        saved = state_dict.get("parts", {})
        if set(saved) != set(self.parts):
            raise ValueError("the saved optimizer state is not of Muon paired with AdamW")
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])
        self._share_groups()


def _muon(
    module: nn.Module,
    named: list[tuple[str, nn.Parameter]],
    keywords: dict[str, Any],
    spared: set[Tensor],
) -> Optimizer:
    adamw = dict(keywords.pop("adamw", None) or {})
    check_arguments(torch.optim.Muon, keywords, key="optimizer.config", given=1)
    check_arguments(torch.optim.AdamW, adamw, key="optimizer.config.adamw", given=1)
    for shared in ("lr", "weight_decay"):
        if shared in keywords:
            adamw.setdefault(shared, keywords[shared])
    # A row of an embedding is a lookup, not a direction of a linear map: AdamW serves it better.
    tables: set[Tensor] = {
        m.weight for m in module.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)
    }
    matrices = [p for _, p in named if p.ndim == 2 and p not in tables]
    rest = [p for _, p in named if p.ndim != 2 or p in tables]
    return _construct(
        MuonWithAdamW,
        _groups(matrices, spared),
        {"muon": keywords, "adamw": adamw},
        _groups(rest, spared),
    )


def _tell_spared(named: list[tuple[str, nn.Parameter]], spared: set[Tensor]) -> None:
    """Print which parameters the weight decay spares; once, however many ranks there are."""
    ranks = torch.distributed
    if ranks.is_available() and ranks.is_initialized() and ranks.get_rank() != 0:
        return
    found = [(name, p) for name, p in named if p in spared]
    count, of_all = (sum(p.numel() for _, p in some) for some in (found, named))
    print(
        f"no weight decay: {len(found)} of {len(named)} tensors, {count} of {of_all} values",
        *(f"  {name} {list(p.shape)}" for name, p in found),
        sep="\n",
    )


def _groups(parameters: Iterable[nn.Parameter], spared: set[Tensor]) -> list[dict[str, Any]]:
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for parameter in parameters:
        (plain if parameter in spared else decayed).append(parameter)
    groups: list[dict[str, Any]] = []
    if decayed:
        groups.append({"params": decayed})
    if plain:
        # The mark tells it from a group that merely has none yet, see `override`.
        groups.append({"params": plain, "weight_decay": 0.0, NO_DECAY: True})
    return groups


def _construct(
    cls: type[Optimizer], parameters: list[Any], keywords: Mapping[str, Any], *more: Any
) -> Optimizer:
    try:
        return cast("Callable[..., Optimizer]", cls)(parameters, *more, **keywords)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            Problem(
                f"{cls.__name__} refuses its settings: {str(error).rstrip('.')}.",
                "",
                "",
                "optimizer.config",
            )
        ) from error
