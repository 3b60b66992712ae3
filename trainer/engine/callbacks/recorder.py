"""What each optimiser step measured, kept as it is until a batch of steps is read back together."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from trainer.engine.callbacks.readback import Readback
from trainer.engine.session import Row

LOSS = "train/loss"

# What the callback itself measures on every optimiser step; forwarded metrics give way to these.
STEP_METRICS: dict[str, dict[str, str]] = {
    LOSS: {"goal": "min"},
    "lr": {},
    "weight_decay": {},
    "grad_norm": {},
    "grad_clip_pct": {"unit": "%"},
    "perf/batch_time_sec": {"unit": "s", "goal": "min"},
    "perf/data_wait_sec": {"unit": "s", "goal": "min"},
    "perf/batches_per_sec": {"unit": "1/s", "goal": "max"},
    "perf/samples_per_sec": {"unit": "1/s", "goal": "max"},
    "perf/tokens_per_batch": {},
    "perf/tokens_per_sec": {"unit": "1/s", "goal": "max"},
}


class StepRecorder:
    """Collects optimiser steps and turns them into rows of metrics, many at a time.

    The calls of one step, in order: `batch(...)` once per micro-batch, then `step(...)`. At a time
    boundary `rows()` starts copying what has collected to the host, and gives the rows whose
    numbers have arrived. On a CPU they arrive at once; on a GPU, at the next boundary.

    Args:
        clip_threshold: Norms above it count for `grad_clip_pct`.
        ranks: Processes that train together, each on as many samples as this one.
    """

    def __init__(self, clip_threshold: float = 1.0, ranks: int = 1) -> None:
        self.clip_threshold = clip_threshold
        self.ranks = ranks
        self.steps_with_norm = 0
        self.steps_clipped = 0
        self._epoch_offset = time.time() - time.perf_counter()
        self._steps: list[tuple[Any, ...]] = []
        self._tensors: list[Tensor] = []
        self._moving: tuple[Readback, list[tuple[Any, ...]]] | None = None
        self._losses: list[Tensor] = []
        self._extras: list[tuple[str, Tensor | float]] = []
        self._samples = self._token_count = self._batches = 0
        self._busy = self._wait = 0.0

    def batch(self, loss: Any, samples: int, tokens: int, busy: float, wait: float | None) -> None:
        """Add one micro-batch.

        Args:
            loss: Its loss divided by the number of micro-batches a step, as Lightning gives it; a
                scalar tensor without graph, or None where the step gave none.
            samples: Samples in it.
            tokens: Tokens in it; 0 if it holds none.
            busy: Seconds from its start to its end.
            wait: Seconds that training waited for it; None if they could not be told from others.
        """
        if loss is not None:
            self._losses.append(loss)
        self._samples += samples * self.ranks
        self._token_count += tokens * self.ranks
        self._batches += 1
        self._busy += busy
        if wait is None:
            self._wait = float("nan")
        else:
            self._wait += wait

    def extra(self, name: str, value: Tensor | float) -> None:
        """Add a further metric, a scalar tensor or a number, to the step under way."""
        self._extras.append((name, value))

    def step(
        self,
        *,
        step: int,
        epoch: int,
        end: float,
        period: float,
        lr: float | None,
        norm: Tensor | None,
        accumulated: int,
        decay: float | None = None,
    ) -> None:
        """Close the step under way.

        Args:
            step: Its number; the first is 1.
            epoch: Its epoch; the first is 0.
            end: `time.perf_counter()` at its end.
            period: Seconds since the end of the step before, validations and the like left out.
            lr: The learning rate it was made with; None if it is among the extras.
            norm: The gradient norm, a scalar tensor; None if there is none.
            accumulated: Micro-batches that Lightning divides each loss by.
            decay: The weight decay that it was made with; None if the optimiser knows none.
        """
        tensors, losses = self._tensors, self._losses
        tensors += losses
        extras: Sequence[tuple[str, Tensor | float]] = ()
        if self._extras:
            extras, self._extras = self._extras, []
            tensors += [value for _, value in extras if isinstance(value, Tensor)]
        if norm is not None:
            tensors.append(norm)
        self._steps.append(
            (
                step,
                epoch,
                end,
                period,
                lr,
                norm is not None,
                len(losses),
                accumulated,
                self._batches,
                self._samples,
                self._token_count,
                self._busy,
                self._wait,
                extras,
                decay,
            )
        )
        self._clear()

    def late(
        self, step: int, epoch: int, when: float, values: list[tuple[str, Tensor | float]]
    ) -> None:
        """Add metrics of a step that is already closed, e.g. what a validation after it gave."""
        self._tensors += [value for _, value in values if isinstance(value, Tensor)]
        self._steps.append((step, epoch, when, values))

    def drop_unfinished(self) -> None:
        """Forget micro-batches that no optimiser step has followed."""
        self._extras = []
        self._clear()

    def _clear(self) -> None:
        self._losses = []
        self._samples = self._token_count = self._batches = 0
        self._busy = self._wait = 0.0

    def rows(self, *, wait: bool = False) -> list[Row]:
        """Give the rows (ts in unix seconds, step, epoch, metrics) that have become known.

        Args:
            wait: True gives every finished step's row, and waits for a GPU to get them.
        """
        rows: list[Row] = []
        if self._moving is not None:
            readback, steps = self._moving
            if not wait and not readback.ready:
                return rows
            rows += self._decode(steps, readback.values())
            self._moving = None
        if self._steps:
            readback, steps = Readback(self._tensors), self._steps
            self._tensors, self._steps = [], []
            if wait or readback.ready:
                rows += self._decode(steps, readback.values())
            else:
                self._moving = (readback, steps)
        return rows

    def _decode(self, steps: list[tuple[Any, ...]], numbers: list[float]) -> list[Row]:
        number = iter(numbers)
        offset = self._epoch_offset
        rows: list[Row] = []
        for entry in steps:
            metrics: dict[str, float] = {}
            if len(entry) == 4:
                step, epoch, end, values = entry
                for name, value in values:
                    metrics[name] = next(number) if isinstance(value, Tensor) else value
                rows.append((end + offset, step, epoch, metrics))
                continue
            (
                step,
                epoch,
                end,
                period,
                lr,
                normed,
                losses,
                accumulated,
                *counts,
                busy,
                wait,
                extras,
                decay,
            ) = entry
            if losses == 1 == accumulated:
                metrics[LOSS] = next(number)
            elif losses:
                # Each was divided by `accumulated`, also in an epoch's shorter last window.
                metrics[LOSS] = sum(next(number) for _ in range(losses)) * accumulated / losses
            if extras:
                _take(extras, number, metrics)
            if lr is not None:
                metrics["lr"] = float(lr)
            if decay is not None:
                metrics["weight_decay"] = float(decay)
            if normed:
                self._norm(next(number), metrics)
            _rates(metrics, period, counts, busy, wait)
            rows.append((end + offset, step, epoch, metrics))
        return rows

    def _norm(self, norm: float, metrics: dict[str, float]) -> None:
        self.steps_with_norm += 1
        # A norm that is not a number is no norm within the threshold either.
        if not norm <= self.clip_threshold:
            self.steps_clipped += 1
        metrics["grad_norm"] = norm
        metrics["grad_clip_pct"] = round(100.0 * self.steps_clipped / self.steps_with_norm, 4)


def _take(
    extras: Sequence[tuple[str, Tensor | float]],
    number: Iterator[float],
    metrics: dict[str, float],
) -> None:
    """Add further metrics: as the loss, each is the mean over the micro-batches that gave it."""
    given: dict[str, int] = {}
    for name, value in extras:
        found = next(number) if isinstance(value, Tensor) else value
        times = given[name] = given.get(name, 0) + 1
        metrics[name] = found if times == 1 else metrics[name] + found
    if len(given) < len(extras):
        for name, times in given.items():
            if times > 1:
                metrics[name] /= times


def _rates(
    metrics: dict[str, float],
    period: float,
    counts: Sequence[int],
    busy: float,
    wait: float,
) -> None:
    """Add the `perf/...` metrics; digits beyond a microsecond would only fill the disk."""
    batches, samples, tokens = counts
    metrics["perf/batch_time_sec"] = round(busy / batches, 6)
    if not math.isnan(wait):
        metrics["perf/data_wait_sec"] = round(wait / batches, 6)
    if period > 0.0:
        metrics["perf/batches_per_sec"] = round(batches / period, 3)
        if samples:
            metrics["perf/samples_per_sec"] = round(samples / period, 2)
        if tokens:
            metrics["perf/tokens_per_sec"] = round(tokens / period, 1)
    if tokens:
        metrics["perf/tokens_per_batch"] = round(tokens / batches, 1)


def batch_counts(batch: Any) -> tuple[int, int]:
    """Give (samples, tokens) of a batch, from the shape of its first tensor.

    Samples are its first dimension. Two-dimensional whole numbers are taken for tokens, shape
    (samples, length); a batch may say so itself with a dict's `input_ids`. (0, 0) if there is no
    tensor.
    """
    kind = type(batch)
    if kind is list or kind is tuple:
        for item in batch:
            counts = batch_counts(item)
            if counts[0]:
                return counts
        return 0, 0
    if isinstance(batch, Tensor):
        shape = batch.shape
        if not shape:
            return 1, 0
        if len(shape) == 2 and not (batch.is_floating_point() or batch.is_complex()):
            return shape[0], shape[0] * shape[1]
        return shape[0], 0
    if isinstance(batch, Mapping):
        if "input_ids" in batch:
            return batch_counts(batch["input_ids"])
        return batch_counts(list(batch.values()))
    if isinstance(batch, list | tuple):
        return batch_counts(list(batch))
    return 0, 0
