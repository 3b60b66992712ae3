"""The table of aliases: as written, as meant, and how the value changes where shapes differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer.config.durations import seconds
from trainer.config.torch_args import SCHEDULERS
from trainer.errors import nearest

LOGGERS = ("tensorboard", "csv", "wandb", "mlflow")


@dataclass(frozen=True, slots=True)
class Alias:
    """One row of the table.

    Attributes:
        old: The key as written. It covers everything below it as well; with `.*` at its end, only
            what is below it.
        new: The canonical key; with a converter, the main one of several.
        source: The document that uses the spelling, by the first digits of its name.
        note: How the value changes; empty if it does not.
        convert: Gives the canonical keys and values; `ValueError` with the end of a sentence such
            as "must be a count" if it can't, and perhaps a second one that helps. `None` if the
            value stays.
    """

    old: str
    new: str
    source: str
    note: str = ""
    convert: Callable[[Any], Mapping[str, Any]] | None = field(default=None, repr=False)


def _num_gpus(value: Any) -> Mapping[str, Any]:
    if isinstance(value, bool) or not isinstance(value, int) or value < -1:
        raise ValueError(f"must be a count of GPUs, 0 for the CPU or -1 for all, not {value!r}")
    if value == 0:
        return {"trainer.devices": 1, "trainer.accelerator": "cpu"}
    return {"trainer.devices": value, "trainer.accelerator": "gpu"}


def _logger(value: Any) -> Mapping[str, Any]:
    if value == {}:
        return {}
    if isinstance(value, list):
        chosen = {_logger_name(each) for each in value}
    elif value is None or isinstance(value, bool):
        chosen = {"tensorboard" if value else "none"}
    elif isinstance(value, str):
        chosen = {_logger_name(value)}
    else:
        raise ValueError(f"must be true, false or the name of a logger, not {value!r}")
    return {f"logger.{name}.enabled": name in chosen for name in LOGGERS}


def _logger_name(value: Any) -> str:
    name = str(value).strip().lower().replace("&", "").replace(" ", "")
    name = {"weightsbiases": "wandb", "false": "none", "true": "tensorboard"}.get(name, name)
    if name not in (*LOGGERS, "none", "null", ""):
        raise ValueError(f"must be true, false or one of {', '.join(LOGGERS)}, not {value!r}")
    return name


def _max_time(value: Any) -> Mapping[str, Any]:
    return {"limits.wall_clock": seconds(value)}


def _resume_from(value: Any) -> Mapping[str, Any]:
    return {"run.resume": value if value not in (None, False, "") else "never"}


def _model_config(value: Any) -> Mapping[str, Any]:
    # A mapping is the model itself; a text names a file, which the model's class may know.
    return {"model": value} if isinstance(value, Mapping) else {"model.config": value}


#: Schedules of transformers that it makes of a name and further keywords alone.
_NEED_MORE = {
    **dict.fromkeys(
        ("cosine_with_min_lr", "cosine_warmup_with_min_lr"),
        "needs to be told its lowest learning rate: set scheduler.type=CosineAnnealingLR, "
        "scheduler.config.T_max=auto, scheduler.config.eta_min to it, and scheduler.interval=step",
    ),
    "warmup_stable_decay": "needs to be told after how many steps it falls, and has no like here; "
    "linear and cosine fall from the warmup on",
}


def _scheduler_name(value: Any) -> Mapping[str, Any]:
    if value is None or value is False:
        return {"scheduler.type": None}
    if not isinstance(value, str):
        raise ValueError(f"must be the name of a schedule or its settings, not {value!r}")
    schedules: dict[str, Mapping[str, Any]] = {
        "constant": {"scheduler.type": None},
        "constant_with_warmup": {"scheduler.type": None},
        "linear": {
            "scheduler.type": "LinearLR",
            "scheduler.config": {
                "start_factor": 1.0,
                "end_factor": 0.0,
                "total_iters": "auto",
            },
            "scheduler.interval": "step",
        },
        "cosine": {
            "scheduler.type": "CosineAnnealingLR",
            "scheduler.config": {"T_max": "auto"},
            "scheduler.interval": "step",
        },
        "polynomial": {
            "scheduler.type": "PolynomialLR",
            "scheduler.config": {"power": 1.0, "total_iters": "auto"},
            "scheduler.interval": "step",
        },
        "inverse_sqrt": {
            "scheduler.type": "InverseLR",
            "scheduler.config": {"inv_gamma": "auto", "power": 0.5},
            "scheduler.interval": "step",
        },
        "reduce_lr_on_plateau": {"scheduler.type": "ReduceLROnPlateau"},
    }
    # What transformers makes of it where nobody says how often: one cycle.
    schedules["cosine_with_restarts"] = schedules["cosine"]
    if why := _NEED_MORE.get(value.lower()):
        raise ValueError(f"{value} {why}")
    # Classes of torch have capitals; what is wrong with one is told with torch's names.
    known = {*schedules, *map(str.lower, SCHEDULERS)}
    if value.islower() and "." not in value and value not in known:
        names = ", ".join(schedules)
        raise ValueError(
            f"must be one of {names}, or a class of torch, not {value!r}", nearest(value, schedules)
        )
    return schedules.get(value, {"scheduler.type": value})


def _eval_strategy(value: Any) -> Mapping[str, Any]:
    if value in ("no", False, None):
        return {"trainer.limit_val_batches": 0}
    if value == "epoch":
        return {"trainer.check_val_every_n_epoch": 1, "trainer.limit_val_batches": None}
    if value == "steps":
        return {"trainer.check_val_every_n_epoch": None, "trainer.limit_val_batches": None}
    close = nearest(value, ("no", "steps", "epoch")) if isinstance(value, str) else ""
    raise ValueError(f"must be 'no', 'steps' or 'epoch', not {value!r}", close)


def _schedule_rows(prefix: str, source: str) -> list[Alias]:
    """`lr_scheduler` and `lr_warmup`, wherever they stand."""
    return [
        Alias(
            f"{prefix}lr_scheduler",
            "scheduler.type",
            source,
            "a text is a class, or a name of transformers': `linear`, `cosine`, `constant`, …; null is none",
            _scheduler_name,
        ),
        Alias(f"{prefix}lr_scheduler.class_name", "scheduler.type", source),
        Alias(f"{prefix}lr_scheduler.interval", "scheduler.interval", source),
        Alias(f"{prefix}lr_scheduler.frequency", "scheduler.frequency", source),
        Alias(f"{prefix}lr_scheduler.monitor", "scheduler.monitor", source),
        Alias(
            f"{prefix}lr_scheduler.*",
            "scheduler.config.*",
            source,
            "all other keys are the class's keywords",
        ),
        Alias(f"{prefix}lr_warmup", "scheduler.warmup", source),
    ]


def _hyperparameters(prefix: str) -> list[Alias]:
    """The keys of a table of hyperparameters, and of a preset that gives them by itself."""
    rows = {
        "num_epochs": "trainer.max_epochs",
        "learning_rate": "optimizer.config.lr",
        "weight_decay": "optimizer.config.weight_decay",
        "warmup_steps": "scheduler.warmup",
        "max_steps": "trainer.max_steps",
        "logging_steps": "trainer.log_every_n_steps",
        "save_steps": "trainer.save_every_n_steps",
        "save_total_limit": "trainer.save_top_k",
        "eval_steps": "trainer.val_check_interval",
        "batch_size": "dataloader.batch_size",
        "gradient_accumulation": "trainer.accumulate_grad_batches",
        "gradient_accumulation_steps": "trainer.accumulate_grad_batches",
        "sequence_length": "data.sequence_length",
    }
    return [
        *(Alias(prefix + old, new, "004") for old, new in rows.items()),
        Alias(
            f"{prefix}eval_strategy",
            "trainer.check_val_every_n_epoch",
            "004",
            "`no` sets trainer.limit_val_batches 0, `steps` null, `epoch` 1",
            _eval_strategy,
        ),
    ]


ALIASES: tuple[Alias, ...] = (
    Alias(
        "trainer.max_time",
        "limits.wall_clock",
        "001",
        "becomes seconds; one wall clock governs a run",
        _max_time,
    ),
    # 002: everything lies below `trainer`, Lightning's own arguments one deeper.
    Alias("trainer.trainer", "trainer", "002"),
    Alias("trainer.seed", "seed", "002"),
    Alias(
        "trainer.num_gpus",
        "trainer.devices",
        "002",
        "0 becomes trainer.accelerator cpu, any other count gpu",
        _num_gpus,
    ),
    Alias("trainer.optimizer", "optimizer", "002"),
    Alias("trainer.scheduler", "scheduler", "002"),
    Alias("loss.composite.max_component_penalty", "loss.max_component_penalty", "001"),
    Alias("trainer.loss_config", "loss.groups", "002"),
    Alias("trainer.eval_loss_config", "eval_loss", "002"),
    Alias(
        "trainer.logger",
        "logger",
        "002",
        "true is TensorBoard, false none; a name, or a list of names, turns on those alone",
        _logger,
    ),
    Alias("trainer.logger.*", "logger.*", "002"),
    Alias("trainer.wandb.use_wandb", "logger.wandb.enabled", "002"),
    Alias("trainer.wandb", "logger.wandb", "002"),
    Alias("data.train_dataloader", "dataloader", "002"),
    Alias("loss_config", "loss.groups", "002"),
    Alias("eval_loss_config", "eval_loss", "002"),
    # 003: sections of its own beside `trainer` and `dataloader`.
    Alias("lightning.lr", "optimizer.config.lr", "003"),
    Alias("lightning.weight_decay", "optimizer.config.weight_decay", "003"),
    Alias("lightning.no_decay_verbose", "optimizer.no_decay_verbose", "003"),
    Alias("lightning.resume_lr", "trainer.resume_lr", "003"),
    Alias("lightning.resume_weight_decay", "trainer.resume_weight_decay", "003"),
    Alias("lightning.resume_context", "trainer.resume_context", "003"),
    Alias("lightning.resume_token_corruption", "trainer.resume_token_corruption", "003"),
    Alias("lightning.compile", "trainer.compile", "003"),
    Alias("lightning.benchmark_train_step", "trainer.benchmark_train_step", "003"),
    Alias("lightning.grad_clip_threshold", "trainer.grad_clip_threshold", "003"),
    *_schedule_rows("lightning.", "003"),
    *_schedule_rows("", "003"),
    Alias("dataloader_class", "dataloader.type", "003"),
    Alias("save_dir", "trainer.default_root_dir", "003"),
    Alias("resume_from", "run.resume", "003", "null becomes `never`", _resume_from),
    Alias("model_name", "model.name", "003"),
    Alias("loss_name", "loss.name", "003"),
    Alias("model_config", "model", "003", "a text becomes model.config", _model_config),
    Alias("datasplitter", "data.splitter", "003"),
    Alias("eval_runner", "run.eval_runner", "003"),
    # 004: the keys of its tables; the tables' names are options of groups.
    *_hyperparameters("hyperparameters."),
    *_schedule_rows("hyperparameters.", "004"),
    *_hyperparameters(""),
    Alias("dataset", "data.name", "004"),
    Alias("datasets.path", "data.root", "004"),
    Alias("datasets", "data", "004"),
    Alias("experts", "expert", "004"),
)
