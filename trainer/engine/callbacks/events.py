"""The callback that tells the run folder what happens in a Lightning trainer."""

from __future__ import annotations

import atexit
import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from typing_extensions import override

from trainer.config.schema_health import settings_of
from trainer.engine.callbacks import flavour, memory, script
from trainer.engine.callbacks.announce import say_started
from trainer.engine.callbacks.control import ControlReader, ScriptAnswers
from trainer.engine.callbacks.ends import End, end_of, end_of_error
from trainer.engine.callbacks.forward import Forwarder, held
from trainer.engine.callbacks.norm import GradNorm
from trainer.engine.callbacks.recorder import StepRecorder, batch_counts
from trainer.engine.callbacks.save import save_in
from trainer.engine.callbacks.values import extras, learning_rates, weight_decay
from trainer.engine.health import HealthGuard
from trainer.engine.health.layers import EVERY_STEPS, LayerRatio
from trainer.engine.requests import Requests, StopNow
from trainer.engine.seen import Around
from trainer.engine.session import Session
from trainer.health.gradients import RATIO
from trainer.runs.layout import RunFolder
from trainer.runs.status import State

if TYPE_CHECKING:
    import pytorch_lightning as pl
else:
    pl = flavour.chosen()

_NO_STEP = -1


class TraindeckCallback(pl.Callback):
    """Makes any Lightning training a run that traindeck lists, tails and controls.

    `Trainer(callbacks=[TraindeckCallback()])` is all a script needs: a run folder is made when
    training starts. In a process that traindeck has launched, that run's folder is used.

    On every optimiser step: `train/loss`, `lr`, `weight_decay`, `grad_norm` (before clipping),
    `grad_clip_pct` (share of the steps so far whose norm was above the threshold) and `perf/...`;
    memory, and how busy the GPU is, once a second; and whatever the module logs with `self.log`.
    Values stay tensors and are read back together about four times a second, so that no step waits
    for a GPU. The same moments serve to look for requests.

    Only the process of global rank 0 writes. Training is never harmed by a disk that fails.

    Args:
        run: A run folder to use; None finds the launcher's, or makes one.
        name: Name of a run folder made here; None takes the script's name.
        tags: Tags of a run folder made here.
        runs_dir: Where to make it; None means `$TRAINDECK_RUNS_DIR`, else `./runs`.
        grad_norm: Whether to measure the gradient norm. Where Lightning clips by norm it costs
            nothing; elsewhere it reads every gradient once a step.
        grad_clip_threshold: Norms above it count for `grad_clip_pct`; None means the trainer's
            `gradient_clip_val`, else 1.0.
        interval: Seconds between two read-backs.
        health: The `health` section of a config as plain data (docs/health.md); None means its
            defaults, `{"enabled": False}` watches over nothing.

    Raises:
        pydantic.ValidationError: `health` does not fit the schema.
    """

    def __init__(
        self,
        run: RunFolder | Path | str | None = None,
        *,
        name: str | None = None,
        tags: Sequence[str] = (),
        runs_dir: Path | str | None = None,
        grad_norm: bool = True,
        grad_clip_threshold: float | None = None,
        interval: float = 0.25,
        health: Mapping[str, Any] | None = None,
    ) -> None:
        self.run = run if run is None or isinstance(run, RunFolder) else RunFolder(Path(run))
        self._own_folder = run is None
        self._name = name
        self._tags = tuple(tags)
        self._runs_dir = runs_dir
        self._threshold = grad_clip_threshold
        self._interval = interval
        self._norm = GradNorm(enabled=grad_norm)
        self._health = settings_of(health)
        self._guard: HealthGuard | None = None
        self._ratio: LayerRatio | None = None
        self._counts = (0, 0)
        self._session: Session | None = None
        self._answers: ScriptAnswers | None = None
        self._recorder: StepRecorder | None = None
        self._ended = True
        self._started = False
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
        self._step, self._done = _NO_STEP, 0
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
        elif loss.requires_grad:
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

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find or make the run folder, before data and model are set up."""
        if stage != "fit":
            return
        self._reset_clocks()
        session = Session.of(trainer)
        if session is self._session:  # from an earlier fit of the same trainer
            session = None
        self._launched = session is not None
        if session is None:
            # Every rank: what the launcher said is not for what this process may start.
            launched = script.launched_folder()
            session = self._open(trainer, launched) if trainer.is_global_zero else None
            self._answers = ScriptAnswers(session.requests if session else Requests(), self._save)
        if session is None or session.rank != 0:
            return
        self._session = session
        self.run = RunFolder(session.folder)
        self._ended = self._started = False
        if self._health.enabled:
            clips = str(getattr(trainer.gradient_clip_algorithm, "value", "norm")) == "norm"
            clip = trainer.gradient_clip_val if clips else None
            self._guard = session.health = HealthGuard(session, self._health, clip)
            session.watchers.append(self._guard)
        if not self._launched:
            atexit.register(self._at_exit)

    def _open(self, trainer: pl.Trainer, launched: RunFolder | None) -> Session:
        """Begin a run, or a further segment of one, in a script of its own."""
        again = self._session is not None and self.run is not None and trainer.global_step > 0
        if not again:
            self._counts = (0, 0)
        run = self.run if again or not self._own_folder else launched
        if run is None:
            run = script.new_folder(self._runs_dir, self._name, self._tags)
        session = script.open_session(run, self._interval)
        trainer.traindeck = session  # type: ignore[attr-defined]  # where Session.of looks
        return session

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say that training starts, how long it will be and which metrics it will give."""
        session = self._session
        if session is None or self._ended:
            return
        threshold = self._threshold or trainer.gradient_clip_val or 1.0
        self._norm.attach(trainer)
        self._recorder = StepRecorder(float(threshold), trainer.world_size)
        self._recorder.steps_with_norm, self._recorder.steps_clipped = self._counts
        self._forward = Forwarder()
        self._memory = memory.MemorySampler(pl_module.device)
        self._control = ControlReader(
            RunFolder(session.folder),
            session.requests,
            lambda line: session.events.log("info", line),
            session.beat.stopping if session.beat is not None else None,
        )
        self._epoch = trainer.current_epoch
        self._split = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
        self._step, self._done = _NO_STEP, trainer.global_step
        # What was measured in an earlier fit is not new in this one.
        self._forward.new(held(trainer), per_step=False)
        self._first_look = True
        if not self._launched:
            with contextlib.suppress(OSError):
                script.write_config(RunFolder(session.folder), trainer, pl_module)
            Around(None).write(session.folder, trainer, attempt=session.attempt)
        say_started(trainer, session, self._recorder.clip_threshold)
        self._started = True
        if self._guard is not None:
            self._ratio = LayerRatio() if self._norm.mode != "off" else None
            self._guard.start(self._signs)
        self._end = self._mark = time.perf_counter()
        self._due = self._end + self._interval

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
            if self._step != _NO_STEP:
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

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take what the module logged at its last epoch's end."""
        if self._guard is not None:
            self._guard.pause()
        if self._recorder is not None:
            self._take_logged(trainer, per_step=False)
            self._write(wait=True)

    def _take_logged(self, trainer: pl.Trainer, *, per_step: bool) -> None:
        """Add what the module has logged since the last look to the step that it belongs to."""
        logged = held(trainer)
        if self._first_look:
            # What a checkpoint has put back was told when it was new.
            self._first_look = False
            self._forward.new(logged, per_step=per_step)
            return
        step = self._step
        if step == _NO_STEP and not per_step:
            # An epoch that was resumed at its very end is told where it ended.
            step = trainer.global_step or _NO_STEP
        if not logged or self._recorder is None or step == _NO_STEP:
            return
        values = self._forward.new(logged, per_step=per_step)
        if values:
            when = self._end if per_step else time.perf_counter()
            self._recorder.late(step, self._epoch, when, values)

    def state_dict(self) -> dict[str, Any]:
        """Keep the counts behind `grad_clip_pct` in the checkpoint."""
        self._write(wait=True)
        recorder = self._recorder
        if recorder is not None:
            self._counts = (recorder.steps_with_norm, recorder.steps_clipped)
        state = {"steps_with_norm": self._counts[0], "steps_clipped": self._counts[1]}
        return state if self._guard is None else {**state, "health": self._guard.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where the checkpoint was."""
        self._counts = (
            int(state_dict.get("steps_with_norm", 0)),
            int(state_dict.get("steps_clipped", 0)),
        )
        if self._guard is not None:
            self._guard.load(state_dict.get("health", {}))

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Say how training ended."""
        self._close(trainer, end_of_error(exception))

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Say how training ended."""
        if stage == "fit":
            stop = self._answers.stop if self._answers is not None else None
            self._close(trainer, end_of(trainer, stop))

    def _at_exit(self) -> None:
        self._close(None, End(State.FAILED, "the process exited before training ended", None))

    def _close(self, trainer: pl.Trainer | None, end: End) -> None:
        """Write what is left; in a script of one's own also the end, and let everything go."""
        if self._answers is not None:
            self._answers.restore()
            self._answers = None
        self._norm.detach()
        session = self._session
        if session is None or self._ended:
            return
        self._ended = True
        with contextlib.suppress(RuntimeError):  # a device that failed gives no last values
            self._write(wait=True)
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            self._counts = (recorder.steps_with_norm, recorder.steps_clipped)
            self._memory.close()
        if not self._started and trainer is not None:
            say_started(trainer, session, self._threshold or 1.0)
        guard, self._guard = self._guard, None
        if guard is not None:
            if end.state is State.OUT_OF_MEMORY:
                guard.out_of_memory(end.reason)
            guard.close()
        if self._launched:
            return  # `fit` alone knows the exit code
        word = guard.word() if guard is not None else ""
        told = end.state in (State.COMPLETED, State.STOPPED, State.TIMEOUT) and word
        reason = "; ".join(part for part in (end.reason, word) if part) if told else end.reason
        script.close_session(session, end.state, reason, end.exit_code)
        atexit.unregister(self._at_exit)

    def _save(self, trainer: pl.Trainer, reason: str) -> None:
        session = self._session
        self._write(wait=True)
        why = self._guard.unsound(trainer.lightning_module) if self._guard is not None else ""
        if trainer.world_size > 1:
            why = trainer.strategy.broadcast(why, src=0)
        if why:
            if session is not None:
                session.events.log("warning", f"no checkpoint at step {trainer.global_step}: {why}")
            return
        save_in(trainer, reason, self.run, session.events if session is not None else None)
