"""Brings snapshots of a training into the run's checkpoint files, and tells how that went."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trainer.engine.files import CheckpointWriter, Job
from trainer.engine.hostmem import HostMemory
from trainer.engine.keep import Kept, SavePlan
from trainer.engine.snapshot import size_of, take

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from trainer.engine.session import Session

# Seconds before each further try to write the checkpoint at the end of training.
LAST_PATIENCE = (0.0, 1.0, 3.0)
# Seconds of waiting for the checkpoint before that are worth a word.
_LONG_WAIT = 1.0


class Archive:
    """One run's checkpoints: at most one of them being written, the others whole.

    A save that comes while the last one is still being written waits for it: there is one snapshot
    in memory, whatever the disk does, and a run saves at the same steps on a slow disk as on a
    fast one. What fails is told as an alert and never ends the training.

    Args:
        session: The process's folder and events.
        plan: Where they go, and which are kept.

    Attributes:
        kept: Which checkpoints there are.
        saved_at: The step of the last one that was not lost; None if there is none.
        failure: Why the last attempt to write a checkpoint failed; None if it did not.
    """

    def __init__(self, session: Session, plan: SavePlan) -> None:
        self.kept = Kept(plan)
        self.saved_at: int | None = None
        self.failure: str | None = None
        self._session = session
        self._plan = plan
        self._writer = CheckpointWriter(plan.folder, self._report, session.events.flush)
        self._memory = HostMemory()
        self._prepared = False
        self._retrying = False
        self._told_of_waiting = False

    @property
    def best_path(self) -> str:
        """The best checkpoint's path; empty if there is none."""
        best = self.kept.best
        return str(self._plan.folder / best[0]["name"]) if best else ""

    def clean(self) -> None:
        """Remove half-written files of a process that was killed."""
        self._writer.clean()

    def tidy(self, begun_from: Path | None) -> None:
        """Finish or take back a save that a killed process left half-done.

        Args:
            begun_from: The checkpoint that this training goes on from; it stays.
        """
        keep = self.kept.names()
        if begun_from is not None and begun_from.resolve().parent == self._plan.folder.resolve():
            keep |= {begun_from.name, begun_from.resolve().name}
        self._writer.tidy(keep)

    def prepare(self, trainer: pl.Trainer) -> None:
        """Get memory for snapshots, beside training; once the optimiser has its state."""
        if not self._prepared:
            self._prepared = True
            if self._plan.saves and trainer.is_global_zero:
                device = trainer.strategy.root_device
                self._memory.prepare(
                    size_of(_tensors_of(trainer)), device if device.type == "cuda" else None
                )

    def is_among_best(self, score: float, epoch: int) -> bool:
        """Tell whether a score of an epoch (from 1) is worth a checkpoint."""
        wanted = self.kept.is_among_best(score, epoch)
        if not wanted and self._writer.busy:
            # Should the better one under way fail, this is the best there is.
            self._writer.join()
            wanted = self.kept.is_among_best(score, epoch)
        return wanted

    def job(self, *, epoch: int, best: float | None, last: bool, facts: Mapping[str, Any]) -> Job:
        """Name the files of one snapshot, once the one before is on the disk or has failed.

        Args:
            epoch: The epoch under way or just completed, from 1.
            best: Its score, if it is among the best.
            last: Whether it replaces the last checkpoint.
            facts: What the event of the finished checkpoint tells; the time waited is added.
        """
        began = time.perf_counter()
        self._writer.forget()  # how that one ended decides what this one replaces
        waited = round(time.perf_counter() - began, 6)
        if waited > _LONG_WAIT and not self._told_of_waiting:
            self._told_of_waiting = True
            self._session.events.log(
                "warning",
                f"training waited {waited:.1f} s for the checkpoint before this one to be written; "
                "save less often, or to a faster disk",
            )
        facts = {**facts, "waited_s": waited}
        return self.kept.job(epoch=epoch, best=best, last=last, facts=facts)

    def write(self, checkpoint: Mapping[str, Any], job: Job, began: float) -> None:
        """Copy the state and let a thread write it.

        Args:
            checkpoint: The state, live.
            job: Under which names; the newest that `job` gave.
            began: When training began to be held up, by `time.perf_counter`.
        """
        try:
            snapshot = take(checkpoint, self._memory)
        except (MemoryError, OSError, RuntimeError) as error:  # torch: "not enough memory"
            self._report(job, 0, error)
            return
        if snapshot.dropped:
            names = ", ".join(snapshot.dropped[:5])
            self._session.events.log(
                "warning", f"not kept in the checkpoint, no plain data: {names}"
            )
        pause = round(time.perf_counter() - began, 6)
        job = replace(job, facts={**job.facts, "pause_s": pause})
        self._writer.write(snapshot.data, job, ready=snapshot.wait)

    def join(self) -> None:
        """Wait, as long as it takes, until nothing is being written."""
        self._writer.join()

    def finish(self) -> None:
        """Bring everything to disk, with some patience if the disk refuses: the last chance."""
        self._writer.join()
        for pause in LAST_PATIENCE:
            if not self._writer.failed:
                break
            time.sleep(pause)
            self.kept.revert()
            self._retrying = True
            self._writer.retry()

    def close(self) -> None:
        """Bring everything to disk and give the memory back."""
        self._writer.forget()
        self._memory.release()

    def _report(self, job: Job, size: int, error: Exception | None) -> None:
        """Tell the events how a job ended; mostly in the writer's thread."""
        events = self._session.events
        if error is not None:
            self.kept.revert()
            self.saved_at = None  # so that it counts as due, at the latest at the end
            self.failure = _why(error)
            if self._retrying:
                return  # has been told
            events.alert(
                "error",
                "checkpoint_failed",
                f"a checkpoint could not be written: {self.failure}",
                step=job.facts["step"],
                advice="Training goes on and older checkpoints are whole; make room on the disk.",
            )
            return
        self.failure = None
        for name in job.names:
            path = self._plan.folder / name
            if path.is_relative_to(self._session.folder):
                path = path.relative_to(self._session.folder)
            kind = name.partition("-")[0]
            events.emit("checkpoint", path=str(path), kind=kind, bytes=size, **job.facts)


def _tensors_of(trainer: pl.Trainer) -> Iterator[torch.Tensor]:
    # What is saved: a module may leave out what is frozen.
    for value in trainer.lightning_module.state_dict().values():
        if isinstance(value, torch.Tensor):
            yield value
    for optimizer in trainer.optimizers:
        for state in optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, torch.Tensor))


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}".splitlines()[0]
