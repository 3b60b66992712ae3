"""Any torch learning-rate scheduler by name, `InverseLR`, and a linear warmup before them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch.optim.lr_scheduler as schedulers
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from trainer.config.torch_args import NEED_CODE, SCHEDULERS
from trainer.config.torch_rules import LENGTHS, NOT_AFTER_WARMUP, SCALE, SCALES, WHOLE
from trainer.engine.targets import check_arguments
from trainer.errors import ConfigError, Problem, nearest

if TYPE_CHECKING:
    import pytorch_lightning as pl


class InverseLR(LRScheduler):
    """Inverse-power decay with an exponential warmup.

    lr(t) = (1 − warmup^(t+1)) · max(final_lr, base_lr · (1 + t/inv_gamma)^(−power)), t in scheduler
    steps from 0.

    Args:
        optimizer: Whose groups are scheduled.
        inv_gamma: Steps after which the lr is at 2^(−power) of its base.
        power: Exponent of the decay.
        warmup: Base of the exponential warmup, 0 <= warmup < 1; 0 for none.
        final_lr: Lower bound of the decay.
        last_epoch: Step to go on from; −1 to begin.

    Raises:
        ValueError: `warmup` is out of its bounds or `inv_gamma` is not positive.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        inv_gamma: float = 1.0,
        power: float = 1.0,
        warmup: float = 0.0,
        final_lr: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 <= warmup < 1.0:
            raise ValueError(f"warmup must be at least 0 and below 1, not {warmup}")
        if inv_gamma <= 0.0:
            raise ValueError(f"inv_gamma must be above 0, not {inv_gamma}")
        self.inv_gamma = inv_gamma
        self.power = power
        self.warmup = warmup
        self.final_lr = final_lr
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch annotates float | Tensor
        """Give each group's lr at the present step."""
        return self._get_closed_form_lr()

    def _get_closed_form_lr(self) -> list[float]:
        warm = 1.0 - self.warmup ** (self.last_epoch + 1)
        decay = (1.0 + self.last_epoch / self.inv_gamma) ** -self.power
        return [warm * max(self.final_lr, base * decay) for base in self.base_lrs]


class LinearWarmup:
    """The factor min(1, (t+1)/steps).

    A class, so that a scheduler's state keeps plain numbers only.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, step: int) -> float:
        """Give the factor at `step`, counted from 0."""
        return min(1.0, (step + 1) / self.steps)


def make_scheduler(
    optimizer: Optimizer,
    section: Mapping[str, Any],
    length: Callable[[str], float] | None = None,
) -> dict[str, Any] | None:
    """Make what Lightning calls an lr_scheduler config from the `scheduler` section.

    Args:
        optimizer: The optimiser to be scheduled.
        section: `type`, `enabled`, `config`, `interval`, `frequency`, `monitor`, `warmup`.
        length: Gives how many intervals (`step` or `epoch`) training has; asked for only where the
            schedule is to last as long as training (`auto`).

    Returns:
        The config for Lightning; None without a scheduler.

    Raises:
        ConfigError: No such class, wrong keywords, or a warmup that does not go with it.
    """
    if section.get("enabled") is False:
        return None
    name = section.get("type")
    warmup = _warmup(section.get("warmup"))
    if name is None and warmup is None:
        return None
    cls = None if name is None else scheduler_class(str(name))
    interval = _interval(section, cls, warmup)
    keywords = dict(section.get("config") or {})
    frequency = int(section.get("frequency") or 1)
    if cls is not None and keywords.get(LENGTHS.get(cls.__name__, "")) == WHOLE:
        if not section.get("interval") and warmup is None and length is not None:
            # As training counts: in epochs where it has an end in epochs.
            interval = "step" if math.isinf(length("epoch")) else "epoch"
        units = math.inf if length is None else length(interval)
        keywords[LENGTHS[cls.__name__]] = _whole(units, frequency, warmup)
    if cls is not None and keywords.get(SCALES.get(cls.__name__, "")) == WHOLE:
        keywords[SCALES[cls.__name__]] = SCALE if warmup is None else warmup["steps"]
    main = None if cls is None else _construct(cls, optimizer, keywords)
    found: LRScheduler | None = main
    if warmup is not None:
        # Two schedulers on one optimiser: the second takes the lr that it finds as its base.
        _reset_lr(optimizer)
        rise = schedulers.LambdaLR(optimizer, LinearWarmup(warmup["steps"]))
        found = (
            rise
            if main is None
            else schedulers.SequentialLR(optimizer, [rise, main], milestones=[warmup["steps"]])
        )
    config: dict[str, Any] = {
        "scheduler": found,
        "interval": interval,
        "frequency": frequency,
    }
    if isinstance(main, schedulers.ReduceLROnPlateau):
        monitor = section.get("monitor") or "val/loss"
        config["reduce_on_plateau"] = True
        config["monitor"] = monitor
        # An epoch without a validation has nothing to compare; a training metric is always there.
        config["strict"] = not monitor.startswith("val")
    return config


def training_length(trainer: pl.Trainer, interval: str) -> float:
    """Give how many intervals a training has; infinite if nothing ends it.

    Args:
        trainer: Its trainer; its data are attached.
        interval: `step` (of the optimiser) or `epoch`.
    """
    if interval == "step":
        return float(trainer.estimated_stepping_batches)
    epochs = trainer.max_epochs
    return math.inf if epochs is None or epochs < 0 else float(epochs)


def _whole(units: float, frequency: int, warmup: Mapping[str, Any] | None) -> int:
    """Give the scheduler's steps from the end of the warmup to the end of training.

    Raises:
        ConfigError: Nothing says when training ends.
    """
    if math.isinf(units):
        raise ConfigError(
            Problem(
                "The schedule is to last as long as training, and nothing ends training.",
                "",
                "Set trainer.max_steps or trainer.max_epochs, or the schedule's length.",
                "scheduler.config",
            )
        )
    return max(1, int(units) // frequency - (warmup["steps"] if warmup else 0))


def scheduler_class(name: str) -> type[LRScheduler]:
    """Find `InverseLR` or a class of `torch.optim.lr_scheduler` by name.

    Raises:
        ConfigError: There is none, or it needs code that a config cannot hold.
    """
    if name == "InverseLR":
        return InverseLR
    if name in NEED_CODE:
        raise ConfigError(
            Problem(
                f"{name} cannot be named in a config: {NEED_CODE[name]}.",
                "",
                "A LightningModule of your own can use it in configure_optimizers.",
                "scheduler.type",
            )
        )
    known = [
        known
        for known, value in vars(schedulers).items()
        if inspect.isclass(value)
        and issubclass(value, LRScheduler)
        and not known.startswith("_")
        and value is not LRScheduler
        and known not in NEED_CODE
    ]
    if name not in known:
        known.append("InverseLR")
        raise ConfigError(
            Problem(
                f"torch.optim.lr_scheduler has no '{name}'.",
                "",
                nearest(name, known) or f"There are {', '.join(sorted(known))}.",
                "scheduler.type",
            )
        )
    return cast("type[LRScheduler]", getattr(schedulers, name))


def _warmup(written: Any) -> dict[str, Any] | None:
    if not written:
        return None
    warmup = dict(written) if isinstance(written, Mapping) else {"steps": written}
    steps = warmup.get("steps")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ConfigError(
            Problem(
                f"A warmup takes a whole number of steps, not {steps!r}.",
                "",
                "Write `warmup: 1000` or `warmup: {steps: 1000, interval: step}`.",
                "scheduler.warmup",
            )
        )
    return {"steps": steps, "interval": warmup.get("interval")} if steps else None


def _interval(
    section: Mapping[str, Any], cls: type[LRScheduler] | None, warmup: dict[str, Any] | None
) -> str:
    """Decide what counts as a scheduler step; one interval governs scheduler and warmup."""
    written = section.get("interval")
    if warmup is None:
        return str(written or ("step" if cls is InverseLR else "epoch"))
    if cls is not None and cls.__name__ in NOT_AFTER_WARMUP:
        raise ConfigError(
            Problem(
                f"{cls.__name__} cannot follow a warmup: {NOT_AFTER_WARMUP[cls.__name__]}.",
                "",
                "Leave out `scheduler.warmup` or choose another scheduler.",
                "scheduler.warmup",
            )
        )
    if written and warmup["interval"] and written != warmup["interval"]:
        raise ConfigError(
            Problem(
                f"The scheduler counts by {written} and its warmup by {warmup['interval']}.",
                "",
                "Write one interval only; it governs both.",
                "scheduler.warmup.interval",
            )
        )
    return str(written or warmup["interval"] or "step")


def _construct(
    cls: type[LRScheduler], optimizer: Optimizer, keywords: dict[str, Any]
) -> LRScheduler:
    check_arguments(cls, keywords, key="scheduler.config", given=1)
    # Some classes are particular about floats: OneCycleLR refuses a `pct_start` of 0.
    floats = {word.name for word in SCHEDULERS.get(cls.__name__, ()) if word.kind == "float"}
    keywords = {
        name: float(value) if name in floats and type(value) is int else value
        for name, value in keywords.items()
    }
    try:
        return cast("Callable[..., LRScheduler]", cls)(optimizer, **keywords)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise ConfigError(
            Problem(
                f"{cls.__name__} refuses its settings: {str(error).rstrip('.')}.",
                "",
                "",
                "scheduler.config",
            )
        ) from error


def _reset_lr(optimizer: Optimizer) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group.get("initial_lr", group["lr"])
