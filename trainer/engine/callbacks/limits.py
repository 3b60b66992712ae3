"""What the engine itself does for the `limits` section; the rest is the supervisor's."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch

from trainer.display import duration
from trainer.engine.requests import TIMEOUT, Requests
from trainer.engine.session import Session
from trainer.runs.limits import Limits

GIB = 2**30


def limits_of(session: Session) -> list[pl.Callback]:
    """Make what the config's `limits` section asks of the engine."""
    section, made = session.config["limits"], list[pl.Callback]()
    if section["gpu_memory_gb"] is not None:
        made.append(GpuMemoryCap(section["gpu_memory_gb"]))
    limits = Limits.of({"wall_clock_s": section["wall_clock"], "grace_s": section["grace"]})
    if section["epoch_must_fit"] and limits.wall_clock_s is not None:
        # Only rank 0 has a beat, and only rank 0 decides.
        began = session.beat.began if session.beat is not None else time.monotonic()

        def left() -> float:
            return began + limits.ask_after_s - time.monotonic()

        window = session.config["trainer"].get("check_val_every_n_epoch")
        made.append(EpochMustFit(left, window or 1))
    return made


class GpuMemoryCap(pl.Callback):
    """Lets torch take no more than so much of the GPU that this process trains on.

    It holds for torch's allocator, not for the few hundred MiB of the CUDA context and libraries.

    Args:
        gib: `limits.gpu_memory_gb`, in GiB.
    """

    def __init__(self, gib: float) -> None:
        self._gib = gib

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Set the cap before the model moves to the GPU."""
        device = trainer.strategy.root_device
        if device.type != "cuda":
            return
        total = torch.cuda.get_device_properties(device).total_memory
        share = min(1.0, self._gib * GIB / total)
        torch.cuda.set_per_process_memory_fraction(share, device)


class EpochMustFit(pl.Callback):
    """Stops in front of an epoch that would not end before the wall clock does.

    An epoch is taken to need as long as the longest of the last ones, with its validations and
    checkpoints; what earlier attempts measured is in the checkpoint. The first epoch of an attempt
    always begins, or a run whose epochs are longer than its wall clock would never get on.
    Only rank 0 measures and asks; the others follow it as in every stop.

    Args:
        left: Gives the seconds until the stop before the end of the wall clock is asked for.
        window: How many epochs count; those with a validation should be among them.
    """

    def __init__(self, left: Callable[[], float], window: int = 2) -> None:
        self._left = left
        self._took: deque[float] = deque(maxlen=max(2, window))
        self._from = 0.0
        self._whole = False

    def state_dict(self) -> dict[str, Any]:
        """Give what the last epochs took, in seconds."""
        return {"took": list(self._took)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Know what the last epochs of earlier attempts took."""
        self._took.extend(float(seconds) for seconds in state_dict.get("took", ()))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to measure; the rest of an epoch that was interrupted says nothing."""
        self._from = time.monotonic()
        self._whole = not trainer.fit_loop.restarted_mid_epoch

    def between_epochs(self, trainer: pl.Trainer, *, over: bool) -> None:
        """Ask for a stop if another epoch follows and would not fit; called by the loop.

        Args:
            trainer: The trainer, which has just ended an epoch and all that belongs to it.
            over: No other epoch follows.
        """
        now = time.monotonic()
        if self._whole:
            self._took.append(now - self._from)
        self._from, self._whole = now, True
        requests = Requests.of(trainer)
        if over or requests is None or not trainer.is_global_zero or not self._took:
            return
        left = self._left()
        if max(self._took) > left:
            requests.stop(
                "epoch",
                f"{TIMEOUT}: the next epoch would take {duration(max(self._took))}, as the last "
                f"ones did, and {duration(left)} are left of the wall clock",
            )
