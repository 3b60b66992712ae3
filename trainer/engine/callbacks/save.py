"""A checkpoint that was asked for, in a script that may have no saver of ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytorch_lightning as pl

    from trainer.runs.layout import RunFolder


def save_in(trainer: pl.Trainer, reason: str, run: RunFolder | None, events: Any) -> None:
    """Write a whole checkpoint; to be called on every rank at once.

    A callback that offers `save_now(reason)` does it in its own way. Otherwise Lightning's own
    checkpoint goes to `checkpoints/last-epoch%05d.ckpt` of the run folder, under a temporary name
    until it is whole, and `last.ckpt` points to it.

    Args:
        trainer: The trainer.
        reason: Why, in a few words.
        run: The run folder; None on ranks that have none.
        events: The writer for the `checkpoint` event; None on ranks that write none.
    """
    for callback in getattr(trainer, "callbacks", []):
        save_now = getattr(callback, "save_now", None)
        if callable(save_now):
            save_now(reason)
            return
    folder = trainer.strategy.broadcast(str(run.checkpoints) if run is not None else None, src=0)
    name = f"last-epoch{trainer.current_epoch:05d}.ckpt"
    temporary = f"{folder}/.{name}.tmp"
    try:
        trainer.save_checkpoint(temporary)
        if run is None or events is None:
            return
        path = run.checkpoints / name
        os.replace(temporary, path)  # noqa: PTH105 - a sharded checkpoint is a folder
        _point(run.checkpoints / "last.ckpt", name)
    except OSError as error:
        # A full disk must not end a training that was only asked to save.
        if events is not None:
            events.alert("error", "checkpoint", f"The checkpoint could not be written: {error}")
        return
    events.emit(
        "checkpoint",
        step=trainer.global_step,
        epoch=trainer.current_epoch,
        path=f"checkpoints/{name}",
        kind="last",
        bytes=_size(path),
        reason=reason,
    )


def _point(link: Path, name: str) -> None:
    """Let `link` point to `name` beside it, in one step."""
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(name)
    temporary.replace(link)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
    return path.stat().st_size
