"""The training process: reads a resolved config and trains. The only room with torch, besides recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.engine.callbacks import TraindeckCallback
    from trainer.engine.fit import fit

__all__ = ["TraindeckCallback", "fit"]


def __getattr__(name: str) -> Any:
    # Lazily: importing the package must not cost the seconds that torch takes.
    if name == "TraindeckCallback":
        from trainer.engine.callbacks import TraindeckCallback

        return TraindeckCallback
    if name == "fit":
        from trainer.engine.fit import fit

        return fit
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
