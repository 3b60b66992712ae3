"""Requests from outside (`traindeck stop`, `checkpoint`, `validate-now`) reach the training loop.

Files in the run's control folder are read at a time boundary, never in every step. In a run that
`trainer.engine.fit` drives, they become `Requests`, which its loop answers. In a script of one's own
`ScriptAnswers` answers them, through what Lightning offers to everyone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from trainer.engine.requests import Requests, Stop
from trainer.runs import control

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytorch_lightning as pl

    from trainer.runs.layout import RunFolder

# Ranks compare notes about this often, in seconds, and after so many steps at most: steps may
# become slower than they were.
_EXCHANGE_SECONDS = 1.0
_EXCHANGE_STEPS = 100


class ControlReader:
    """Turns request files into `Requests`.

    Args:
        run: The run folder.
        requests: Where requests go.
        told: Called with one line for each request taken, for the log.
        stopping: Called with one line when a stop was asked for, for the status: until the end of
            an epoch may be far.
    """

    def __init__(
        self,
        run: RunFolder,
        requests: Requests,
        told: Callable[[str], None],
        stopping: Callable[[str], None] | None = None,
    ) -> None:
        self._requests = requests
        self._told = told
        self._stopping = stopping
        self._inbox = control.Inbox(run)

    def poll(self) -> None:
        """Take what has come since the last poll and remove its files.

        Raises:
            StopNow: Somebody asked to stop at once, and this is the main thread.
        """
        for request in self._inbox.poll():
            if request.kind == "kill":
                continue  # for the supervisor: a process that hangs could not answer it
            control.done(request)
            reason = request.reason or "asked for by traindeck"
            if request.kind == "stop":
                self._told(f"stop after {request.after}: {reason}")
                if self._stopping is not None:
                    self._stopping(f"after this {request.after}: {reason}")
                self._requests.stop(request.after, reason)
            elif request.kind == "checkpoint":
                self._told(f"checkpoint: {reason}")
                self._requests.checkpoint(reason)
            else:
                self._told(f"validation: {reason}")
                self._requests.validate()


class ScriptAnswers:
    """Answers requests in a script that knows nothing of traindeck; lives on every rank.

    Args:
        requests: What was asked for; on ranks but the first it stays empty.
        save: Writes a checkpoint for a reason; called on every rank at once.
    """

    def __init__(self, requests: Requests, save: Callable[[pl.Trainer, str], None]) -> None:
        self._requests = requests
        self._save = save
        self._exchange_at = 1
        self._exchanged = (0, time.monotonic())
        self._before: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self._validating = False
        self.stop: Stop | None = None

    def after_step(self, trainer: pl.Trainer) -> None:
        """Do what is asked for; to be called after each optimiser step, on every rank."""
        if self._validating:
            self._put_back()
        if trainer.world_size > 1:
            self._exchange(trainer)
        else:
            self._answer(
                trainer,
                self._requests.stop_asked,
                self._requests.take_checkpoint(),
                self._requests.take_validate(),
            )

    def after_epoch(self, trainer: pl.Trainer) -> None:
        """Stop here if that is what was asked for; to be called at each epoch's end."""
        if self.stop is not None and self.stop.after == "epoch" and not trainer.should_stop:
            self._save(trainer, self.stop.reason)
            self._end(trainer)

    def restore(self) -> None:
        """Give the trainer its own settings back, at the end of a fit."""
        self._put_back()

    def _answer(
        self, trainer: pl.Trainer, stop: Stop | None, checkpoint: str | None, validate: bool
    ) -> None:
        if stop is not None:
            first = self.stop is None or self.stop.after == "epoch"
            self.stop = stop
            if stop.after != "epoch" and first:
                if stop.after == "step":
                    self._save(trainer, stop.reason)
                self._end(trainer)
                return
        if checkpoint is not None:
            self._save(trainer, checkpoint)
        if validate:
            self._validate(trainer)

    def _exchange(self, trainer: pl.Trainer) -> None:
        """Let every rank know what rank 0 was asked, about once a second."""
        step = trainer.global_step
        if step < self._exchange_at:
            return
        message: Any = None
        if trainer.is_global_zero:
            before, then = self._exchanged
            now = time.monotonic()
            # Every rank must come to the next exchange at the same step, so that is agreed here.
            pace = (step - before) / max(now - then, 1e-6)
            self._exchanged = (step, now)
            most = min(_EXCHANGE_STEPS, 2 * (step - before))
            ahead = max(1, min(most, int(pace * _EXCHANGE_SECONDS)))
            message = (
                self._requests.stop_asked,
                self._requests.take_checkpoint(),
                self._requests.take_validate(),
                step + ahead,
            )
        stop, checkpoint, validate, self._exchange_at = trainer.strategy.broadcast(message, src=0)
        self._answer(trainer, stop, checkpoint, validate)

    def _end(self, trainer: pl.Trainer) -> None:
        """Let Lightning leave its loop after this batch, without another validation."""
        self._set(trainer, "limit_val_batches", 0)
        # A person's word weighs more than the script's lower bounds.
        self._set(trainer.fit_loop, "min_epochs", None)
        self._set(trainer.fit_loop.epoch_loop, "min_steps", None)
        trainer.should_stop = True

    def _validate(self, trainer: pl.Trainer) -> None:
        """Let Lightning find that a validation is due after this batch."""
        if not trainer.enable_validation:
            return
        self._set(trainer, "val_check_batch", 1)
        if trainer.check_val_every_n_epoch is not None:
            self._set(trainer, "check_val_every_n_epoch", 1)
        if getattr(trainer, "_val_check_time_interval", None) is not None:
            self._set(trainer, "_val_check_time_interval", 0.0)
        self._validating = True

    def _set(self, owner: Any, name: str, value: Any) -> None:
        """Change a setting until `restore`."""
        self._before.setdefault((id(owner), name), (owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def _put_back(self) -> None:
        for owner, name, value in self._before.values():
            setattr(owner, name, value)
        self._before.clear()
        self._validating = False
