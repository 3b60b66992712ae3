"""A run folder for a script that traindeck has not launched."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from trainer.engine.session import Session
from trainer.errors import Problem, RunError
from trainer.events import EventWriter
from trainer.runs import control, environment, orders
from trainer.runs.beat import TrainerBeat
from trainer.runs.folders import make_folder, shown_name
from trainer.runs.layout import ENVIRONMENT, REQUIREMENTS, RunFolder, write_bytes_atomic
from trainer.secrets import is_secret_name, mask, mask_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytorch_lightning as pl

ENV_RUNS_DIR = "TRAINDECK_RUNS_DIR"
_MAX_DEPTH = 6
# What a reader of the config wants to know of a trainer: the attributes keep the arguments' names.
_TRAINER_KEYS = (
    "max_epochs",
    "min_epochs",
    "max_steps",
    "min_steps",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "precision",
    "num_devices",
    "num_nodes",
    "check_val_every_n_epoch",
    "val_check_interval",
    "limit_train_batches",
    "limit_val_batches",
    "log_every_n_steps",
    "overfit_batches",
)


def launched_folder() -> RunFolder | None:
    """Give the run folder that a launcher has made for this process, if there is one."""
    told = orders.take()
    path = told.get(orders.ENV_RUN) or told.get(orders.ENV_RUN_DIR)
    return RunFolder(Path(path)) if path and Path(path).is_dir() else None


def new_folder(runs_dir: Path | str | None, name: str | None, tags: Sequence[str]) -> RunFolder:
    """Make a run folder `<runs_dir>/<date>/<time>-<name>-<id>`, as the launcher would.

    Args:
        runs_dir: Where runs lie; None means `$TRAINDECK_RUNS_DIR`, else `./runs`.
        name: The run's name; None takes the script's.
        tags: Its tags.

    Raises:
        RunError: The folder cannot be made.
    """
    root = Path(runs_dir or os.environ.get(ENV_RUNS_DIR) or "runs").absolute()
    script = Path(sys.argv[0] or "python").stem if sys.argv else "python"
    typed = [sys.executable, *_script_argv()]
    argv = mask_words(typed)
    identity = {
        "tags": [shown_name(str(tag)) for tag in tags],
        "launcher": "script",
        "argv": argv,
        "command": argv,
    }
    left_out = "# A secret was left out here: put it in for ***.\n" if argv != typed else ""
    folder = shlex.quote(str(Path.cwd()))
    again = f"#!/bin/sh\n{left_out}cd {folder}\nexec {shlex.join(argv)}\n"
    found = environment.lock()
    files = {
        "command.sh": again,
        ENVIRONMENT: json.dumps(found, indent=1) + "\n",
        REQUIREMENTS: environment.requirements(found),
    }
    try:
        run = make_folder(root, name or script, identity, lambda *_: files)
        run.command.chmod(0o755)
    except OSError as error:
        raise _no_folder(root, error.strerror or str(error)) from error
    return run


def open_session(run: RunFolder, flush_interval: float) -> Session:
    """Begin writing in a run folder, without a launcher.

    Raises:
        RunError: Another process trains in it.
        OSError: It cannot be written.
    """
    run.logs.mkdir(parents=True, exist_ok=True)
    # Requests to an earlier training in this folder are not for this one.
    control.clear(run)
    beat = TrainerBeat(run).start()
    events: Any = EventWriter(run.events, flush_interval=flush_interval)
    return Session(
        folder=run.path,
        config={},
        events=events,
        beat=beat,
        attempt=beat.attempt,
    )


def close_session(session: Session, state: str, reason: str, exit_code: int | None) -> None:
    """Record the end and let the folder go, so that a later fit of this process may go on in it."""
    session.events.emit("run_finished", status=state, reason=reason, exit_code=exit_code)
    session.events.close()
    session.beat.end(state, reason, exit_code)


def write_config(run: RunFolder, trainer: pl.Trainer, module: pl.LightningModule) -> None:
    """Write `config.yaml`: what can be known of a script's settings from the objects it made.

    Existing files stay: a launcher has written them, and knows more.
    """
    if run.config.exists():
        return
    config: dict[str, Any] = {
        "trainer": {key: getattr(trainer, key, None) for key in _TRAINER_KEYS},
        "model": {"_target_": _full_name(module), **dict(module.hparams)},
        "run": {"name": run.identity().get("name")},
    }
    config["trainer"]["strategy"] = type(trainer.strategy).__name__
    optimizers = list(trainer.optimizers)
    if optimizers:
        config["optimizer"] = _optimizer(optimizers[0])
    data = getattr(trainer, "datamodule", None)
    if data is not None:
        config["data"] = {"_target_": _full_name(data), **dict(data.hparams)}
    text = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)
    write_bytes_atomic(run.config, text.encode())


def _optimizer(optimizer: Any) -> dict[str, Any]:
    defaults = {k: v for k, v in optimizer.defaults.items() if not callable(v)}
    return {"type": type(optimizer).__name__, "config": defaults}


def _plain(value: Any, depth: int = 0) -> Any:
    """Give the value as what YAML holds; anything else as the name of its class."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        # A plain str, also from a subclass such as an enumeration's member.
        return mask(str(getattr(value, "value", value))[:2000])
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {
                str(key): "(hidden)" if _is_secret(str(key), item) else _plain(item, depth + 1)
                for key, item in list(value.items())[:500]
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(item, depth + 1) for item in list(value)[:500]]
    if isinstance(value, Path):
        return str(value)
    # A repr may be long, may hold addresses and may hold secrets; a class name is none of these.
    return _full_name(value)


def _is_secret(name: str, value: Any) -> bool:
    # A switch or a size tells nothing, whatever its name.
    return is_secret_name(name) and value is not None and not isinstance(value, bool)


def _full_name(thing: Any) -> str:
    kind = thing if isinstance(thing, type) else type(thing)
    return f"{kind.__module__}.{kind.__qualname__}"


def _script_argv() -> list[str]:
    """Give the command line after the interpreter, `-m package` included."""
    original = list(getattr(sys, "orig_argv", []))[1:]
    return original or list(sys.argv)


def _no_folder(root: Path, why: str) -> RunError:
    return RunError(
        Problem(
            f"A run folder cannot be made in {root}: {why}.",
            remedy=f"Set {ENV_RUNS_DIR}, or runs_dir= of TraindeckCallback, to a folder you can write to.",
        )
    )
