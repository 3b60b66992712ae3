"""Callbacks: one concern each, brought together by `TraindeckCallback`.

* `events`: the hooks of `TraindeckCallback` and their order.
* `recorder`, `readback`: what steps measured, kept as tensors, read back together.
* `norm`: the gradient norm. `forward`: what a module logs itself. `memory`, `gpu`: the machine.
* `control`: requests from outside. `save`: a checkpoint that was asked for.
* `announce`: what the first event says. `flavour`: which of Lightning's two names a script uses.
* `script`, `ends`: the run folder of a script of one's own, and how it ended.
"""

from __future__ import annotations

from trainer.engine.callbacks.events import TraindeckCallback

__all__ = ["TraindeckCallback"]
