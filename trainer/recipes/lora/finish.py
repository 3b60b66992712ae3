"""After training: the model is evaluated and its folder written."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn

from trainer.engine.phase import telling
from trainer.engine.protocols import network
from trainer.engine.session import Session
from trainer.errors import ConfigError, Problem
from trainer.recipes.lora.data import Instructions
from trainer.recipes.lora.leave import check_place, leave, name_of, place_of
from trainer.recipes.lora.measure import Evaluation, evaluate
from trainer.recipes.lora.model import LoraModel

# Lines of an answer that people are shown; the file has all.
_SHOWN = 8


class FinishAdapter(pl.Callback):
    """Evaluates what was trained, and leaves it in a folder as `output` says.

    `evaluation` says how. A training that somebody asked to stop leaves no folder: it can be resumed.
    The time that training took is counted over all attempts.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since: float | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find out now, and not after hours, whether the end can be made of what is named.

        Raises:
            ConfigError: The folder cannot be named or made, or there is no file to evaluate on.
        """
        if (session := Session.of(trainer)) is not None and trainer.is_global_zero:
            name_of(Path(session.folder), session.config, _model(pl_module), datetime.now())
            check_place(place_of(Path(session.folder), session.config))
            _check_split(session.config, trainer.datamodule.source)  # type: ignore[attr-defined]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count."""
        self._since = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Give the time so far."""
        return {"seconds": self.seconds + self._now()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.seconds = float(state_dict.get("seconds", 0.0))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluate and write, on the first rank."""
        session = Session.of(trainer)
        self.seconds, self._since = self.seconds + self._now(), None
        if session is None or not trainer.is_global_zero or _stopped(session):
            return
        model, data = _model(pl_module), trainer.datamodule.source  # type: ignore[attr-defined]
        try:
            found = self._evaluate(trainer, session, model, data)
        except Exception as error:
            # Out of memory, a model's own fault: what was trained is worth keeping all the same.
            why = " ".join(str(error).split())[:300]
            _say(session, "error", f"the evaluation failed, the model is kept: {why}")
            found = None
        if _stopped(session):
            return
        folder = self._leave(trainer, session, model, data, found)
        _say(session, "info", f"the adapter, its tokenizer and metadata.json are in {folder}")

    def _leave(
        self,
        trainer: pl.Trainer,
        session: Session,
        model: LoraModel,
        data: Instructions,
        found: Evaluation | None,
    ) -> Path:
        """Write the model's folder; into the run's own where `output.models_dir` takes nothing.

        Raises:
            OSError: Neither takes it.
        """
        run = Path(session.folder).absolute()
        told: dict[str, Any] = {
            "seconds": self.seconds,
            "steps": trainer.global_step,
            "epochs": trainer.current_epoch,
            "evaluation": found,
        }
        try:
            return leave(run, session.config, model, data, **told)
        except OSError as error:
            place = place_of(run, session.config)
            _say(session, "error", f"the model's folder could not be written in {place}: {error}")
        own = run / "outputs" / "model"
        try:
            if own.is_symlink():
                own.unlink()
            return leave(run, session.config, model, data, **told, folder=own)
        except OSError as error:
            raise OSError(
                f"the model is trained, and its folder could not be written in {own}: {error}. The "
                f"checkpoints hold it: make room, and traindeck adapter {run.name}"
            ) from error

    def _evaluate(
        self, trainer: pl.Trainer, session: Session, model: LoraModel, data: Instructions
    ) -> Evaluation | None:
        written = session.config.get("evaluation") or {}
        if written.get("after_training") is False:
            return None
        with telling(print) as say:
            found = evaluate(
                model,
                data,
                **settings_of(session.config),
                within=trainer.precision_plugin.forward_context,
                stop=lambda: _stopped(session),
                say=say,
            )
        if found is None:
            return None
        report(found, Path(session.folder))
        figures = {
            f"{found.split}/loss": found.adapter_loss,
            f"{found.split}/perplexity": found.adapter_perplexity,
            f"{found.split}/base_perplexity": found.base_perplexity,
        }
        # Lightning counts on when a fit is over.
        epoch = float(max(0, trainer.current_epoch - 1))
        session.events.metrics(trainer.global_step, figures, epoch=epoch)
        for logger in trainer.loggers:
            logger.log_metrics({**figures, "epoch": epoch}, trainer.global_step)
        _say(session, "info", in_words(found))
        return found

    def _now(self) -> float:
        return 0.0 if self._since is None else time.monotonic() - self._since


def _check_split(config: Mapping[str, Any], data: Instructions) -> None:
    written = config.get("evaluation") or {}
    split = written.get("split") or "test"
    name = data.splits.get(split)
    if written.get("after_training") is False or not name or (data.folder / name).is_file():
        return
    raise ConfigError(
        Problem(
            f"There is no file to evaluate on after training: data.{split}_split is {name}.",
            str(data.folder / name),
            f"Set data.{split}_split=null, or evaluation.after_training=false.",
            f"data.{split}_split",
        )
    )


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the keywords of `evaluate` that a config's `evaluation` names."""
    written = config.get("evaluation") or {}
    named = ("split", "max_samples", "answers", "max_new_tokens")
    return {name: written[name] for name in named if written.get(name) is not None}


def report(found: Evaluation, run: Path, name: str = "evaluation") -> Path:
    """Keep an evaluation in the run's `outputs`, as far as the disk allows.

    Args:
        found: The evaluation.
        run: The run's folder.
        name: What the file is called; the usual one is that of the end of training.
    """
    path = run / "outputs" / f"{name}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found.plain(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        print(f"The evaluation could not be kept in {path}: {error}", flush=True)
    return path


def in_words(found: Evaluation) -> str:
    """Tell an evaluation in a line, and the answers below it."""
    lines = [
        f"perplexity on {found.samples} samples of the {found.split} split, {found.tokens} tokens: "
        f"{found.adapter_perplexity:.3f} with the adapter, {found.base_perplexity:.3f} without"
    ]
    for number, each in enumerate(found.answers, 1):
        lines.append(f"\nanswer {number}: {each.instruction}")
        for name, text in (
            ("given", each.given),
            ("expected", each.expected),
            ("base", each.base),
            ("adapter", each.adapter),
        ):
            if text.strip() or name != "given":
                shown = text.strip().splitlines() or [f"({_blank(text)})"]
                cut = [f"… {len(shown) - _SHOWN} more lines"] if len(shown) > _SHOWN else []
                lines += [f"  {name}:", *(f"    {each}" for each in [*shown[:_SHOWN], *cut])]
    return "\n".join(lines)


def _blank(text: str) -> str:
    return f"{len(text)} blanks and ends of lines" if text else "nothing"


def _model(module: nn.Module) -> LoraModel:
    found = network(module)
    assert isinstance(found, LoraModel)
    return found


def _stopped(session: Session) -> bool:
    return session.requests.stop_asked is not None


def _say(session: Session, level: str, text: str) -> None:
    print(text, flush=True)
    session.events.log(level, text)
