"""Lightning's loggers as the config's `logger` section chooses them.

* `local`: TensorBoard and CSV. `weights_biases`: W&B. `tracking`: MLflow.
* `guard`, `courier`: why none of them slows or ends training.
* `feed`, `hparams`: what they get besides what a module logs itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyLogger

from trainer.config.logger_rules import lacking
from trainer.engine.loggers.feed import LoggerFeed
from trainer.engine.loggers.guard import Farewell, Guarded, told_of
from trainer.engine.session import Session
from trainer.errors import ConfigError, Problem
from trainer.runs.layout import RunFolder

__all__ = ["LoggerFeed", "ended_by_errors", "loggers_of"]


def loggers_of(session: Session) -> list[Logger]:
    """Make and open the loggers that the config chooses.

    On the first start a logger that cannot be opened is an error, told before anything is
    trained. When a run is resumed, perhaps with nobody there, it goes on without that logger.

    Args:
        session: The process's config, folder and events.

    Raises:
        ConfigError: A package is not installed, a key is missing, or a logger cannot be opened.
    """
    config = session.config
    chosen = [(name, make) for name, make in _MAKERS.items() if _enabled(config, name)]
    if config["trainer"].get("fast_dev_run") or config["trainer"].get("barebones"):
        return []  # Lightning takes none, or puts them away again
    if session.rank != 0:
        return [DummyLogger() for _ in chosen]
    if problems := list(lacking(config)):
        raise ConfigError(*problems)
    run = RunFolder(session.folder)
    # One for both of those that write there, as in Lightning.
    version = sum(1 for _ in run.logs.glob("version_*"))
    farewell = Farewell(lambda: session.requests.closed)
    made: list[Logger] = []
    for name, make in chosen:
        try:
            logger, place = make(config, run, version)
        except Exception as error:
            problem = _not_opened(name, error)
            if session.attempt <= 1:
                with ended_by_errors(made):
                    raise ConfigError(problem) from error
            session.events.alert(
                "warning",
                "logger_failed",
                f"{problem.what} The run goes on without it.",
                advice=problem.remedy,
                logger=name,
            )
            continue
        logger.guard(session.events, farewell)
        made.append(logger)
        if place:
            session.events.log("info", f"{logger.label}: {place}")
    return made


@contextmanager
def ended_by_errors(made: Sequence[Logger]) -> Iterator[None]:
    """End loggers as failed if an error comes before Lightning, or from where it ends none."""
    try:
        yield
    except BaseException:
        for logger in made:
            logger.finalize("failed")
        raise


def _tensorboard(config: Mapping[str, Any], run: RunFolder, version: int) -> tuple[Guarded, str]:
    from trainer.engine.loggers.local import TensorBoard

    made = TensorBoard(str(run.path), name="logs", version=version, default_hp_metric=False)
    _ = made.experiment
    return made, ""


def _csv(config: Mapping[str, Any], run: RunFolder, version: int) -> tuple[Guarded, str]:
    from trainer.engine.loggers.local import Csv

    made = Csv(str(run.path), name="logs", version=version)
    _ = made.experiment
    return made, ""


def _wandb(config: Mapping[str, Any], run: RunFolder, version: int) -> tuple[Guarded, str]:
    from trainer.engine.loggers.weights_biases import place_of, weights_biases

    made = weights_biases(config["logger"]["wandb"], run)
    return made, place_of(made)


def _mlflow(config: Mapping[str, Any], run: RunFolder, version: int) -> tuple[Guarded, str]:
    from trainer.engine.loggers.tracking import place_of, tracking

    made = tracking(config, run)
    return made, place_of(made)


# The first one is what a module finds as its `self.logger`.
_MAKERS: dict[str, Callable[[Mapping[str, Any], RunFolder, int], tuple[Guarded, str]]] = {
    "tensorboard": _tensorboard,
    "csv": _csv,
    "wandb": _wandb,
    "mlflow": _mlflow,
}


def _enabled(config: Mapping[str, Any], name: str) -> bool:
    section = (config.get("logger") or {}).get(name) or {}
    return bool(section.get("enabled", name == "tensorboard"))


def _not_opened(name: str, error: Exception) -> Problem:
    return Problem(
        f"logger.{name} cannot be opened: {told_of(error).rstrip('.')}.",
        "",
        f"Mend that, or set logger.{name}.enabled=false.",
        f"logger.{name}",
    )
