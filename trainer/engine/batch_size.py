"""`trainer.tune_batch_size`: the largest batch that fits, found before anything is trained.

The search trains a model of its own for a few steps per size, and throws it away: what follows
equals a training with that batch size from the start. Lightning's BatchSizeFinder searches in the
very training that follows, restores its weights and nothing else, and may end at a size that it has
not tried; so sizes are tried here, by its rule: doubled until one does not fit.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.memory import garbage_collection_cuda, is_oom_error

from trainer.engine import build, rng
from trainer.engine.callbacks.control import ControlReader
from trainer.engine.callbacks.limits import GpuMemoryCap
from trainer.engine.requests import StopNow
from trainer.engine.session import Session
from trainer.errors import ConfigError, Problem
from trainer.runs.layout import RunFolder

KEY = "trainer.tune_batch_size"
#: Optimiser steps of a trial: from the second on the optimiser's state is there too.
STEPS = 3
#: The size that nobody wants to exceed; Lightning's own bound.
LARGEST = 8192
#: Share of the host's memory that a trial may be expected to need.
_SHARE = 0.9
# What a trial takes over from `trainer`; everything else would only write, print or wait.
_ARGUMENTS = (
    "accelerator",
    "devices",
    "num_nodes",
    "precision",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "deterministic",
    "benchmark",
    "inference_mode",
)


@dataclass(frozen=True)
class Found:
    """A batch size, and in words why it is no larger."""

    size: int
    why: str


def settle(session: Session, carried: Mapping[str, Any]) -> int | None:
    """Give the batch size to train with, if it is not simply the config's.

    Args:
        session: The process's config, events and requests.
        carried: What the checkpoint to go on from has kept; a size found once is kept.

    Raises:
        ConfigError: The search is impossible: several devices, or loaders that take no size.
    """
    section = session.config["trainer"]
    if not section.get("tune_batch_size"):
        return None
    if section.get("fast_dev_run"):
        session.events.log("info", "no batch size is searched for: trainer.fast_dev_run is set")
        return None
    cap = session.config["hardware"].get("max_batch_size")
    if kept := carried.get("batch_size"):
        found = Found(int(kept), "found when this training began")
        if cap and cap < found.size:
            found = Found(int(cap), f"{kept} was found, and hardware.max_batch_size is {cap}")
    else:
        with _undisturbed():
            found = Search(session, cap).run()
    told = f"batch size {found.size}: {found.why}"
    print(told, flush=True)
    session.events.log("info", told)
    return found.size


class Search:
    """Tries batch sizes on a model of its own.

    Args:
        session: The process's config, events and requests.
        cap: The largest size allowed; None for `LARGEST`.
    """

    def __init__(self, session: Session, cap: int | None) -> None:
        self._session = session
        config = session.config
        self._config = config | {
            # Workers would have to be started for each trial.
            "dataloader": config["dataloader"] | {"num_workers": 0, "persistent_workers": False},
            "optimizer": config["optimizer"] | {"no_decay_verbose": False},
        }
        self._cap = int(cap) if cap else LARGEST
        self._why = f"the limit of {'hardware.max_batch_size' if cap else 'the search'}"
        self._module: pl.LightningModule | None = None
        self._error: BaseException | None = None

    def run(self) -> Found:
        """Double the size until one does not fit, or until there is no reason to go on."""
        self._module = build.module_of(self._config)
        size, best = min(2, self._cap), 0
        before = peak = _peak_memory()
        while self._fits(size):
            # The smallest trial also brings what every size needs: libraries, buffers.
            grown = max(_peak_memory() - peak, 0) if best else 0
            best, size = size, min(size, self._cap)
            peak = _peak_memory()
            if size >= self._cap:
                return Found(size, self._why)
            following = min(2 * size, self._cap)
            # Twice as many samples need about twice the growth of the last doubling.
            if self._on_cpu and peak + 2 * grown > (budget := self._budget(before)):
                why = f"{following} would need more than {budget / 2**30:.1f} GB of memory"
                return Found(size, why)
            size = following
        if not best:
            if size == 1 or not self._fits(1):
                assert self._error is not None
                raise self._error
            best, size = 1, 2
        return Found(best, f"{size} does not fit into memory")

    def _fits(self, size: int) -> bool:
        """Train a few steps and validate a batch, with this many samples each."""
        assert self._module is not None
        data = build.data_of(self._config)
        data.batch_size = size
        trainer = self._trainer()
        try:
            trainer.fit(self._module, datamodule=data)
        except (RuntimeError, MemoryError) as error:
            if not (isinstance(error, MemoryError) or is_oom_error(error)):
                raise
            self._error = error.with_traceback(None)  # its frames hold the tensors of the trial
            return False
        finally:
            self._module.zero_grad(set_to_none=True)
            del trainer
            garbage_collection_cuda()
        data.check_batch_size()
        samples = data.geometry().get("samples")
        if samples and samples < self._cap:
            self._cap, self._why = samples, f"the training data has {samples} samples"
        return True

    def _trainer(self) -> pl.Trainer:
        section = self._config["trainer"]
        arguments = {name: section[name] for name in _ARGUMENTS if section.get(name) is not None}
        trainer = pl.Trainer(
            **arguments,
            max_epochs=-1,
            max_steps=STEPS,
            limit_train_batches=STEPS,
            limit_val_batches=1,
            num_sanity_val_steps=0,
            callbacks=[*self._cap_of_gpu(), _Watch(self._session)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_autolog_hparams=False,
            use_distributed_sampler=False,
            default_root_dir=str(self._session.folder),
        )
        if trainer.world_size > 1 or trainer.num_devices > 1:
            raise ConfigError(
                Problem(
                    "A batch size can be searched for on one device only: several would have to "
                    "agree on it.",
                    "",
                    "Find it with trainer.devices=1, then write dataloader.batch_size.",
                    KEY,
                )
            )
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        self._on_cpu = trainer.strategy.root_device.type == "cpu"
        return trainer

    def _cap_of_gpu(self) -> list[pl.Callback]:
        gib = self._config["limits"].get("gpu_memory_gb")
        return [GpuMemoryCap(gib)] if gib is not None else []

    def _budget(self, before: int) -> float:
        """Give the bytes that this process may come to hold."""
        limit = self._session.config["limits"].get("memory_gb")
        known = [limit * 2**30] if limit else []
        if (available := _available_memory()) is not None:
            known.append(before + available)
        return _SHARE * min(known, default=float("inf"))


class _Watch(pl.Callback):
    """Leaves the search when a stop is asked for: there is nothing yet to save."""

    def __init__(self, session: Session) -> None:
        self._requests = session.requests
        self._inbox = ControlReader(
            RunFolder(session.folder),
            session.requests,
            lambda line: session.events.log("info", line),
            session.beat.stopping if session.beat is not None else None,
        )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look into the run's control folder, once a trial."""
        self._inbox.poll()

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        """Look for a stop.

        Raises:
            StopNow: One was asked for.
        """
        if self._requests.stop_asked is not None:
            raise StopNow(self._requests.stop_asked.reason)


class _undisturbed:
    """Puts all random generators back at the end, and keeps the trials' clean-up to themselves."""

    def __enter__(self) -> None:
        self._state = rng.capture()
        # Each trial is collected at its end; all that was there before need not be looked at then.
        gc.freeze()

    def __exit__(self, *_: object) -> None:
        gc.unfreeze()
        rng.restore(self._state)


def _peak_memory() -> int:
    """Give the most bytes that this process has held so far."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    with contextlib.suppress(ImportError):  # Windows has no such module
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return 0


def _available_memory() -> int | None:
    """Give the bytes that the machine and the process's control group have left; None if unknown."""
    left: list[int] = []
    try:
        left += [
            int(line.split()[1]) * 1024
            for line in Path("/proc/meminfo").read_text().splitlines()
            if line.startswith("MemAvailable:")
        ]
        most = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if most.isdigit():
            used = int(Path("/sys/fs/cgroup/memory.current").read_text())
            left.append(max(int(most) - used, 0))
    except OSError:
        pass
    return min(left, default=None)
