"""How a training in a script of one's own has ended, in the words of the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.engine.callbacks.measuring import Measuring
from trainer.engine.requests import StopNow
from trainer.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_OUT_OF_MEMORY, EXIT_TIMEOUT
from trainer.events.text import clean
from trainer.runs.ending import in_words, ran_out_of_memory
from trainer.runs.status import State

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from trainer.engine.requests import Stop


@dataclass(frozen=True, slots=True)
class End:
    """The end of a training.

    Attributes:
        state: A terminal state of a run.
        reason: Why, in a few words.
        exit_code: What the process would exit with if it did nothing else; None if unknown.
    """

    state: State
    reason: str
    exit_code: int | None


def end_of(trainer: pl.Trainer, stop: Stop | None) -> End:
    """Tell how a fit that returned has ended.

    Args:
        trainer: The trainer.
        stop: The request to stop that was answered, if one was.
    """
    if stop is not None:
        if stop.for_time:
            return End(State.TIMEOUT, stop.reason, EXIT_TIMEOUT)
        if stop.failed:
            return End(State.FAILED, stop.reason, EXIT_FAILED)
        return End(State.STOPPED, stop.reason, EXIT_OK)
    if why := nothing_trained(trainer):
        return End(State.FAILED, why, EXIT_FAILED)
    if 0 < (trainer.max_steps or -1) <= trainer.global_step:
        return End(State.COMPLETED, "max_steps reached", EXIT_OK)
    if 0 < (trainer.max_epochs or -1) <= trainer.current_epoch:
        return End(State.COMPLETED, "max_epochs reached", EXIT_OK)
    if trainer.should_stop:
        why = stopped_early(trainer) or "stopped early by a callback or the script"
        return End(State.COMPLETED, why, EXIT_OK)
    return End(State.COMPLETED, "", EXIT_OK)


def nothing_trained(trainer: pl.Trainer) -> str:
    """Give why a training has come to its end without learning; empty if it could learn."""
    if trainer.limit_train_batches == 0:  # Lightning does not count batches then
        return "nothing was trained: limit_train_batches is 0"
    if trainer.num_training_batches == 0:
        return (
            "nothing was trained: the data have no whole batch; "
            "set a smaller batch_size, or drop_last=false"
        )
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning sets it at run time
        # Lightning passes over a batch without a loss, and counts a step all the same.
        if isinstance(callback, Measuring) and callback.only_skipped:
            return "nothing was trained: training_step returned None for every batch"
    return ""


def stopped_early(trainer: pl.Trainer) -> str:
    """Give Lightning's own words for why early stopping ended a training; empty if it did not."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning sets it at run time
        # Scripts may import Lightning under either of its names.
        if any(base.__name__ == "EarlyStopping" for base in type(callback).__mro__):
            why = getattr(callback, "stopping_reason_message", None)
            # What it said before a resume is none of this; an epoch that is over has been counted.
            if why and trainer.current_epoch - callback.stopped_epoch in (0, 1):
                why = clean(str(why)).removesuffix(" Signaling Trainer to stop.").rstrip(".")
                return f"early stopping: {why[:1].lower()}{why[1:]}"
    return ""


def end_of_error(error: BaseException) -> End:
    """Tell how a fit that raised has ended."""
    if isinstance(error, KeyboardInterrupt | StopNow):
        return End(State.STOPPED, clean(str(error)) or "interrupted", EXIT_INTERRUPTED)
    if type(error).__name__ == "SIGTERMException":
        return End(State.KILLED, "SIGTERM", 143)
    if ran_out_of_memory(error):
        return End(State.OUT_OF_MEMORY, in_words(error), EXIT_OUT_OF_MEMORY)
    return End(State.FAILED, in_words(error), EXIT_FAILED)
