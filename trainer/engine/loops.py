"""Lightning's training loops with exact stopping points.

Lightning saves from inside its hooks, where a batch, a validation or a scheduler may be half done,
and guesses on restart where it was: it replays seen batches, skips a validation or steps a
scheduler twice. These loops save and stop only *between* iterations, when everything that belongs
to a step or an epoch has been done, and take up again from there. Both classes rest on internals
of Lightning 2.6, to which the project's dependencies are pinned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop

from trainer.engine.callbacks.limits import EpochMustFit

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from pytorch_lightning.loops.fetchers import _DataFetcher
    from pytorch_lightning.loops.progress import _ProcessedTracker

    from trainer.engine.saver import Saver


class ValidationCut(Exception):
    """Raised by the saver to leave a validation under way because a stop was asked for."""


def install(trainer: pl.Trainer, saver: Saver) -> None:
    """Give a new trainer these loops in place of its own."""
    old = trainer.fit_loop
    loop = FitLoop(trainer, old.min_epochs, old.max_epochs)
    loop.saver = saver
    loop.epoch_loop = EpochLoop(trainer, old.min_steps, old.max_steps)
    loop.epoch_loop.saver = saver
    trainer.fit_loop = loop


class FitLoop(_FitLoop):
    """Epochs, with a stopping point after each."""

    epoch_loop: EpochLoop
    saver: Saver

    @property
    def done(self) -> bool:
        """Tell whether training is over."""
        return self.epoch_loop.stopping or super().done

    def on_advance_start(self) -> None:
        """Begin an epoch, or go on with the one that a checkpoint interrupted."""
        self.saver.restore_moment()
        super().on_advance_start()

    def advance(self) -> None:
        """Run one epoch; leave without its end if a stop was asked for in its middle."""
        super().advance()
        if self.epoch_loop.stopping:
            raise StopIteration

    def on_advance_end(self) -> None:
        """End an epoch, schedulers included; only then save."""
        whole = self.epoch_loop._num_ready_batches_reached()
        super().on_advance_end()
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if whole and isinstance(callback, EpochMustFit):
                callback.between_epochs(self.trainer, over=self.done)
        if self.saver.between_epochs(whole):
            self.epoch_loop.stopping = True


class EpochLoop(_TrainingEpochLoop):
    """Batches, with a stopping point after each optimiser step."""

    saver: Saver

    def __init__(self, trainer: pl.Trainer, min_steps: int | None, max_steps: int) -> None:
        super().__init__(trainer, min_steps, max_steps)
        self.stopping = False

    @property
    def done(self) -> bool:
        """Tell whether the epoch is over."""
        return self.stopping or super().done

    def reset(self) -> None:
        """Begin an epoch, or stand where the checkpoint stood."""
        fit_loop = self.trainer.fit_loop
        if not (self._restarting and self.saver.resumed):
            super().reset()
            return
        mid_epoch = fit_loop.restarted_mid_epoch
        # Nothing is half done in our checkpoints, so Lightning's guesses must not be followed: in
        # the first epoch they would skip plateau schedulers and a validation that is due.
        self.restarting = False
        fit_loop._restarting = False
        if mid_epoch:
            self.saver.rescale(cast("_ProcessedTracker", self.batch_progress.current))
        else:
            super().reset()

    def on_run_start(self, data_fetcher: _DataFetcher) -> None:
        """Start fetching; make up for a validation that a stop cut short."""
        super().on_run_start(data_fetcher)
        if self.saver.take_first_validation():
            self.validate()
        if self.saver.take_pending_validation():
            self.on_advance_end(data_fetcher)

    def on_advance_end(self, data_fetcher: _DataFetcher) -> None:
        """Finish a batch, validation and schedulers included; only then save or stop."""
        self.saver.before_validation(
            due=self._should_check_val_fx(data_fetcher), boundary=not self._should_accumulate()
        )
        try:
            super().on_advance_end(data_fetcher)
        except ValidationCut:
            self.trainer._logger_connector.reset_results()
            self.trainer.training = True
            self.saver.save_cut()
            self.stopping = True
            return
        last = self._num_ready_batches_reached()
        if not self._should_accumulate() and self.saver.between_steps(
            last=last, over=self._is_training_done or self.trainer.should_stop
        ):
            self.stopping = True

    def validate(self) -> None:
        """Run a validation now, between two steps."""
        if not self.trainer.enable_validation:
            return
        first = self.trainer._logger_connector._first_loop_iter
        self.trainer.validating = True
        self.val_loop.run()
        self.trainer.training = True
        self.trainer._logger_connector._first_loop_iter = first

    def _broadcast_sigterm_tensor(self) -> None:
        """Do nothing: the saver lets ranks agree, without waiting for a GPU in every step."""
