"""Runs with the loggers that a test names, and the loggers of one."""

from __future__ import annotations

from trainer.config.schema import load_resolved
from trainer.engine.session import NoEvents, Session

OFF = {f"logger.{name}.enabled": False for name in ("tensorboard", "csv", "wandb", "mlflow")}


def session_of(folder, rank=0, attempt=1, events=None):
    config = load_resolved(folder / "config.yaml").model_dump()
    return Session(
        folder, config, NoEvents() if events is None else events, rank=rank, attempt=attempt
    )


def named(lab, **changes):
    folder = lab("run", **{**OFF, **changes})
    (folder / "run.json").write_text('{"id": "abc", "name": "Speedy", "tags": ["one", "two"]}')
    return folder
