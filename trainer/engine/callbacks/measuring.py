"""What the callback measures: every optimiser step, epochs, validations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from torch import Tensor
from typing_extensions import override

from trainer.engine.callbacks import flavour
from trainer.engine.callbacks.forward import Forwarder, held
from trainer.engine.callbacks.norm import GradNorm
from trainer.engine.callbacks.recorder import StepRecorder, batch_counts
from trainer.engine.callbacks.values import extras, learning_rates, weight_decay
from trainer.engine.health.layers import EVERY_STEPS, LayerRatio
from trainer.engine.requests import StopNow
from trainer.engine.session import Session
from trainer.health.gradients import RATIO

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from trainer.engine.callbacks.control import ControlReader, ScriptAnswers
    from trainer.engine.callbacks.memory import MemorySampler
else:
    pl = flavour.chosen()

NO_STEP = -1


class Measuring(pl.Callback):
    """Writes metrics to a session and looks for requests, as far as whoever inherits it has begun.

    Args:
        grad_norm: Whether to measure the gradient norm.
        interval: Seconds between two read-backs.
    """

    # Made where training starts.
    _forward: Forwarder
    _memory: MemorySampler
    _control: ControlReader

    def __init__(self, *, grad_norm: bool, interval: float) -> None:
        self._interval = interval
        self._norm = GradNorm(enabled=grad_norm)
        self._ratio: LayerRatio | None = None
        self._session: Session | None = None
        self._answers: ScriptAnswers | None = None
        self._recorder: StepRecorder | None = None
        self._launched = False
        self._reset_clocks()

    def _reset_clocks(self) -> None:
        """Begin counting: `time.perf_counter()` marks, and the step under way."""
        now = time.perf_counter()
        self._start = self._mark = self._end = self._due = now
        self._epoch_start = self._validation_start = now
        self._paused = 0.0
        self._disturbed = True
        self._seen = now
        self._stepping = self._first_look = self._validating = False
        self._step, self._done = NO_STEP, 0
        self._learned = False
        self._epoch = 0
        self._split = 1
        self._lr: Any = None
        self._decay: float | None = None

    # What a step costs is paid in these three hooks; everything else is rare.

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note when the batch starts, and what Lightning holds of the step before."""
        recorder = self._recorder
        if recorder is None:
            return
        self._take_logged(trainer, per_step=True)
        self._start = time.perf_counter()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any
    ) -> None:
        """Note the learning rate and the gradient norm of the step about to be made."""
        if self._stepping:
            return  # another optimiser of the same batch, or another closure of LBFGS
        self._stepping = True
        if self._recorder is not None:
            groups = optimizer.param_groups
            self._lr = groups[0]["lr"]
            if len(groups) > 1 or isinstance(self._lr, Tensor):
                self._lr = learning_rates(groups)
            self._decay = weight_decay(groups)
            self._norm.before_step(optimizer)
            if self._ratio is not None and not self._done % EVERY_STEPS:
                ratio = self._ratio.of(optimizer)
                if ratio is not None:
                    self._recorder.extra(RATIO, ratio)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note the loss; after an optimiser step, close the step and look at the clock."""
        recorder = self._recorder
        if recorder is None:
            if self._stepping and self._answers is not None:
                self._answers.after_step(trainer)
            self._stepping = False
            return
        end = time.perf_counter()
        start = self._start
        loss = outputs
        if type(outputs) is dict:
            loss = outputs.get("loss")
            more = outputs.get("metrics")
            if more is not None:
                extras(recorder, more)
        if not isinstance(loss, Tensor):
            loss = None
        else:
            self._learned = True
            if loss.requires_grad:
                loss = loss.detach().clone()
        samples, tokens = batch_counts(batch)
        recorder.batch(
            loss, samples, tokens, end - start, None if self._disturbed else start - self._mark
        )
        self._disturbed = False
        if self._stepping:
            self._stepping = False
            self._step = self._done = step = trainer.global_step
            lr = self._lr
            if type(lr) is dict:
                for name, value in lr.items():
                    recorder.extra(name, value)
                lr = None
            recorder.step(
                step=step,
                epoch=self._epoch,
                end=end,
                period=end - self._end - self._paused,
                lr=lr,
                norm=self._norm.take(),
                accumulated=self._split,
                decay=self._decay,
            )
            self._end = end
            self._paused = 0.0
            if end >= self._due:
                self._boundary(trainer, end)
            if self._answers is not None:
                self._answers.after_step(trainer)
        self._mark = time.perf_counter()

    def measured(self, name: str, value: Tensor | float) -> None:
        """Add a metric of another callback, in front of this one, to the step under way."""
        if self._recorder is not None:
            self._recorder.extra(name, value)

    # From here on: now and then.

    @property
    def only_skipped(self) -> bool:
        """Whether this fit counted steps, and none of its batches gave a loss to learn from."""
        return self._step != NO_STEP and not self._learned

    def _boundary(self, trainer: pl.Trainer, now: float) -> None:
        """Read back what has collected, sample memory, tell progress, look for requests."""
        recorder, session = self._recorder, self._session
        assert recorder is not None
        assert session is not None
        for name, value in self._memory.sample(now):
            recorder.extra(name, value)
        self._write()
        self._poll()
        self._due = time.perf_counter() + self._interval

    def _poll(self) -> None:
        """Look for requests; `now` ends a script as its own Ctrl-C would."""
        try:
            self._control.poll()
        except StopNow as stop:
            if self._launched:
                raise
            raise KeyboardInterrupt(str(stop)) from None

    def _write(self, *, wait: bool = False) -> None:
        recorder, session = self._recorder, self._session
        if recorder is None or session is None:
            return
        rows = recorder.rows(wait=wait)
        if not rows:
            return
        events: Any = session.events
        events.metrics_rows(rows)
        for watch in session.watchers:
            watch(rows)
        if session.beat is not None:
            _, step, epoch, _ = rows[-1]
            shown = {name: value for *_, row in rows[-2:] for name, value in row.items()}
            session.beat.progress(step=step, epoch=epoch, metrics=shown)

    def _signs(self) -> tuple[float, int, str]:
        """Give the last sign of life, the last step and what is being done; for another thread."""
        marks = (self._start, self._mark, self._epoch_start, self._validation_start, self._seen)
        return max(marks), self._done, "validation" if self._validating else "training"

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note when the epoch starts, and what the module logged at the end of the last."""
        if self._recorder is None:
            return
        self._take_logged(trainer, per_step=False)
        self._epoch = trainer.current_epoch
        self._epoch_start = self._mark = time.perf_counter()
        self._disturbed = False

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write everything up to here, and how long the epoch took."""
        if self._recorder is not None and self._session is not None:
            self._take_logged(trainer, per_step=True)
            now = time.perf_counter()
            seconds = round(now - self._epoch_start, 6)
            self._recorder.drop_unfinished()
            if self._step != NO_STEP:
                self._recorder.late(
                    self._step, self._epoch, now, [("perf/epoch_time_sec", seconds)]
                )
            self._write()
            self._session.events.emit(
                "epoch_finished",
                flush=False,
                step=trainer.global_step,
                epoch=self._epoch,
                seconds=seconds,
            )
            self._poll()
        if self._answers is not None:
            self._answers.after_epoch(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note when a validation starts: it is no part of a step's time."""
        self._take_logged(trainer, per_step=True)
        self._validating = True
        self._validation_start = time.perf_counter()

    @override
    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Look for requests in a long validation too."""
        self._seen = now = time.perf_counter()
        if self._recorder is not None and now >= self._due:
            self._boundary(trainer, now)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what the validation gave."""
        self._validating = False
        self._seen = time.perf_counter()
        if self._recorder is None or trainer.sanity_checking:
            return
        now = time.perf_counter()
        seconds = round(now - self._validation_start, 6)
        values = self._forward.new(trainer.callback_metrics, per_step=False)
        values.append(("perf/validation_time_sec", seconds))
        self._recorder.late(max(self._step, trainer.global_step), self._epoch, now, values)
        self._write()
        self._paused += now - self._validation_start
        self._disturbed = True

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take the time of writing for what it is, and not for waiting for data."""
        self._disturbed = True
        self._seen = time.perf_counter()

    def _take_logged(self, trainer: pl.Trainer, *, per_step: bool) -> None:
        """Add what the module has logged since the last look to the step that it belongs to."""
        logged = held(trainer)
        if self._first_look:
            # What a checkpoint has put back was told when it was new.
            self._first_look = False
            self._forward.new(logged, per_step=per_step)
            return
        step = self._step
        if step == NO_STEP and not per_step:
            # An epoch that was resumed at its very end is told where it ended.
            step = trainer.global_step or NO_STEP
        if not logged or self._recorder is None or step == NO_STEP:
            return
        values = self._forward.new(logged, per_step=per_step)
        if values:
            when = self._end if per_step else time.perf_counter()
            self._recorder.late(step, self._epoch, when, values)
