"""What training's numbers say of its health: plain Python, for rows of metrics from anywhere.

* `watch`: `HealthWatch`, which takes rows (unix seconds, step, epoch, metrics) and gives alerts.
* `loss`, `gradients`, `validation`, `loader`: the detectors. `stall`: the clock beside them.
* `advice`: what to do about each. `window`: medians and spreads.

Nothing here reads tensors, files or clocks, so that a stream that somebody else wrote can be
judged as well as one's own training.
"""

from __future__ import annotations

from trainer.health.advice import ADVICE
from trainer.health.finding import Alert, Finding, Row
from trainer.health.watch import HealthWatch

__all__ = ["ADVICE", "Alert", "Finding", "HealthWatch", "Row"]
