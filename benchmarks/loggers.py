"""What each of Lightning's loggers costs a training step, here and in plain Lightning.

Both log the same ten numbers at the same cadence: plain Lightning by `self.log_dict`, as scripts do;
here the engine's feed, in a trainer without and with the logger. All variants run in turns in one
process, several times; a figure is the median over the repetitions of the wall time that the logger
adds to a step, and the ratio that of the slowed step to the step without the logger.
"""

from __future__ import annotations

import gc
import logging
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.callback import Batches
from trainer.config.schema import defaults
from trainer.engine import TraindeckCallback
from trainer.engine.loggers import LoggerFeed, loggers_of
from trainer.engine.session import NoEvents, Session
from trainer.runs.layout import RunFolder

Row = tuple[str, str, str]
LOGGERS = {
    "tensorboard": "TensorBoard",
    "csv": "CSV",
    "wandb": "W&B, offline",
    "mlflow": "MLflow, SQLite",
}
NAMES = (
    "train/loss", "lr", "weight_decay", "grad_norm", "grad_clip_pct", "perf/batch_time_sec",
    "perf/data_wait_sec", "perf/batches_per_sec", "perf/samples_per_sec",
)  # fmt: skip
STEPS, EVERY, REPETITIONS = 300, 10, 3


class Module(pl.LightningModule):
    """Trains a small network; logs numbers as a script would, or nothing."""

    def __init__(self, logs: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
        self.logs = logs
        self.seconds = 0.0

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        if self.logs:
            values: dict[str, Any] = dict.fromkeys(NAMES, loss.detach())
            self.log_dict(values)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)

    def on_train_start(self) -> None:
        self.seconds = -time.perf_counter()

    def on_train_end(self) -> None:
        self.seconds += time.perf_counter()


def plain(name: str, folder: Path) -> Any:
    """Make Lightning's own logger."""
    if name == "tensorboard":
        return TensorBoardLogger(str(folder))
    if name == "csv":
        return CSVLogger(str(folder))
    if name == "wandb":
        return WandbLogger(project="bench", save_dir=str(folder), offline=True)
    return MLFlowLogger("bench", tracking_uri=f"sqlite:///{folder}/mlflow.db")


def end_plain(logger: Any) -> None:
    """End W&B's run, which Lightning leaves to the end of the process."""
    if isinstance(logger, WandbLogger):
        logger.experiment.finish()


def seconds(ours: bool, name: str, folder: Path) -> float:
    """Train once and give the wall time of a step."""
    torch.manual_seed(0)
    batches = [(torch.randn(64, 64), torch.randn(64, 1)) for _ in range(32)]
    callbacks: list[pl.Callback] = []
    loggers: Any = False
    if ours:
        config = defaults()
        for known in LOGGERS:
            config["logger"][known]["enabled"] = known == name
        config["logger"]["wandb"]["offline"] = True
        config["logger"]["mlflow"]["tracking_uri"] = f"sqlite:///{folder}/mlflow.db"
        run = RunFolder(Path(tempfile.mkdtemp(dir=folder)))
        run.logs.mkdir()
        events: Any = NoEvents()
        session = Session(run.path, config, events)
        deck = TraindeckCallback(run, health={"enabled": False})
        callbacks = [deck, LoggerFeed(session)]
        loggers = loggers_of(session) or False
    elif name:
        loggers = plain(name, folder)
    trainer = pl.Trainer(
        max_steps=STEPS,
        accelerator="cpu",
        logger=loggers,
        log_every_n_steps=EVERY,
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if ours:
        _pass_on(trainer, callbacks[0], session)
    module = Module(logs=bool(name) and not ours)
    gc.collect()
    trainer.fit(module, DataLoader(Batches(batches, STEPS), batch_size=None))
    if not ours:
        end_plain(loggers)
    return module.seconds / STEPS


def _pass_on(trainer: pl.Trainer, deck: Any, session: Session) -> None:
    """Let the callback, which makes a session of its own in a script, feed this one's watchers."""
    write = deck._open

    def opened(*arguments: Any) -> Session:
        found: Session = write(*arguments)
        found.watchers += session.watchers
        return found

    deck._open = opened


def main() -> list[Row]:
    """Measure every logger."""
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning_fabric", "mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.update(WANDB_SILENT="true", MLFLOW_DISABLE_TELEMETRY="true")
    torch.set_num_threads(1)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, label in LOGGERS.items():
            variants = [(False, ""), (False, name), (True, ""), (True, name)]
            found: dict[tuple[bool, str], list[float]] = {variant: [] for variant in variants}
            for repetition in range(-1, REPETITIONS):
                for variant in variants if repetition % 2 else variants[::-1]:
                    took = seconds(*variant, folder)
                    if repetition >= 0:
                        found[variant].append(took)
            rows.append(_row(label, found, name))
    return rows


def _row(label: str, found: dict[tuple[bool, str], list[float]], name: str) -> Row:
    def added(ours: bool) -> float:
        pairs = zip(found[ours, name], found[ours, ""], strict=True)
        return statistics.median(with_it - without for with_it, without in pairs)

    def ratio(ours: bool) -> float:
        pairs = zip(found[ours, name], found[ours, ""], strict=True)
        return statistics.median(with_it / without for with_it, without in pairs)

    return (
        f"{label}, 9 numbers every {EVERY} steps of a tiny network, added to a step",
        f"{added(True) * 1e6:+,.0f} µs ({ratio(True):.2f}x); "
        f"plain Lightning {added(False) * 1e6:+,.0f} µs ({ratio(False):.2f}x)",
        "<= plain Lightning",
    )


if __name__ == "__main__":
    for what, measured, target in main():
        print(f"{what:75} {measured:>60} {target:>20}")
