"""What the events callback costs a training step, beside Lightning's own loggers.

All variants of one model run in turns in one process, several times; a figure is the median over the
repetitions of the variant's CPU time (all threads, writing included) over that of Lightning with no
logging at all in the same repetition.
"""

from __future__ import annotations

import gc
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from trainer.engine import TraindeckCallback
from trainer.recipes.text.loss import NextByteLoss
from trainer.recipes.text.model import GPT

Row = tuple[str, str, str]
TARGET = 1.10


class Module(pl.LightningModule):
    """Trains; logs as scripts usually do, or not at all; takes the CPU time of its steps."""

    def __init__(
        self, net: nn.Module, loss: Callable[[nn.Module, Any], Tensor], logs: bool
    ) -> None:
        super().__init__()
        self.net = net
        self.loss = loss
        self.logs = logs
        self.seconds = 0.0

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.loss(self.net, batch)
        if self.logs:
            self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)

    def on_train_start(self) -> None:
        self.seconds = -time.process_time()

    def on_train_end(self) -> None:
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]  # untyped in Lightning
            if isinstance(callback, TraindeckCallback) and callback._session is not None:
                callback._session.events.flush()
        self.seconds += time.process_time()


class Batches(Dataset[Any]):
    """Ready batches, so that no collating hides what is measured."""

    def __init__(self, batches: list[Any], length: int) -> None:
        self.batches = batches
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return self.batches[index % len(self.batches)]


def tiny() -> tuple[nn.Module, Callable[[nn.Module, Any], Tensor], list[Any]]:
    """64 → 64 → 1 on batches of 64."""
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    batches = [(torch.randn(64, 64), torch.randn(64, 1)) for _ in range(32)]
    return net, lambda model, batch: nn.functional.mse_loss(model(batch[0]), batch[1]), batches


def quickstart() -> tuple[nn.Module, Callable[[nn.Module, Any], Tensor], list[Any]]:
    """The quickstart's GPT on its batches of 16 windows of 128 bytes."""
    loss = NextByteLoss()
    windows = torch.randint(256, (8, 16, 129))
    batches = [(window[:, :-1], window[:, 1:]) for window in windows]
    return GPT(), lambda model, batch: loss(model, batch)[0], batches


def seconds(what: Callable[[], Any], variant: str, steps: int, folder: Path) -> float:
    """Train once and give the CPU time of a step."""
    torch.manual_seed(0)
    net, loss, batches = what()
    logger: Any = False
    callbacks: list[pl.Callback] = []
    if variant == "CSVLogger":
        logger = CSVLogger(str(folder))
    elif variant == "TensorBoardLogger":
        logger = TensorBoardLogger(str(folder))
    elif variant.startswith("events"):
        callbacks = [TraindeckCallback(runs_dir=folder, grad_norm="norm" in variant)]
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=logger,
        log_every_n_steps=1,
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0 if "clipping" in variant else None,
    )
    module = Module(net, loss, logs=bool(logger))
    gc.collect()
    trainer.fit(module, DataLoader(Batches(batches, steps), batch_size=None))
    return module.seconds / steps


def compare(
    what: Callable[[], Any], variants: tuple[str, ...], steps: int, repetitions: int
) -> dict[str, list[float]]:
    """Run all variants in turns; give each one's CPU time a step, by repetition."""
    found: dict[str, list[float]] = {variant: [] for variant in variants}
    with tempfile.TemporaryDirectory() as folder:
        for variant in variants:
            seconds(what, variant, max(2, steps // 10), Path(folder))
        for repetition in range(repetitions):
            # Back and forth, so that a machine that slows down favours nobody.
            order = variants if repetition % 2 == 0 else tuple(reversed(variants))
            for variant in order:
                found[variant].append(seconds(what, variant, steps, Path(folder)))
    return found


def ratio(found: dict[str, list[float]], variant: str, base: str) -> float:
    """Give the median of the paired ratios."""
    pairs = zip(found[variant], found[base], strict=True)
    return statistics.median(one / other for one, other in pairs)


def rows_of(name: str, found: dict[str, list[float]]) -> list[Row]:
    """Describe one model's figures."""
    base = statistics.median(found["none"])
    events = ratio(found, "events", "none")
    rows = [
        (f"{name}: a step of Lightning without logging", f"{base * 1e6:,.0f} µs", ""),
        (
            f"{name}: events callback, norm apart",
            f"{events:.2f}x ({(events - 1) * base * 1e6:+.0f} µs)",
            f"≤ {TARGET:.2f}x",
        ),
    ]
    with_norm = ratio(found, "events, norm", "events")
    rows.append((f"{name}: the gradient norm on top", f"{with_norm:.2f}x", ""))
    if "events, norm by clipping" in found:
        by_clipping = ratio(found, "events, norm by clipping", "none, clipping")
        rows.append((f"{name}: events and norm, where Lightning clips", f"{by_clipping:.2f}x", ""))
    rows += [
        (f"{name}: {logger}, one self.log a step", f"{ratio(found, logger, 'none'):.2f}x", "")
        for logger in ("CSVLogger", "TensorBoardLogger")
        if logger in found
    ]
    return rows


def main() -> list[Row]:
    """Measure on both models."""
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # One thread: idle OpenMP threads spin, and their CPU time would drown what is measured.
    torch.set_num_threads(1)
    variants = (
        "none",
        "events",
        "events, norm",
        "none, clipping",
        "events, norm by clipping",
        "CSVLogger",
        "TensorBoardLogger",
    )
    rows = rows_of("tiny MLP", compare(tiny, variants, 1000, 7))
    return rows + rows_of("quickstart", compare(quickstart, variants, 10, 7))


if __name__ == "__main__":
    for what, measured, target in main():
        print(f"{what:55} {measured:>20} {target:>10}")
