"""A callback that makes trouble in one of several processes."""

from __future__ import annotations

import os
import signal

import pytorch_lightning as pl
import torch


class Trouble(pl.Callback):
    """Does something to the process of one rank after so many steps.

    Args:
        how: `raise`, `memory` (as CUDA would run out of it), or the name of a signal.
        rank: In which process.
        step: After how many optimiser steps.
    """

    def __init__(self, how: str, rank: int = 1, step: int = 3) -> None:
        self.how, self.rank, self.step = how, rank, step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_rank != self.rank or trainer.global_step != self.step:
            return
        if self.how == "raise":
            raise ValueError("something broke in this rank")
        if self.how == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        os.kill(os.getpid(), getattr(signal, self.how))
