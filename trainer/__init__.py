"""traindeck's rooms: config composes, runs launches, engine trains, events tells what happened.

Importing this package costs nothing: each room is imported by whoever needs it, and only
`trainer.engine` and `trainer.recipes` ever import torch.
"""

from __future__ import annotations

# Type checkers take it for true. The module `typing` would cost the start of every command.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainer.api import ConfigTrainer, TrainingConfig

__version__ = "0.1.0"
__all__ = ["ConfigTrainer", "TrainingConfig", "__version__"]


def __getattr__(name: str) -> object:
    # Lazily: whoever imports a room of this package needs nothing of the others.
    if name in ("ConfigTrainer", "TrainingConfig"):
        from trainer import api

        found: object = getattr(api, name)
        return found
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
