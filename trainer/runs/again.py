"""Taking up a run that is over, for whoever asks: the command line and the screens."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from trainer.config import hardware_here, logger_rules
from trainer.errors import ConfigError, Problem, RunError
from trainer.runs.layout import RunFolder
from trainer.runs.manage import prepare_resume
from trainer.runs.status import State, read_status


def ours(run: RunFolder) -> RunFolder:
    """Give the run back if traindeck launched it; a script's run only the script can repeat.

    Raises:
        RunError: It was made by a program of its own.
    """
    if run.identity().get("launcher") == "script" or not run.config.is_file():
        raise RunError(
            Problem(
                f"run {run.id} was made by a program of its own, not launched by traindeck.",
                remedy="Start that program again.",
            )
        )
    return run


def need_training_packages(
    config: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    *,
    network: bool = False,
) -> None:
    """Make sure that training can start here at all, and with what a config chooses.

    Args:
        config: The resolved config; None looks for what any training needs.
        where: For each dotted key what set it.
        network: Whether it may take seconds to find that a hub cannot be reached.

    Raises:
        RunError: The packages that the base install leaves out are missing.
        ConfigError: A package of the data or of a logger is missing, the key to its service, the
            device to train on, files of the data, or the base model.
    """
    # The rules stand on the schema, which `traindeck show` can do without.
    from trainer.config import recipe_rules

    missing = [name for name in ("torch", "pytorch_lightning") if find_spec(name) is None]
    if missing:
        # All at once: nobody should install torch only to be told of the next package.
        more, extras = recipe_rules.packages(config or {})
        *most, last = [*missing, *more]
        raise RunError(
            Problem(
                f"training needs {', '.join(most)}{' and ' if most else ''}{last}, which the base install"
                " leaves out.",
                sys.executable,
                f"Install them: pip install 'traindeck[{','.join(['train', *extras])}]'",
            )
        )
    if config is not None:
        problems = [
            *recipe_rules.lacking(config),
            *logger_rules.lacking(config),
            *hardware_here.lacking(config),
        ]
        if network and not problems:
            problems += recipe_rules.out_of_reach(config)
        if problems:
            raise ConfigError(*(_placed(problem, where or {}) for problem in problems))


def _placed(problem: Problem, where: Mapping[str, Any]) -> Problem:
    place = str(where.get(problem.key, ""))
    # What was resolved for this machine is no place that anybody wrote.
    if problem.where or place.startswith("resolved"):
        return problem
    return replace(problem, where=place)


def check_resume(run: RunFolder) -> None:
    """Make sure that there is something to go on with.

    Raises:
        RunError: The run has completed, is of another program, or nothing can train here.
    """
    ours(run)
    need_training_packages(config_of(run))
    if read_status(run).state == State.COMPLETED:
        raise RunError(
            Problem(
                f"run {run.id} has completed; there is nothing left to do.",
                remedy=f"Train it for longer: traindeck resume {run.called()} trainer.max_steps=N",
            )
        )


def config_of(run: RunFolder) -> Mapping[str, Any] | None:
    """Read a run's config as far as it can be read; the trainer says what is wrong with it."""
    try:
        config = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return config if isinstance(config, Mapping) else None


def make_ready(run: RunFolder) -> Path:
    """Make a run that is over ready to go on in its folder; `launch.start` does the rest.

    Returns:
        The checkpoint that it goes on from.

    Raises:
        RunError: It has completed, runs, has no whole checkpoint, or is of another program.
    """
    check_resume(run)
    return prepare_resume(run)
