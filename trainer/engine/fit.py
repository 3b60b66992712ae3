"""The training process from start to end: read this page to know what happens in a run."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.rank_zero import _get_rank

from trainer.config.schema import load_resolved
from trainer.engine import batch_size, build, ranks, resume
from trainer.engine.callbacks.ends import nothing_trained, stopped_early
from trainer.engine.compiling import compile_module, compiler_told
from trainer.engine.fits import check_memory
from trainer.engine.health.guard import out_of_memory
from trainer.engine.journal import Journal
from trainer.engine.keep import checkpoints_of
from trainer.engine.loggers import ended_by_errors
from trainer.engine.phase import heard_by
from trainer.engine.requests import MEMORY, Requests, Stop, StopNow, signals_ask
from trainer.engine.seen import Around, keep_config_beside
from trainer.engine.session import NoEvents, Session
from trainer.engine.workers import shielded_workers, stop_that_took_workers
from trainer.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_OUT_OF_MEMORY,
    EXIT_TIMEOUT,
    TraindeckError,
)
from trainer.events import EventWriter
from trainer.events.text import clean
from trainer.runs.beat import TrainerBeat
from trainer.runs.ending import in_words, ran_out_of_memory
from trainer.runs.layout import RunFolder
from trainer.runs.status import State

if TYPE_CHECKING:
    from trainer.engine.saver import Saver


@dataclass(frozen=True)
class End:
    """How training ended: a state, a line for people, and the process's exit code."""

    state: State
    reason: str
    exit_code: int


def fit(run_folder: Path, requests: Requests | None = None) -> int:
    """Train as the folder's `config.yaml` says, and give the process's exit code.

    Args:
        run_folder: The run's folder.
        requests: What was asked of this process before now.

    Returns:
        0 completed or stopped on request, 1 failed, 2 the config is at fault and nothing was
        trained, 3 timeout, 4 out of memory, 130 interrupted.
    """
    run = RunFolder(Path(run_folder).absolute())
    build.quiet()
    try:
        session, beat = open_session(run, requests or Requests())
    except TraindeckError as error:  # nobody to tell yet but the person
        print(f"{error.title}: {error}", file=sys.stderr)
        return error.exit_code

    # From here on TERM, USR1 and Ctrl-C ask for a checkpoint and a stop, and HUP does nothing.
    with signals_ask(session.requests), shielded_workers():
        try:
            with heard_by(session):
                end = train(session, run, beat.resume)
            session.requests.close()
        except BaseException as error:
            session.requests.close()
            end = end_of_lost_rank(error) or end_of_error(error, session.requests)
        if session.rank != 0:
            ranks.tell_end(end.state, end.reason, end.exit_code)
        else:
            end = with_health(end, session)
            session.events.emit(
                "run_finished", status=end.state, reason=end.reason, exit_code=end.exit_code
            )
            beat.end(end.state, end.reason, end.exit_code)
        session.events.close()
    return end.exit_code


def train(session: Session, run: RunFolder, chosen_checkpoint: str) -> End:
    """Build everything that the config names, and run the loop to its end."""
    config = session.config

    # 1. Where to begin. A checkpoint keeps what was settled once for the whole training.
    folder = checkpoints_of(config["trainer"], run)
    if session.rank == 0:
        keep_config_beside(run, folder)
    checkpoint = resume.choose(config["run"]["resume"], run, folder, chosen_checkpoint)
    carried = resume.carried(checkpoint) if checkpoint is not None else {}

    # 2. Random numbers and threads before all that may draw or compute.
    threads = config["run"].get("num_threads")
    around = Around(threads) if session.rank == 0 else None
    if threads:
        torch.set_num_threads(threads)
    if config.get("seed") is not None:
        pl.seed_everything(config["seed"], workers=True, verbose=False)

    # 3. What is trained on, in batches of which size, and what is trained.
    size = batch_size.settle(session, carried)
    data = build.data_of(config)
    data.say_through(session.events.log)
    if size is not None:
        data.batch_size = data.carried["batch_size"] = size
    module = build.module_of(config)
    check_memory(module, config)
    if config["trainer"].get("log_model_structure") and session.rank == 0:
        print(module)

    # 4. Who trains: Lightning's trainer, with loops that can stop and go on exactly.
    trainer, saver = build.trainer_of(session, data, module)
    if around is not None:
        around.write(session.folder, trainer, attempt=session.attempt)

    with ended_by_errors(trainer.loggers):
        # 5. Make ready for what the checkpoint holds.
        if checkpoint is not None:
            resume.prepare(
                checkpoint,
                carried=carried,
                trainer=trainer,
                module=module,
                data=data,
                section=config["trainer"],
            )
            session.events.log("info", f"going on from {checkpoint}")
        compiling = config["trainer"].get("compile")
        compile_module(module, compiling, trainer.strategy.root_device)

        # 6. Train. Callbacks write events; the saver writes checkpoints and answers requests to stop.
        with build.refusals_told(), compiler_told(compiling):
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    return end_of(trainer, saver)


def open_session(run: RunFolder, requests: Requests) -> tuple[Session, TrainerBeat]:
    """Read the config and open what this process writes; only rank 0 writes anything.

    Raises:
        TraindeckError: The config cannot be read, or another process trains in this folder.
    """
    resolved = load_resolved(run.config)
    config = resolved.model_dump()
    # In these a key is a keyword of somebody's class: only what was written may reach it.
    written = resolved.model_dump(exclude_unset=True)
    config |= {name: written.get(name, {}) for name in ("data", "model", "loss")}
    rank = _get_rank() or 0  # from what a launcher of ranks has put into the environment
    beat = TrainerBeat(run)
    events: Any = NoEvents()
    if rank == 0:
        beat.start()
        events = Journal(EventWriter(run.events), run.debug_log)
    session = Session(
        folder=run.path,
        config=config,
        events=events,
        requests=requests,
        rank=rank,
        beat=beat if rank == 0 else None,
        attempt=beat.attempt,
    )
    return session, beat


def end_of(trainer: pl.Trainer, saver: Saver) -> End:
    """Tell how a training ended that ended by itself or was asked to stop."""
    lost = f" (the last checkpoint failed: {saver.failure})" if saver.failure else ""
    stop = saver.stopped
    if stop is not None:
        if stop.for_time:
            return End(State.TIMEOUT, f"{stop.for_time}{lost}", EXIT_TIMEOUT)
        if stop.reason == MEMORY:
            return End(State.OUT_OF_MEMORY, f"memory limit reached{lost}", EXIT_OUT_OF_MEMORY)
        if stop.failed:
            return End(State.FAILED, f"{stop.reason}{lost}", EXIT_FAILED)
        code = EXIT_INTERRUPTED if stop.reason == "SIGINT" else EXIT_OK
        return End(State.STOPPED, f"{stop.reason}{lost}", code)
    if saver.failure:
        why = f"its last checkpoint could not be written: {saver.failure}"
        return End(State.FAILED, f"training completed, but {why}", EXIT_FAILED)
    if why := nothing_trained(trainer):
        return End(State.FAILED, why, EXIT_FAILED)
    if trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps:
        return End(State.COMPLETED, "max_steps reached", EXIT_OK)
    epochs = trainer.max_epochs
    if epochs is not None and epochs != -1 and trainer.current_epoch >= epochs:
        return End(State.COMPLETED, "max_epochs reached", EXIT_OK)
    return End(State.COMPLETED, stopped_early(trainer) or "stopped early by a callback", EXIT_OK)


def with_health(end: End, session: Session) -> End:
    """Say in the end's reason what was wrong with the training at its end."""
    if end.state is State.OUT_OF_MEMORY and session.health is None:
        out_of_memory(session.events, end.reason, session.config)  # before training began
    word = session.health.word() if session.health is not None else ""
    if not word or end.state not in (State.COMPLETED, State.STOPPED, State.TIMEOUT):
        return end
    return replace(end, reason=f"{end.reason}; {word}")


def end_of_lost_rank(error: BaseException) -> End | None:
    """Tell how a training ended because another of its processes did; None if that is not why."""
    if not isinstance(error, RuntimeError) or not ranks.is_lost_rank(error):
        return None
    for rank, (state, reason, code) in ranks.told_ends().items():
        if code != EXIT_OK:
            print(f"rank {rank} ended: {reason}", file=sys.stderr)
            return End(State(state), clean(f"{reason} (rank {rank})"), code)
    traceback.print_exception(error)
    reason = "the process of another rank ended without a word; it may have been killed"
    return End(State.FAILED, reason, EXIT_FAILED)


def end_of_error(error: BaseException, requests: Requests) -> End:
    """Tell how a training ended that raised, and print what there is to say about it."""
    if isinstance(error, TraindeckError):
        print(f"{error.title}: {error}", file=sys.stderr)
        return End(State.FAILED, clean(str(error).splitlines()[0]), error.exit_code)
    if isinstance(error, StopNow | KeyboardInterrupt):
        return _end_at_once(requests.stop_asked or Stop("now", "interrupted"))
    if stop := stop_that_took_workers(error, requests):
        return _end_at_once(stop, ", since loader workers were told to end too")
    traceback.print_exception(error)
    if ran_out_of_memory(error):
        return End(State.OUT_OF_MEMORY, in_words(error), EXIT_OUT_OF_MEMORY)
    return End(State.FAILED, in_words(error), EXIT_FAILED)


def _end_at_once(stop: Stop, why: str = "") -> End:
    """Tell of a stop that left no time for a checkpoint; older ones are whole."""
    without = f"at once and without a last checkpoint{why}"
    if stop.for_time:
        return End(State.TIMEOUT, f"{stop.for_time}, {without}", EXIT_TIMEOUT)
    if stop.failed:
        return End(State.FAILED, f"{stop.reason}, {without}", EXIT_FAILED)
    code = EXIT_INTERRUPTED if stop.reason in ("SIGINT", "interrupted") else EXIT_OK
    return End(State.STOPPED, f"{stop.reason}, {without}", code)
