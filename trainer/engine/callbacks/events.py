"""The callback that tells the run folder what happens in a Lightning trainer."""

from __future__ import annotations

import atexit
import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config.schema_health import settings_of
from trainer.engine.callbacks import memory, script
from trainer.engine.callbacks.announce import say_started
from trainer.engine.callbacks.control import ControlReader, ScriptAnswers
from trainer.engine.callbacks.ends import End, end_of, end_of_error
from trainer.engine.callbacks.forward import Forwarder, held
from trainer.engine.callbacks.measuring import NO_STEP, Measuring
from trainer.engine.callbacks.recorder import StepRecorder
from trainer.engine.callbacks.save import save_in
from trainer.engine.health import HealthGuard
from trainer.engine.health.layers import LayerRatio
from trainer.engine.requests import Requests
from trainer.engine.seen import Around
from trainer.engine.session import Session
from trainer.runs.layout import RunFolder
from trainer.runs.status import State

if TYPE_CHECKING:
    import pytorch_lightning as pl


class TraindeckCallback(Measuring):
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
        super().__init__(grad_norm=grad_norm, interval=interval)
        self.run = run if run is None or isinstance(run, RunFolder) else RunFolder(Path(run))
        self._own_folder = run is None
        self._name = name
        self._tags = tuple(tags)
        self._runs_dir = runs_dir
        self._threshold = grad_clip_threshold
        self._health = settings_of(health)
        self._guard: HealthGuard | None = None
        self._counts = (0, 0)
        self._ended = True
        self._started = False

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
        self._step, self._done = NO_STEP, trainer.global_step
        # A module that optimises by hand need not say what it has minimised.
        self._learned = not pl_module.automatic_optimization
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

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take what the module logged at its last epoch's end."""
        if self._guard is not None:
            self._guard.pause()
        if self._recorder is not None:
            self._take_logged(trainer, per_step=False)
            self._write(wait=True)

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
