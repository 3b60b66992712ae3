"""Health in the training process: who is told, and what an alert does.

The judgement itself is `trainer.health`, which needs no torch.

* `guard`: alerts become events; training is stopped, or a command run, where that is asked for.
* `clock`: a thread that notices when training stands still. `command`: the person's own program.
* `layers`: the weakest and the strongest layer's gradient. `weights`: whether weights are finite.
"""

from __future__ import annotations

from trainer.engine.health.guard import HealthGuard

__all__ = ["HealthGuard"]
