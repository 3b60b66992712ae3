"""How much memory a training will take, before anything is trained.

Weights, gradients and the optimiser's state are counted on a model of shapes alone. What a step
takes on top is found by tracing two steps on shapes, at the asked size: every operation says what it
would allocate, and nothing is computed. A model that cannot be traced so, since it looks at numbers,
trains small batches for real instead, and the result is scaled.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.core.optimizer import _configure_optimizers
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim import Optimizer
from torch.utils._pytree import tree_iter, tree_map_only

from trainer.config.hardware_batch import devices_of
from trainer.config.schema import Config
from trainer.engine import build
from trainer.engine.allocated import Allocated
from trainer.engine.fits import GIB, Need, held_by, need_of, state_of, true_dtype
from trainer.engine.module import TrainModule, batch_size, show_data
from trainer.engine.optim import make_optimizer
from trainer.engine.shapes import as_if_real, fake_batch, make_fake, module_of_shapes
from trainer.engine.sharding import Share, divides, share_of
from trainer.errors import ConfigError, Problem, TraindeckError
from trainer.events.text import clean

#: Samples of the batches that are trained for real where shapes are not enough.
SMALL = (2, 4)
#: Weights, gradients and state that may be made for real for that.
_AT_MOST = 4 * GIB
#: The same where nobody has asked for it in so many words.
_UNASKED = GIB // 2


@dataclass(frozen=True, slots=True)
class Traced:
    """What two traced steps have shown, in bytes.

    Attributes:
        activations: The most that forward and backward hold on top of weights, gradients and
            state: what is saved for the backward pass, temporaries, and the batch.
        state: What the optimisers keep; None if they could not step.
        stepping: What the optimisers' step takes on top, and the batch.
    """

    activations: int
    state: int | None
    stepping: int = 0

    def beside(self, ranks: int) -> int:
        """Give the most on top where each of so many ranks updates its share of the weights."""
        return max(self.activations, self.stepping // ranks)


def estimate(config: Mapping[str, Any], *, prepare: bool) -> dict[str, Any]:
    """Estimate the memory of a training, for each of its processes.

    Args:
        config: The composed config.
        prepare: Whether data that cannot give an example may be prepared and read.

    Returns:
        `parameters`, `trained` (numbers of values), `devices`, `shards` (devices among which the
        strategy divides what follows); in bytes `weights`, `gradients`, `state` (None if unknown),
        `gathered` (weights and gradients that are whole for a moment), `averages` (copies of the weights that callbacks keep), `buckets`
        (of DDP) and `activations` (None if unknown); `method` (`shapes`, `scaled` or empty),
        `batch` (samples), `notes`, and `partial` (whether kernels keep what nobody can tell).

    Raises:
        ConfigError: The model cannot be built.
    """
    build.quiet()
    resolved = Config.model_validate(config)
    whole = resolved.model_dump()
    written = resolved.model_dump(exclude_unset=True)
    whole |= {name: written.get(name, {}) for name in ("data", "model", "loss")}
    section = whole["trainer"]
    notes: list[str] = []

    module = module_of_shapes(whole)
    need = need_of(module, whole)
    state: int | None = need.state
    traced, method, size = None, "", None
    try:
        batch = _batch(whole, module, prepare)
        size = batch_size(batch)
        traced, method = _traced(whole, module, batch, _AT_MOST if prepare else _UNASKED)
    except TraindeckError as error:
        notes.append(f"Activations are unknown: {clean(str(error.problems[0]))}")
    except Exception as error:
        notes.append(f"Activations are unknown: {_told(error)}")
    if traced is not None and traced.state is not None:
        # Traced in half, it may be kept in full.
        state = traced.state * (1 if _precision_of(whole) == section.get("precision") else 2)
    elif need.gradients and not need.state and not _keeps_nothing(whole, module):
        state = None
        notes.append("What the optimiser keeps is unknown: it cannot step on shapes alone.")
    devices = devices_of(section.get("devices"), section.get("accelerator"))
    strategy, split = str(section.get("strategy")), divides(whole)
    share = share_of(module, whole, state or 0)
    if share is not None:
        notes.append(
            f"What {strategy} divides among {share.ranks} devices is computed, and has not been measured."
        )
    elif split:
        notes.append(
            f"{strategy} divides weights, gradients and state; here they are whole, since how many "
            "devices there are shows only when training starts (trainer.devices)."
        )
    recurrent = any(isinstance(part, nn.RNNBase) for part in module.modules())
    partial = recurrent and section.get("accelerator") != "cpu"
    if partial:
        notes.append(
            "Recurrent layers keep a workspace of a GPU's own kernels, which is not counted: the whole "
            "may be twice as much."
        )
    if section.get("compile") not in (None, False):
        notes.append("A compiled model may hold less; it is traced as it is written.")
    if section.get("tune_batch_size") and not section.get("fast_dev_run"):
        notes.append("The batch size is searched for when training begins.")
    several = (devices is None or devices > 1 or (section.get("num_nodes") or 1) > 1) and not split
    ddp = (several and (devices or 0) > 1) or strategy.startswith("ddp")
    held: Need | Share = need if share is None else share
    return {
        "parameters": sum(p.numel() for p in module.parameters()),
        "trained": sum(p.numel() for p in module.parameters() if p.requires_grad),
        "devices": devices,
        "shards": share.ranks if share is not None else 1,
        "weights": held.weights,
        "gradients": held.gradients,
        "state": state if share is None or state is None else share.state,
        "gathered": share.gathered if share is not None else 0,
        "averages": _averages(whole, need.weights),
        "buckets": need.gradients if ddp else 0,
        "activations": traced.beside(share.ranks if share else 1) if traced is not None else None,
        "method": method,
        "batch": size,
        "notes": notes,
        "partial": partial,
    }


def trace(
    module: pl.LightningModule,
    optimizers: Sequence[Optimizer],
    batch: Any,
    counted: Allocated,
    *,
    precision: Any,
    accumulate: bool,
) -> Traced:
    """Train two steps as Lightning does, and give what the second one holds at most.

    The first brings gradients and state into being. A step begins with the gradients of the one
    before: Lightning drops them after the forward pass.

    Args:
        module: Fake or real.
        optimizers: Its optimisers.
        batch: What it is trained on.
        counted: Counts, and is entered.
        precision: Lightning's plugin.
        accumulate: Whether gradients are added up over batches.
    """
    counted.note([list(module.parameters()), list(module.buffers()), batch])
    took = sum(_sizes(batch))
    takes_index = len(inspect.signature(module.training_step).parameters) > 1
    state: int | None = 0
    held = activations = stepping = 0
    for number in range(2):
        held = counted.live
        counted.peak = counted.live
        with precision.train_step_context():
            given = module.training_step(*((batch, number) if takes_index else (batch,)))
        loss = given["loss"] if isinstance(given, Mapping) else given
        if not isinstance(loss, Tensor):
            raise ConfigError(Problem("training_step gave no loss.", key="model"))
        if not (accumulate and number):
            module.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        del given, loss
        activations = counted.peak - held + took
        counted.peak = counted.live
        if state is not None:
            try:
                for optimizer in optimizers:
                    optimizer.step()
                state = sum(held_by(optimizer) for optimizer in optimizers)
            except Exception:
                state = None
        stepping = counted.peak - held + took
    return Traced(activations, state, stepping)


def _traced(
    config: Mapping[str, Any], module: pl.LightningModule, batch: Any, limit: int
) -> tuple[Traced, str]:
    """Trace on shapes, or for real on small batches if that needs no more than `limit` bytes."""
    if not module.automatic_optimization:
        raise ConfigError(Problem("the model steps its optimisers itself", key="model"))
    try:
        with as_if_real():
            return _on_shapes(config, module, batch), "shapes"
    except Exception as error:
        why = error
    need = need_of(module, config)
    if need.total > limit:
        try:
            return _on_shapes(config, module_of_shapes(config), batch), "shapes"
        except Exception:
            what = f"it cannot be traced on shapes: {_told(why)}"
            raise ConfigError(Problem(what, key="model")) from why
    size, made = batch_size(batch), {}
    for small in {min(size, number) for number in SMALL}:
        # torch counts in the caches of one run what the next one would find there: each its own.
        precision = _precision(config)
        real = precision.convert_module(build.module_of(config))
        made[small] = _run(config, real, _sliced(batch, size, small), precision, nullcontext())
    least, most = min(made), max(made)

    def scaled(low: int, high: int) -> int:
        return round(high + (high - low) / max(1, most - least) * (size - most))

    low, high = made[least], made[most]
    activations = scaled(low.activations, high.activations)
    return Traced(activations, high.state, scaled(low.stepping, high.stepping)), "scaled"


def _on_shapes(config: Mapping[str, Any], module: pl.LightningModule, batch: Any) -> Traced:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    precision = _precision(config)
    module = precision.convert_module(module)
    make_fake(module, mode)
    return _run(config, module, fake_batch(batch, mode), precision, mode)


def _run(
    config: Mapping[str, Any], module: pl.LightningModule, batch: Any, precision: Any, mode: Any
) -> Traced:
    section = config["trainer"]
    with mode, Allocated() as counted:
        module.train()
        batch = precision.convert_input(batch)
        optimizers = _optimizers(config, module)
        if section.get("accelerator") in ("gpu", "cuda"):
            for optimizer in optimizers:
                _as_on_a_gpu(optimizer)
        return trace(
            module,
            optimizers,
            batch,
            counted,
            precision=precision,
            accumulate=(section.get("accumulate_grad_batches") or 1) > 1,
        )


def _as_on_a_gpu(optimizer: Optimizer) -> None:
    """Let it update all weights at once, as torch does on a GPU: that takes temporaries of their size."""
    for group in optimizer.param_groups:
        if "foreach" in group and group["foreach"] is None and not group.get("fused"):
            group["foreach"] = True


def _batch(config: Mapping[str, Any], module: pl.LightningModule, prepare: bool) -> Any:
    """Give a batch as training has them: an example of the recipe's, or a real one."""
    data = build.data_of(config)
    example = data.example()
    if example is not None:
        return example
    if not prepare:
        raise ConfigError(
            Problem(
                f"{type(data.source).__name__} gives no example_batch().",
                "",
                "`traindeck estimate` reads a batch of the data.",
                "data",
            )
        )
    data.trainer = SimpleNamespace(global_rank=0, world_size=1)  # type: ignore[assignment]
    data.prepare_data()
    data.setup("fit")
    show_data(module, data.source)
    return next(iter(data.train_dataloader()))


def _optimizers(config: Mapping[str, Any], module: pl.LightningModule) -> list[Optimizer]:
    if isinstance(module, TrainModule) or "configure_optimizers" in vars(module):
        section = {**config["optimizer"], "no_decay_verbose": False}
        return [make_optimizer(module, section)]
    return list(_configure_optimizers(module.configure_optimizers())[0])  # type: ignore[arg-type]


def _keeps_nothing(config: Mapping[str, Any], module: pl.LightningModule) -> bool:
    """Say whether the state is known to be none, as that of SGD without momentum."""
    try:
        optimizers = _optimizers(config, module)
    except Exception:
        return False
    dtype = true_dtype(str(config["trainer"].get("precision")))
    return all(state_of(optimizer, dtype) == 0 for optimizer in optimizers)


def _precision(config: Mapping[str, Any]) -> Any:
    """Give Lightning's plugin for the config's precision, as it works on a CPU."""
    precision = _precision_of(config)
    with build.refusals_told():
        return pl.Trainer(
            accelerator="cpu",
            devices=1,
            precision=precision,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).precision_plugin


def _precision_of(config: Mapping[str, Any]) -> Any:
    """Give the precision to trace in: strategies that divide compute in half alone where it is mixed."""
    precision = config["trainer"].get("precision")
    if divides(config) and str(precision).endswith("16-mixed"):
        return str(precision).replace("mixed", "true")
    return precision


def _averages(config: Mapping[str, Any], weights: int) -> int:
    """Give the bytes of the copies of the weights that callbacks keep."""
    from pytorch_lightning.callbacks import WeightAveraging

    try:
        made = build.callbacks_of(config)
    except TraindeckError:
        return 0
    on_cpu = config["trainer"].get("accelerator") == "cpu"
    # A copy that was put on the host is not the device's matter.
    copies = [
        callback
        for callback in made
        if isinstance(callback, WeightAveraging) and (on_cpu or str(callback._device) != "cpu")
    ]
    return weights * len(copies)


def _sizes(tree: Any) -> list[int]:
    return [t.numel() * t.element_size() for t in tree_iter(tree) if isinstance(t, Tensor)]


def _sliced(batch: Any, size: int, count: int) -> Any:
    """Give the first samples of a batch."""
    return tree_map_only(Tensor, lambda t: t[:count] if t.ndim and t.shape[0] == size else t, batch)


def _told(error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return clean(f"{type(error).__name__}: {first}"[:300])
