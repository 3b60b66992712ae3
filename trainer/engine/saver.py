"""Saves and stops between iterations, and puts a resumed run exactly where the old one stood."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer import call

from trainer.engine import rng
from trainer.engine.archive import Archive
from trainer.engine.keep import SavePlan
from trainer.engine.loops import ValidationCut
from trainer.engine.moment import Moment, epochs_of, own_state
from trainer.engine.override import override
from trainer.engine.ranks import Ranks
from trainer.engine.requests import Stop
from trainer.engine.snapshot import to_host
from trainer.errors import ConfigError, Problem, nearest

if TYPE_CHECKING:
    from pytorch_lightning.loops.progress import _ProcessedTracker

    from trainer.engine.data import EngineData
    from trainer.engine.session import Session

KEY = "traindeck"


class Saver(Checkpoint):
    """Writes `best-epoch%05d.ckpt` and `last-epoch%05d.ckpt`, with links `best.ckpt`, `last.ckpt`.

    The training loops of `trainer.engine.loops` call it between iterations. What it saves there
    lets an interrupted run continue bit for bit: weights, optimiser, schedulers and callbacks, and
    also random states of all ranks, the position in the epoch, and the metrics that schedulers and
    callbacks may still ask for. State is copied to the host first; a thread writes it.

    Where a validation falls inside an accumulation window, the best checkpoint is the one made at
    the window's end: gradients in progress are not saved.

    Args:
        session: The process's folder, events and requests.
        plan: When to save.
        data: The engine's data module, which is told where to begin.

    Attributes:
        resumed: Whether a checkpoint of this program was loaded.
        stopped: The stop that ended training, if one did.
    """

    def __init__(self, session: Session, plan: SavePlan, data: EngineData) -> None:
        super().__init__()
        self._session = session
        self._plan = plan
        self._data = data
        self._trainer: pl.Trainer | None = None
        self._ranks = Ranks()
        self._archive = Archive(session, plan)
        self._candidate: float | None = None
        self._before_validation: dict[str, Any] | None = None
        self._moment = Moment()
        self._settings = dict(session.config["trainer"])
        self.resumed = False
        self.stopped: Stop | None = None

    # ---- what others ask -------------------------------------------------------------------

    def save_now(self, reason: str = "requested") -> None:
        """Ask for a checkpoint after the optimiser step under way; callable from any thread."""
        self._session.requests.checkpoint(reason)

    @property
    def failure(self) -> str | None:
        """Why the last attempt to write a checkpoint failed; None if it did not."""
        return self._archive.failure

    @property
    def best_model_path(self) -> str:
        """The best checkpoint's path, as Lightning's `ckpt_path="best"` wants it; may be empty."""
        return self._archive.best_path

    # ---- called by the loops ---------------------------------------------------------------

    def restore_moment(self) -> None:
        """Put random states and metrics back to the instant of the checkpoint; once."""
        self._moment.restore(self._live())

    def rescale(self, progress: _ProcessedTracker) -> None:
        """Count batches of another size or share: as many samples lie behind as before."""
        self._moment.rescale(progress, self._live().num_training_batches)

    def take_pending_validation(self) -> bool:
        """Tell, once, whether the checkpoint was made in front of a validation that is due."""
        return self._moment.take_validation()

    def take_first_validation(self) -> bool:
        """Tell, once, whether a validation was asked for before a resumed training goes on."""
        wanted = self.resumed and bool(self._settings.get("validate_before_resume"))
        self._settings["validate_before_resume"] = False
        return wanted

    def before_validation(self, *, due: bool, boundary: bool) -> None:
        """Note what a stop inside the coming validation would have to save.

        Several ranks finish the validation instead, since they cannot all leave it at once.
        """
        self._before_validation = None
        trainer = self._live()
        if due and boundary and trainer.world_size == 1:
            self._before_validation = {
                "random_state": rng.capture(),
                "callbacks": to_host(call._call_callbacks_state_dict(trainer)),
                "fit_loop": trainer.fit_loop.state_dict(),
                "weights": _versions(trainer.lightning_module),
            }

    def between_steps(self, *, last: bool, over: bool) -> bool:
        """Save, validate and stop as is due after an optimiser step.

        Args:
            last: The epoch's last batch is done; everything waits for the epoch's end, which
                follows at once.
            over: Training ends here.

        Returns:
            Whether to stop.
        """
        trainer = self._live()
        self._archive.prepare(trainer)
        if last:
            return False
        stop, checkpoint, validate, due = self._agree(self._steps_due(over))
        if validate:
            trainer.fit_loop.epoch_loop.validate()
        best = self._take_best(agreed=bool(due & 2) or validate)
        last_too = stop == "step" or bool(checkpoint) or bool(due & 1)
        if last_too or best is not None:
            usual = "end" if over else "cadence"
            reason = self._stop_reason() if stop == "step" else checkpoint or usual
            self._save(reason, best=best, last=last_too)
        return self._stops(stop == "step")

    def between_epochs(self, whole: bool) -> bool:
        """Save and stop as is due after an epoch.

        Args:
            whole: All batches of the epoch were trained. An epoch that ended early was saved in
                its middle, and is to be taken up there.

        Returns:
            Whether to stop.
        """
        trainer = self._live()
        if not whole:
            return False
        epoch = trainer.current_epoch
        due = bool(self._plan.every_n_epochs) and epoch % (self._plan.every_n_epochs or 1) == 0
        over = trainer.fit_loop.done
        due = due or self._step_is_due() or (self._plan.at_end and over)
        self._watch_monitor(in_validation=False)
        stop, checkpoint, validate, code = self._agree(int(due) | (self._candidate is not None) * 2)
        if validate:
            trainer.fit_loop.epoch_loop.validate()
        stopping = stop is not None
        best = self._take_best(agreed=bool(code & 2) or validate)
        last_too = stopping or bool(checkpoint) or bool(code & 1)
        if last_too or best is not None:
            usual = "end" if over else "cadence"
            reason = self._stop_reason() if stopping else checkpoint or usual
            self._save(reason, best=best, last=last_too)
        return self._stops(stopping)

    def save_cut(self) -> None:
        """Save the state in front of the validation that a stop has cut short."""
        assert self._before_validation is not None
        self._save(self._stop_reason(), last=True, instead=self._before_validation)
        self._stops(True)

    # ---- Lightning's hooks -----------------------------------------------------------------

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take hold of the trainer; remove what a killed writer left."""
        self._trainer = trainer
        self._ranks = Ranks.of(trainer)
        if trainer.is_global_zero:
            self._archive.clean()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finish or take back what a killed process left, now that this run's files are known."""
        if trainer.is_global_zero:
            begun_from = trainer.ckpt_path
            self._archive.tidy(Path(begun_from) if begun_from else None)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Change learning rate and weight decay if that is asked for on resuming."""
        if trainer.ckpt_path is not None:
            override(
                trainer,
                lr=self._settings.get("resume_lr"),
                weight_decay=self._settings.get("resume_weight_decay"),
                run=self._session.folder.name,
            )

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Leave a validation under way if a stop was asked for and nothing would be lost."""
        before = self._before_validation
        stop = self._session.requests.stop_asked
        if (
            before is not None
            and stop is not None
            and stop.after != "epoch"
            and not trainer.sanity_checking
            # Weights swapped for the validation (averaged ones, say) are swapped back at its end.
            and before["weights"] == _versions(trainer.lightning_module)
        ):
            raise ValidationCut

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look whether this was the best so far."""
        self._before_validation = None
        if not trainer.sanity_checking:
            self._watch_monitor(in_validation=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Bring everything to disk, with some patience if the disk refuses: it is the last chance."""
        self._archive.finish()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Bring what was saved before the error to disk; the broken state is not saved."""
        self._archive.join()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Bring everything to disk."""
        self._archive.close()

    def state_dict(self) -> dict[str, Any]:
        """Give which checkpoints exist."""
        return self._archive.kept.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Know the checkpoints of the run that is continued, as far as they lie in this folder."""
        self._archive.kept.load(state_dict)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Tell the data where to begin, and keep what can be put back only later."""
        own = checkpoint.get(KEY)
        if own is None:
            return
        self.resumed = True
        self._archive.saved_at = checkpoint["global_step"]
        self._moment = Moment.of(own, self._session.rank)
        self._data.build_train()
        told = self._moment.seek(own, self._data, self._session.rank)
        if told:
            self._session.events.log("warning", told)

    # ---- inside ----------------------------------------------------------------------------

    def _live(self) -> pl.Trainer:
        assert self._trainer is not None
        return self._trainer

    def _step_is_due(self) -> bool:
        every = self._plan.every_n_steps
        step = self._live().global_step
        return bool(every) and step % (every or 1) == 0 and step != self._archive.saved_at

    def _steps_due(self, over: bool) -> int:
        ends = over and self._plan.at_end and self._live().global_step != self._archive.saved_at
        due = self._step_is_due() or ends
        return int(due) | (self._candidate is not None) * 2

    def _agree(self, due: int) -> tuple[str | None, str | None, bool, int]:
        """Let rank 0 say what happens: stop after, checkpoint reason, validate, what is due."""
        requests = self._session.requests
        asked = requests.stop_asked
        after = None if asked is None else "epoch" if asked.after == "epoch" else "step"
        checkpoint = requests.take_checkpoint()
        validate = requests.take_validate()
        if self._ranks.size == 1:
            return after, checkpoint, validate, due
        code = self._ranks.agree(
            [
                {None: 0, "epoch": 1, "step": 2}[after],
                int(checkpoint is not None),
                int(validate),
                due,
            ]
        )
        after = (None, "epoch", "step")[int(code[0])]
        return after, (checkpoint or "requested") if code[1] else None, bool(code[2]), int(code[3])

    def _stop_reason(self) -> str:
        asked = self._session.requests.stop_asked
        return asked.reason if asked else "stop requested"

    def _stops(self, stopping: bool) -> bool:
        if stopping:
            asked = self._session.requests.stop_asked
            self.stopped = asked or Stop("step", "stopped by rank 0")
        return stopping

    def _watch_monitor(self, *, in_validation: bool) -> None:
        """Note a score; complain about a monitor that nobody logs."""
        trainer, name = self._live(), self._plan.monitor
        if name is None or self._plan.top_k == 0:
            return
        if name.startswith("train/") == in_validation:
            return
        metrics = trainer.callback_metrics
        if name not in metrics:
            if not in_validation and not name.startswith("train/"):
                return
            known = sorted(metrics)
            raise ConfigError(
                Problem(
                    f"Nothing logs '{name}', which is to say which checkpoint is best.",
                    "",
                    f"{nearest(name, known)} There are {', '.join(known) or 'none'}.".strip(),
                    "trainer.monitor",
                )
            )
        self._candidate = float(metrics[name])

    def _take_best(self, *, agreed: bool) -> float | None:
        """Give the score waiting to be saved if it is among the best."""
        score, self._candidate = self._candidate, None
        if not agreed:
            return None
        # Rank 0 says: it alone knows of checkpoints that could not be written.
        if score is None or not self._archive.is_among_best(score, self._epoch_number()):
            score = math.nan
        (score,) = self._ranks.agree([score])
        return None if math.isnan(score) else score

    def _epoch_number(self) -> int:
        """Give the epoch under way or just completed, counted from 1."""
        progress = epochs_of(self._live())
        return int(max(progress.started, progress.completed, 1))

    def _save(
        self,
        reason: str,
        *,
        best: float | None = None,
        last: bool,
        instead: Mapping[str, Any] | None = None,
    ) -> None:
        """Copy the state and hand it to the writer."""
        trainer = self._live()
        began = time.perf_counter()
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        own = own_state(trainer, self._data, self._ranks)
        # By now the numbers of the last step are read back.
        health = self._session.health
        if why := health.unsound(trainer.lightning_module) if health is not None else "":
            # The good one before it is what can be gone on from, also if it is still to be written.
            told = f"no checkpoint at step {trainer.global_step}: {why}; older ones stay"
            self._session.events.log("warning", told)
            self._archive.saved_at = trainer.global_step
            return
        epoch = self._epoch_number()
        facts: dict[str, Any] = {"step": trainer.global_step, "epoch": epoch, "reason": reason}
        job = self._archive.job(epoch=epoch, best=best, last=last, facts=facts)
        self._archive.saved_at = trainer.global_step
        states = checkpoint["callbacks"] if instead is None else instead["callbacks"]
        checkpoint["callbacks"] = states | {self.state_key: self.state_dict()}  # with this one
        if instead is not None:
            checkpoint["loops"]["fit_loop"] = instead["fit_loop"]
            own["ranks"][0]["random_state"] = instead["random_state"]
            own["validation"] = True
        checkpoint[KEY] = own
        if trainer.is_global_zero:
            self._archive.write(checkpoint, job, began)


def _versions(module: torch.nn.Module) -> list[tuple[int, int]]:
    """Give what changes when a weight is replaced or written to."""
    return [(p.data_ptr(), p._version) for p in module.parameters()]
