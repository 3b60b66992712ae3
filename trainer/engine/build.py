"""Builds the parts of a training from the sections of a config."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.profilers import SimpleProfiler
from torch import nn

from trainer.config.target_args import NOT_KEYWORDS
from trainer.engine import loops, targets
from trainer.engine.callbacks import TraindeckCallback
from trainer.engine.callbacks.limits import limits_of
from trainer.engine.callbacks.plateau import PlateauMonitor
from trainer.engine.callbacks.step_time import StepTimer
from trainer.engine.corruption import Progress
from trainer.engine.data import Datasets, EngineData
from trainer.engine.keep import SavePlan
from trainer.engine.loggers import LoggerFeed, ended_by_errors, loggers_of
from trainer.engine.losses.builder import loss_of, own_module_problems
from trainer.engine.losses.watch import term_watch
from trainer.engine.module import TrainModule
from trainer.engine.optim import make_optimizer
from trainer.engine.saver import Saver
from trainer.engine.schedule import make_scheduler, training_length
from trainer.engine.session import Session
from trainer.errors import ConfigError, Problem
from trainer.runs.layout import RunFolder


def module_of(config: Mapping[str, Any]) -> pl.LightningModule:
    """Make what is trained: a LightningModule of one's own, or the recipe's model with its loss.

    Raises:
        ConfigError: A class may not be loaded, takes other arguments, or a loss is missing.
    """
    model = targets.build(_keywords(config, "model"), nn.Module, key="model")
    if isinstance(model, pl.LightningModule):
        if problems := own_module_problems(config):
            raise ConfigError(*problems)
        # Its own optimiser counts; the config's fills in where it has none.
        if type(model).configure_optimizers is pl.LightningModule.configure_optimizers:
            _lend_optimizer(model, config)
        return model
    loss = loss_of(config)
    return TrainModule(model, loss, optimizer=config["optimizer"], scheduler=config["scheduler"])


def data_of(config: Mapping[str, Any]) -> EngineData:
    """Make the recipe's data and wrap it.

    Raises:
        ConfigError: The class may not be loaded, takes other arguments, or gives no training data.
    """
    bases = (pl.LightningDataModule, Datasets)
    source = targets.build(_keywords(config, "data"), bases, key="data")
    return EngineData(
        source,
        config["dataloader"],
        seed=config.get("seed") or 0,
        shuffle=not config["trainer"].get("overfit_batches"),
        share=config["trainer"].get("use_distributed_sampler", True),
    )


def callbacks_of(config: Mapping[str, Any]) -> list[pl.Callback]:
    """Make early stopping, and the callbacks of `callbacks` and `trainer.callbacks`.

    Raises:
        ConfigError: A class may not be loaded or takes other arguments.
    """
    section = config["trainer"]
    made: list[pl.Callback] = []
    if (stopping := early_stopping(section.get("early_stopping"))) is not None:
        made.append(stopping)
    for name, written in (config.get("callbacks") or {}).items():
        if written and written.get("enabled", True) is not False:
            keywords = {key: value for key, value in written.items() if key != "enabled"}
            made.append(targets.build(keywords, pl.Callback, key=f"callbacks.{name}"))
    for number, written in enumerate(section.get("callbacks") or []):
        made.append(targets.build(written, pl.Callback, key=f"trainer.callbacks.{number}"))
    return made


def early_stopping(written: Any) -> EarlyStopping | None:
    """Make the callback from `trainer.early_stopping`: true, a patience, or its keywords."""
    if written is None or written is False or (written == 0 and not isinstance(written, Mapping)):
        return None
    keywords: dict[str, Any] = {
        "monitor": "val/loss",
        "mode": "min",
        "patience": 10,
        "min_delta": 0.0,
        "check_on_train_epoch_end": False,
    }
    if isinstance(written, Mapping):
        keywords |= {key: value for key, value in written.items() if value is not None}
    elif written is not True:
        keywords["patience"] = int(written)
    targets.check_arguments(EarlyStopping, keywords, key="trainer.early_stopping")
    return EarlyStopping(**keywords)


def trainer_of(
    session: Session, data: EngineData, module: pl.LightningModule
) -> tuple[pl.Trainer, Saver]:
    """Make the Lightning trainer with our loops, our saver and everything the config asks for.

    Raises:
        ConfigError: Lightning refuses an argument, or a callback cannot be made.
    """
    config, section = session.config, session.config["trainer"]
    plan = SavePlan.of(section, RunFolder(session.folder))
    saver = Saver(session, plan, data)
    threshold = section.get("grad_clip_threshold")
    deck = TraindeckCallback(session.folder, grad_clip_threshold=threshold, health=config["health"])
    callbacks = [
        *([StepTimer(deck)] if section.get("benchmark_train_step") else []),
        deck,
        LoggerFeed(session),
        *term_watch(session, module),
        PlateauMonitor(),
        *Progress.of(module),
        *callbacks_of(config),
        *limits_of(session),
        saver,
    ]
    names = inspect.signature(pl.Trainer).parameters
    arguments = {
        name: value for name, value in section.items() if name in names and value is not None
    }
    # Here null means something: validation by batches across epochs.
    arguments["check_val_every_n_epoch"] = section.get("check_val_every_n_epoch", 1)
    if section.get("strict_deterministic"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        arguments |= {"deterministic": True, "benchmark": False}
    if section.get("profile") and "profiler" not in arguments:
        folder = Path(section.get("profiler_dir") or session.folder / "logs" / "profile")
        arguments["profiler"] = SimpleProfiler(dirpath=str(folder), filename="profile")
    loggers = loggers_of(session)
    arguments |= {
        "callbacks": callbacks,
        "logger": loggers,
        "default_root_dir": arguments.get("default_root_dir", str(session.folder)),
        "enable_progress_bar": bool(section.get("enable_progress_bar")),
        "enable_model_summary": bool(section.get("log_model_structure"))
        or bool(section.get("enable_model_summary")),
        # The engine's loaders already give each rank its share.
        "use_distributed_sampler": False,
        "enable_checkpointing": True,
    }
    if section.get("barebones"):
        # Lightning takes no logger here, and nobody that writes checkpoints: the saver, which still
        # has to answer requests to stop, comes in behind its back.
        arguments |= {"enable_checkpointing": False, "logger": False, "callbacks": callbacks[:-1]}
    with ended_by_errors(loggers), refusals_told():
        try:
            trainer = pl.Trainer(**arguments)
        except MisconfigurationException:
            _need_device(section.get("accelerator"))
            raise
        except (TypeError, ValueError) as error:
            raise _refused(error) from error
    if section.get("barebones"):
        trainer.callbacks.append(saver)  # type: ignore[attr-defined]  # Lightning sets it at run time
    trainer.traindeck = session  # type: ignore[attr-defined]  # where Session.of looks
    trainer.traindeck_requests = session.requests  # type: ignore[attr-defined]
    # Its handlers would talk to other ranks from inside a signal handler; ours only take a note.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    loops.install(trainer, saver)
    return trainer, saver


@contextmanager
def refusals_told() -> Iterator[None]:
    """Tell in a sentence what Lightning finds wrong with a config, and torch in its first step.

    Raises:
        ConfigError: Lightning refuses a setting, or a callback of Lightning's its surroundings; or
            an optimiser the gradients of this model.
    """
    try:
        yield
    except MisconfigurationException as error:
        raise _refused(error) from error
    except RuntimeError as error:
        if "SparseAdam does not support dense gradients" not in str(error):
            raise
        raise ConfigError(
            Problem(
                "SparseAdam takes sparse gradients only, and this model's are dense.",
                "",
                "Take optimizer.type=Adam; sparse ones come of nn.Embedding(sparse=True).",
                "optimizer.type",
            )
        ) from error


def quiet() -> None:
    """Keep Lightning's advertisements and advice for scripts out of the output."""
    import logging

    for name in ("pytorch_lightning", "lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        # It means our wrapper around the data, which asks the right one.
        ".*in both `LightningModule` and `LightningDataModule`.*",
        ".*smaller than the logging interval.*",
        ".*exists and is not empty.*",
        ".*in eval mode at the start of training.*",
        ".*callbacks used to create the checkpoint.*",
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
        ".*Experiment logs directory.*",
        ".*The epoch parameter in `scheduler.step\\(\\)`.*",
        ".*Please call `lr_scheduler.step\\(\\)` before.*",
        ".*lr_scheduler.step\\(\\)` before `optimizer.step\\(\\).*",
        ".*GPU available but not used.*",
        ".*but `Trainer\\(barebones=True\\)` is configured.*",
        ".*Total length of `list` across ranks is zero.*",
        # An epoch without a validation; a metric that never comes is an error of ours.
        ".*ReduceLROnPlateau conditioned on metric .* but strict is set to.*",
    ):
        warnings.filterwarnings("ignore", message=message)


def _keywords(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = dict(config.get(name) or {})
    for key in NOT_KEYWORDS[name]:
        section.pop(key, None)
    return section


def _lend_optimizer(model: pl.LightningModule, config: Mapping[str, Any]) -> None:
    def configure_optimizers() -> Any:
        optimizer = make_optimizer(model, config["optimizer"])
        scheduler = make_scheduler(
            optimizer,
            config["scheduler"],
            lambda interval: training_length(model.trainer, interval),
        )
        return (
            optimizer if scheduler is None else {"optimizer": optimizer, "lr_scheduler": scheduler}
        )

    model.configure_optimizers = configure_optimizers  # type: ignore[method-assign]


def _need_device(accelerator: Any) -> None:
    """Lightning's own words for a missing device do not say how to mend it.

    Raises:
        ConfigError: torch can use no such device here.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    there = {"gpu": cuda or mps, "cuda": cuda, "mps": mps}
    if not there.get(accelerator, True):
        raise ConfigError(
            Problem(
                f"'trainer.accelerator' is {accelerator}, and torch finds no such device here.",
                "",
                "Train on the CPU (hardware=cpu trainer.accelerator=auto trainer.precision=null), or "
                "see by `python -m torch.utils.collect_env` what torch lacks.",
                "trainer.accelerator",
            )
        )


def _refused(error: Exception) -> ConfigError:
    first = " ".join(str(error).split())
    return ConfigError(Problem(f"Lightning refuses the trainer's settings: {first}", key="trainer"))
